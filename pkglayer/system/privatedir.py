"""Directories of our own that nobody else can change: caches and work areas.

`open_private(path)` makes or checks one. What others could write to, or made beforehand, is refused
instead of repaired: nobody can tell what lies in it.
"""

import os
import stat
from pathlib import Path

from pkglayer.model.errors import PkglayerError


def open_private(path: Path) -> Path:
    """Make the directory (mode 0700) if it is missing; return its real path.

    Raises PkglayerError when it, or a directory above it, is a link, somebody else's or writable
    for others.
    """
    try:
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        real = path.parent.resolve(strict=True) / path.name
        real.mkdir(mode=0o700, exist_ok=True)
    except OSError as e:
        raise PkglayerError(
            f"the directory {path} cannot be made: {e.strerror}",
            hint="name another one as [cache] dir in /etc/pkglayer/pkglayer.toml",
        ) from e
    for directory in real.parents:
        _check(directory, directory.lstat(), sticky_is_fine=True)
    _check(real, real.lstat(), sticky_is_fine=False)
    return real


def _check(path: Path, info: os.stat_result, *, sticky_is_fine: bool) -> None:
    sticky = sticky_is_fine and info.st_mode & stat.S_ISVTX
    if not stat.S_ISDIR(info.st_mode):
        why = "is no directory but a link or file"
    elif info.st_uid not in {0, os.geteuid()}:
        why = f"belongs to the user {info.st_uid}"
    elif info.st_mode & (stat.S_IWGRP | stat.S_IWOTH) and not sticky:
        why = f"can be written by others (mode {stat.S_IMODE(info.st_mode):04o})"
    else:
        return
    raise PkglayerError(
        f"{path} {why}; it cannot be used",
        hint="see who made it, remove it, and try again",
        data={"path": str(path)},
    )
