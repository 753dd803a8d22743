"""Reads the package database of a state that need not be running, and changes nothing there.

No lock, no journal and no shared memory file is left beside a database, whatever user we are and
whatever mode it is in: one in write-ahead mode is read from a private copy where a reader would
have to write. Nothing here writes to a database or judges signatures.
"""

import os
import shutil
import sqlite3
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import IO, Any, TypeVar
from urllib.parse import quote

import rpm

from pkglayer.model.bill import Installed
from pkglayer.model.errors import StateError
from pkglayer.model.package import Nevra
from pkglayer.model.pkgdiff import ChangelogEntry, matches
from pkglayer.model.rpmargs import looks_at_files, plan_query
from pkglayer.system.rpmhome import (
    DATABASE,
    DB_PATHS,
    private_home,
    reader_writes,
    to_command,
)
from pkglayer.system.run import run
from pkglayer.system.scratch import scratch

_SHA256 = 8
"""rpm's number of the algorithm (PGPHASHALGO_SHA256)."""
_OTHER_FORMATS = {"Packages.db": "ndb", "Packages": "Berkeley DB"}

Value = TypeVar("Value")


def list_packages(root: Path, dbpath: str, pattern: str = "") -> tuple[Nevra, ...]:
    """All packages of the database at `dbpath` in `root`, sorted; only those that match a pattern.

    Keys that were imported for signatures (`gpg-pubkey`) are not packages and are left out.
    Raises StateError when there is no database, or it is damaged or of another format.
    """
    rows = _read(root, dbpath, _nevra)
    wanted = (n for n in rows if n.name != "gpg-pubkey" and (not pattern or matches(n, pattern)))
    return tuple(sorted(wanted))


Place = tuple[Path, str]
"""A root and the path of the database in it."""


def list_different(one: Place, other: Place) -> tuple[tuple[Nevra, ...], tuple[Nevra, ...]]:
    """As `list_packages` of both, without the packages that have the same header in both.

    Only the headers of what is listed are read, so that comparing costs what differs.
    """
    one_has, other_has = _read_marks(*one), _read_marks(*other)
    same = set(one_has.values()) & set(other_has.values())

    def different(place: Place, marks: Mapping[int, str]) -> tuple[Nevra, ...]:
        numbers = [n for n, mark in marks.items() if not mark or mark not in same]
        rows = _read(*place, _nevra, numbers if same else None)
        return tuple(sorted(n for n in rows if n.name != "gpg-pubkey"))

    return different(one, one_has), different(other, other_has)


def _read_marks(root: Path, dbpath: str) -> dict[int, str]:
    """The SHA-1 of each header by its number, empty for one that has none.

    From rpm's own index; nothing where there is none as we know it: then all headers are read.
    """
    query = "SELECT Name.hnum, s.key FROM Name LEFT JOIN Sha1header AS s ON s.hnum = Name.hnum"
    with readable(root, dbpath) as (where, path):
        database = f"file:{quote(str(where.absolute() / path / DATABASE))}?mode=ro"
        try:
            with closing(sqlite3.connect(database, uri=True)) as found:
                return {number: mark or "" for number, mark in found.execute(query)}
        except sqlite3.Error:
            return {}


def read_installed(root: Path, dbpath: str) -> tuple[Installed, ...]:
    """What the headers say of every package but imported keys, sorted.

    Raises as `list_packages` does.
    """
    rows = _read(root, dbpath, _installed)
    return tuple(sorted(row for row in rows if row.nevra.name != "gpg-pubkey"))


def read_changelogs(
    root: Path, dbpath: str, packages: Collection[Nevra]
) -> Mapping[Nevra, tuple[ChangelogEntry, ...]]:
    """The changelogs of these packages, newest entry first; a package without one is left out."""

    def of_header(h: Any) -> tuple[Nevra, tuple[ChangelogEntry, ...]]:
        nevra = _nevra(h)
        return nevra, tuple(_changelog(h)) if nevra in packages else ()

    return {nevra: entries for nevra, entries in _read(root, dbpath, of_header) if entries}


@dataclass(frozen=True)
class Answer:
    """What `rpm` said; the text is as rpm wrote it and not made safe for a terminal."""

    exit_code: int
    output: bytes
    errors: bytes


def run_query(root: Path, dbpath: str, args: Sequence[str]) -> Answer:
    """Ask the `rpm` command about the state at `root`, which need not be running.

    Raises UsageError for arguments that are not a plain query, StateError without a database.
    """
    command = plan_query(args)
    with readable(root, dbpath) as (where, path):
        if where != root and looks_at_files(args):
            raise StateError(
                f"the package database in {root} is in write-ahead mode, and a query that looks at "
                "files would have to write to it",
                hint="ask for packages by name, or query the running system with rpm itself",
            )
        done = run(to_command(where, path, command), check=False)
    return Answer(done.returncode, done.stdout, done.stderr)


