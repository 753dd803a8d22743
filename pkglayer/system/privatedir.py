"""Directories of our own that nobody else can change: caches and work areas.

`open_private(path)` makes or checks one, `read_secret(path)` reads a file that only root may read.
What others could write to, or made beforehand, is refused instead of repaired: nobody can tell what
lies in it.
"""

import os
import stat
from pathlib import Path

from pkglayer.model.errors import ConfigError, PkglayerError

MAX_SECRET = 1 << 20
_HINT = "a secret key is a plain file of root's with the mode 0600; make a new key if it was not"


def open_private(path: Path) -> Path:
    """Make the directory (mode 0700) if it is missing; return its real path.

    Raises PkglayerError when it, or a directory above it, is a link, somebody else's or writable
    for others.
    """
    try:
        there = next(p for p in path.parents if p.exists()).resolve(strict=True)
        for directory in (there, *there.parents):  # before anything is made in what is not ours
            _check(directory, directory.lstat(), sticky_is_fine=True)
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


def read_secret(path: Path) -> bytes:
    """The content of a secret key's file.

    Raises ConfigError when it is missing, or anybody but root could read it or put it there.
    """
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as e:
        raise ConfigError(f"the key {path} cannot be read: {e.strerror}", hint=_HINT) from e
    with os.fdopen(fd, "rb") as file:
        info = os.fstat(fd)
        if not stat.S_ISREG(info.st_mode):
            why = "is no regular file"
        elif info.st_uid not in {0, os.geteuid()}:
            why = f"belongs to the user {info.st_uid}"
        elif stat.S_IMODE(info.st_mode) & 0o077:
            why = f"can be read by others (mode {stat.S_IMODE(info.st_mode):04o})"
        else:
            for directory in path.resolve().parents:
                _check(directory, directory.lstat(), sticky_is_fine=True)
            return file.read(MAX_SECRET)
    raise ConfigError(f"the key {path} {why}", hint=_HINT, data={"path": str(path)})


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
