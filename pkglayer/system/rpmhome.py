"""A private HOME for librpm, so that the database path is the base's and not the distribution's.

Some distributions build `%_dbpath` from the caller's home directory, and librpm reads its macro
files again whenever it opens a database: a macro set from Python is lost then. A home directory
with a `.rpmmacros` of our own is the one place that always counts.
"""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

DB_PATHS = ("usr/lib/sysimage/rpm", "usr/share/rpm")
"""Where a base may keep its rpmdb, the one in use first; the other is often a link to it."""


@contextmanager
def private_home(dbpath: str) -> Iterator[Path]:
    """Point HOME at a directory whose `.rpmmacros` sets `%_dbpath` to `/dbpath` for the body."""
    before = os.environ.get("HOME")
    with tempfile.TemporaryDirectory(prefix="pkglayer-home-") as home:
        absolute = "/" + dbpath.strip("/")
        Path(home, ".rpmmacros").write_text(
            f"%_dbpath {absolute}\n%_keyringpath {absolute}/pubkeys/\n"
            f"%_rpmlock_path {absolute}/.rpm.lock\n%_pkgverify_level none\n"
        )
        os.environ["HOME"] = home
        try:
            yield Path(home)
        finally:
            if before is None:
                del os.environ["HOME"]
            else:
                os.environ["HOME"] = before