def _no_database(root: Path) -> StateError:
    for dbpath in DB_PATHS:
        for name, kind in _OTHER_FORMATS.items():
            if (root / dbpath / name).exists():
                return StateError(
                    f"the package database /{dbpath}/{name} in {root} is in the {kind} format",
                    hint="pkglayer reads SQLite databases; convert the base: rpmdb --rebuilddb",
                )
    return StateError(
        f"there is no package database in {root}",
        hint="a base needs one at /" + " or /".join(DB_PATHS),
    )


def _read(
    root: Path, dbpath: str, take: Callable[[Any], Value], numbers: Iterable[int] | None = None
) -> list[Value]:
    """What `take` makes of each header, or of those with these numbers."""
    with readable(root, dbpath) as (where, path), private_home(path), complaints() as said:
        rpm.reloadConfig()
        ts = rpm.TransactionSet(str(where.absolute()))
        ts.setVSFlags(-1)  # what is in a committed tree is as trustworthy as the commit
        try:
            keys = [()] if numbers is None else [(rpm.RPMDBI_PACKAGES, n) for n in numbers]
            values = [take(h) for key in keys for h in ts.dbMatch(*key)]
        except rpm.error as e:
            raise _damaged(root, dbpath, said() or [str(e)]) from e
        # A read error half way looks like the end of the list; only the log tells.
        if lines := said():
            raise _damaged(root, dbpath, lines)
    return values


def _damaged(root: Path, dbpath: str, lines: Sequence[str]) -> StateError:
    # The first line is "what: statement: reason"; the rest are consequences.
    return StateError(
        f"the package database /{dbpath}/{DATABASE} in {root} cannot be read: "
        f"{lines[0].rpartition(': ')[2]}",
        hint="check the repository with: ostree fsck; then deploy the base anew",
        data={"librpm": list(lines)},
    )


@contextmanager
def readable(root: Path, dbpath: str) -> Iterator[tuple[Path, str]]:
    """(root, dbpath) under which librpm can read the database without writing beside it.

    Raises StateError where there is none: librpm would make a new one.
    """
    if not (root / dbpath / DATABASE).is_file():
        raise _no_database(root)
    if not reader_writes(root / dbpath):
        yield root, dbpath
        return
    with scratch("rpmdb") as copy:
        target = copy / "rpmdb"
        target.mkdir()
        for suffix in ("", "-wal"):
            source = root / dbpath / f"{DATABASE}{suffix}"
            if source.is_file():
                shutil.copyfile(source, target / source.name)
        yield copy, "rpmdb"


@contextmanager
def complaints() -> Iterator[Callable[[], list[str]]]:
    """Catch what librpm logs during the body, so that it reaches our message and not stderr.

    The function that the body gets returns the lines so far.
    """
    log = _log_file()
    log.truncate(0)
    rpm.setLogFile(log)
    try:
        yield lambda: os.pread(log.fileno(), 4096, 0).decode(errors="replace").splitlines()
    finally:
        # The binding cannot be given None (rpm 4.18 then fails in a later call).
        if sys.__stderr__:
            rpm.setLogFile(sys.__stderr__)


@cache
def _log_file() -> IO[bytes]:
    """The one file librpm logs to; open for good, since librpm keeps its descriptor number."""
    return os.fdopen(os.memfd_create("rpm-log"), "r+b")


def _nevra(h: Any) -> Nevra:
    return Nevra(h["name"], h["epoch"] or 0, h["version"], h["release"], h["arch"] or "")


def _installed(h: Any) -> Installed:
    digests = h["payloaddigest"] or [""]
    sha256 = h["payloaddigestalgo"] == _SHA256
    return Installed(
        _nevra(h),
        licence=h["license"] or "",
        vendor=h["vendor"] or "",
        packager=h["packager"] or "",
        summary=h["summary"] or "",
        url=h["url"] or "",
        source=h["sourcerpm"] or "",
        header_checksum=h["sha256header"] or "",
        payload_checksum=digests[0] if sha256 else "",
    )


def _changelog(h: Any) -> Iterator[ChangelogEntry]:
    rows = zip(h["changelogtime"], h["changelogname"], h["changelogtext"], strict=False)
    for time, author, text in rows:
        yield ChangelogEntry(time, author, text)
