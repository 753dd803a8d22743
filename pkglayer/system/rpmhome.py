"""Where a tree has its rpmdb, and a private HOME for librpm, so that it looks just there.

Some distributions build `%_dbpath` from the caller's home directory, and librpm reads its macro
files again whenever it opens a database: a macro set from Python is lost then. A home directory
with a `.rpmmacros` of our own is the one place that always counts.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from pkglayer.model.errors import StateError

DATABASE = "rpmdb.sqlite"
DB_PATHS = ("usr/lib/sysimage/rpm", "usr/share/rpm")
"""Where a base may keep its rpmdb, the one in use first; the other is often a link to it."""


def find_dbpath(root: Path) -> str:
    """The path of the rpmdb in a tree, relative; raises StateError without one we can use."""
    for path in DB_PATHS:
        directory = root / path
        if directory.is_symlink() or not directory.is_dir():
            continue
        names = {p.name for p in directory.iterdir()}
        if names & {DATABASE, "Packages.db"}:
            return path
        if "Packages" in names:
            raise StateError(
                f"the rpmdb of the base (/{path}/Packages) is a Berkeley DB, which rpm no longer "
                "writes",
                hint="rebuild the base with the sqlite backend",
            )
    raise StateError(
        "the base has no rpmdb (looked in /" + " and /".join(DB_PATHS) + ")",
        hint="packages can only be layered on a base that was composed from RPMs",
    )


@contextmanager
def private_home(dbpath: str) -> Iterator[Path]:
    """Point HOME at a directory whose `.rpmmacros` sets `%_dbpath` to `/dbpath` for the body."""
    from pkglayer.system.scratch import scratch  # a quick query does without

    before = os.environ.get("HOME")
    with scratch("home") as home:
        absolute = "/" + dbpath.strip("/")
        (home / ".rpmmacros").write_text(
            f"%_dbpath {absolute}\n%_keyringpath {absolute}/pubkeys/\n"
            f"%_rpmlock_path {absolute}/.rpm.lock\n%_pkgverify_level none\n"
        )
        os.environ["HOME"] = str(home)
        try:
            yield home
        finally:
            if before is None:
                del os.environ["HOME"]
            else:
                os.environ["HOME"] = before


def reader_writes(directory: Path) -> bool:
    """Whether SQLite would have to write a shared memory file to read the database in there."""
    with (directory / DATABASE).open("rb") as file:
        header = file.read(20)
    # Byte 18 of the header is 2 in write-ahead mode (SQLite's file format, section 1.3).
    if len(header) < 20 or header[18] != 2:
        return False
    return os.access(directory, os.W_OK) or not (directory / f"{DATABASE}-shm").exists()


def to_command(root: Path, dbpath: str, args: Sequence[str]) -> list[str]:
    """The command that asks `rpm` about the tree at `root`.

    No privilege is needed: for queries rpm puts the root in front of paths, without chroot.
    """
    return ["rpm", f"--root={root.absolute()}", f"--dbpath=/{dbpath}", *args]
