"""The history database under /var: one row for each change, durable before `add` returns.

SQLite with a rollback journal: readers need no write access, and after a crash the next writer
finds the last whole row. Nothing in it decides anything; a lost history loses no state.
"""

import os
import pwd
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import astuple, fields
from pathlib import Path

from pkglayer.model.errors import StateError, UsageError
from pkglayer.model.history import HistoryEntry

SCHEMA_VERSION = 2
WAIT_SECONDS = 10
_COLUMNS = [field.name for field in fields(HistoryEntry) if field.name != "number"]
_TABLE = """
CREATE TABLE entry (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    time INTEGER NOT NULL,
    user TEXT NOT NULL,
    uid INTEGER NOT NULL,
    command TEXT NOT NULL,
    before TEXT NOT NULL,
    after TEXT NOT NULL,
    digest TEXT NOT NULL,
    outcome TEXT NOT NULL,
    message TEXT NOT NULL,
    comment TEXT NOT NULL DEFAULT '',
    changes TEXT NOT NULL DEFAULT '',
    takes_back INTEGER NOT NULL DEFAULT 0
)
"""
_ADDED = {1: {
    "comment": "TEXT NOT NULL DEFAULT ''",
    "changes": "TEXT NOT NULL DEFAULT ''",
    "takes_back": "INTEGER NOT NULL DEFAULT 0",
}}  # fmt: skip
"""Columns that a file of an older version does not have."""


class History:
    """The history in the file `path`, which is made with the first entry."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def add(self, entry: HistoryEntry) -> int:
        """Write one entry and return its number; it is on disk when this returns.

        Raises StateError when the file is damaged, of a newer version or cannot be written.
        """
        self.path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        marks = ", ".join("?" * len(_COLUMNS))
        statement = f"INSERT INTO entry ({', '.join(_COLUMNS)}) VALUES ({marks})"
        with self._open("rwc") as connection, connection:
            connection.execute("BEGIN IMMEDIATE")
            self._prepare(connection)
            number = connection.execute(statement, _to_row(entry)).lastrowid
        return number or 0

    def read(self, limit: int = 0) -> tuple[HistoryEntry, ...]:
        """The newest `limit` entries (0: all), newest first; none where there is no history yet."""
        if not self.path.exists():
            return ()
        # Only who can write can finish what a crash left; others read what is there.
        mode = "rw" if os.access(self.path, os.W_OK) else "ro"
        with self._open(mode) as connection:
            version = self._version(connection)
            if version == 0:
                return ()
            absent = {k: v.rpartition(" ")[2] for k, v in _ADDED.get(version, {}).items()}
            names = ", ".join(absent.get(name, name) for name in [*_COLUMNS, "number"])
            statement = f"SELECT {names} FROM entry ORDER BY number DESC LIMIT ?"
            rows = connection.execute(statement, (limit or -1,)).fetchall()
        return tuple(HistoryEntry(*row) for row in rows)

    def find(self, number: int) -> HistoryEntry:
        """One entry by its number; raises UsageError when there is none."""
        found = next((entry for entry in self.read() if entry.number == number), None)
        if found is None:
            raise UsageError(f"the history has no change {number}", hint="see: pkglayer history")
        return found

    @contextmanager
    def _open(self, mode: str) -> Iterator[sqlite3.Connection]:
        uri = f"{self.path.absolute().as_uri()}?mode={mode}"
        try:
            # isolation_level None: transactions begin where we say so, not where Python guesses.
            opened = sqlite3.connect(uri, uri=True, timeout=WAIT_SECONDS, isolation_level=None)
            with closing(opened) as connection:
                connection.execute("PRAGMA synchronous = EXTRA")
                yield connection
        except sqlite3.Error as e:
            raise StateError(
                f"the history ({self.path}) cannot be used: {e}",
                hint="nothing depends on it: if it is damaged, move the file away",
            ) from e

    def _version(self, connection: sqlite3.Connection) -> int:
        version: int = connection.execute("PRAGMA user_version").fetchone()[0]
        if version > SCHEMA_VERSION:
            raise StateError(
                f"the history ({self.path}) has version {version}; "
                f"this pkglayer knows {SCHEMA_VERSION}",
                hint="use the pkglayer that wrote it, or move the file away",
            )
        return version

    def _prepare(self, connection: sqlite3.Connection) -> None:
        version = self._version(connection)
        if version == SCHEMA_VERSION:
            return
        if version == 0:
            connection.execute(_TABLE)
        for name, kind in _ADDED.get(version, {}).items():
            connection.execute(f"ALTER TABLE entry ADD COLUMN {name} {kind}")
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION:d}")


def _to_row(entry: HistoryEntry) -> list[str | int]:
    """The columns' values; words that are no UTF-8 (command lines need not be) are escaped."""
    values = astuple(entry)[: len(_COLUMNS)]
    return [v.encode(errors="backslashreplace").decode() if isinstance(v, str) else v
            for v in values]  # fmt: skip


def read_caller() -> tuple[str, int]:
    """(user name, uid) of the person behind this program, also through sudo, su or pkexec.

    The kernel's login uid counts, since it stays the same from login on; without a login (a timer,
    a container) it is the word of sudo or pkexec, then our own uid.
    """
    uid = _login_uid()
    if uid is None:
        said = [os.environ.get(name, "") for name in ("SUDO_UID", "PKEXEC_UID")]
        behind = [int(text) for text in said if text.isdecimal()] if os.getuid() == 0 else []
        uid = next(iter(behind), os.getuid())
    try:
        return pwd.getpwuid(uid).pw_name, uid
    except (KeyError, OverflowError):
        return str(uid), uid


def _login_uid() -> int | None:
    try:
        uid = int(Path("/proc/self/loginuid").read_text())
    except (OSError, ValueError):
        return None
    return None if uid == 2**32 - 1 else uid
