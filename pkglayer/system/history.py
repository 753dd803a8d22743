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

from pkglayer.model.errors import StateError
from pkglayer.model.history import HistoryEntry

SCHEMA_VERSION = 1
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
    message TEXT NOT NULL
)
"""


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
            number = connection.execute(statement, astuple(entry)[: len(_COLUMNS)]).lastrowid
        return number or 0

    def read(self, limit: int = 0) -> tuple[HistoryEntry, ...]:
        """The newest `limit` entries (0: all), newest first; none where there is no history yet."""
        if not self.path.exists():
            return ()
        # Only who can write can finish what a crash left; others read what is there.
        mode = "rw" if os.access(self.path, os.W_OK) else "ro"
        names = ", ".join([*_COLUMNS, "number"])
        statement = f"SELECT {names} FROM entry ORDER BY number DESC LIMIT ?"
        with self._open(mode) as connection:
            if self._version(connection) == 0:
                return ()
            rows = connection.execute(statement, (limit or -1,)).fetchall()
        return tuple(HistoryEntry(*row) for row in rows)

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
        if self._version(connection) == 0:
            connection.execute(_TABLE)
            connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION:d}")


def read_caller() -> tuple[str, int]:
    """(user name, uid) of the person behind this program, also through sudo or su.

    The kernel's login uid counts, since it stays the same from login on; without a login (a timer,
    a container) it is sudo's word, then our own uid.
    """
    uid = _login_uid()
    if uid is None:
        sudo = os.environ.get("SUDO_UID", "")
        uid = int(sudo) if os.getuid() == 0 and sudo.isdecimal() else os.getuid()
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
