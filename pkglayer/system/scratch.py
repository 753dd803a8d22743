"""Directories for a short while that do not stay when we are killed.

`scratch(kind)` makes one for a body. A run holds a lock on each of its own, so that a later one
knows those whose maker is gone, and removes them.
"""

import fcntl
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

PREFIX = "pkglayer-scratch-"
"""Whatever begins so is ours to remove: no person takes such a name."""
_UNLOCKED = ".new"
"""The end of a name before its lock is held, which takes no hour."""
_HOUR = 3600


@contextmanager
def scratch(kind: str, where: Path | None = None) -> Iterator[Path]:
    """A directory of ours alone below `where`, by default the system's place for such files."""
    where = where or Path(tempfile.gettempdir())
    _sweep_once(where)
    new = Path(tempfile.mkdtemp(_UNLOCKED, f"{PREFIX}{kind}-", where))
    path = new.with_suffix("")
    lock = os.open(new, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(lock, fcntl.LOCK_SH)
        new.rename(path)
        yield path
    finally:
        for left in (path, new):
            shutil.rmtree(left, ignore_errors=True)
        os.close(lock)


@cache
def _sweep_once(where: Path) -> None:
    with suppress(OSError):
        for path in where.glob(f"{PREFIX}*"):
            if path.suffix != _UNLOCKED or path.lstat().st_mtime < time.time() - _HOUR:
                _remove_abandoned(path)


def _remove_abandoned(path: Path) -> None:
    """Remove a directory of ours that nobody holds."""
    with suppress(OSError):
        lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            found = os.fstat(lock)
            if (found.st_uid, stat.S_IMODE(found.st_mode)) != (os.geteuid(), 0o700):
                return
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(path, ignore_errors=True)
        finally:
            os.close(lock)
