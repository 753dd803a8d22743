"""Mounts and mount namespaces, through the C library (Python 3.11 has neither).

Everything is mounted in a private mount namespace of this process, so that nothing stays mounted
when the process ends, however it ends. Whoever mounts also unmounts, in reverse.
"""

import ctypes
import os
from collections.abc import Sequence
from pathlib import Path

from pkglayer.log import log
from pkglayer.model.errors import PkglayerError

_libc = ctypes.CDLL(None, use_errno=True)

CLONE_NEWNS = 0x00020000
MS_BIND = 4096
MS_REC = 16384
MS_SLAVE = 1 << 19
MNT_DETACH = 2


def unshare_mounts() -> None:
    """Give this process its own mount namespace; what it mounts is seen by nobody else.

    Mounts of the host still arrive (slave propagation). Raises PkglayerError without privilege.
    """
    if _libc.unshare(CLONE_NEWNS) != 0:
        raise _failure("cannot make a private mount namespace")
    _mount("none", "/", None, MS_REC | MS_SLAVE, None)


class OverlayMount:
    """An overlay on one target that can be mounted again with other lower layers, topmost first.

    The features that write paths or file handles into the upper directory are switched off, so
    that it holds nothing but copied-up files, whiteouts and opaque marks.
    """

    def __init__(self, target: Path) -> None:
        self.target = target
        self.mounted = False

    def __call__(self, lowers: Sequence[Path], upper: Path, work: Path) -> None:
        self.umount()
        options = ",".join(
            [
                "lowerdir=" + ":".join(_escape(p, ":,") for p in lowers),
                "upperdir=" + _escape(upper, ","),
                "workdir=" + _escape(work, ","),
                "redirect_dir=nofollow,metacopy=off,index=off,volatile",
            ]
        )
        _mount("overlay", str(self.target), "overlay", 0, options)
        self.mounted = True

    def umount(self) -> None:
        if self.mounted:
            umount(self.target)
            self.mounted = False


def bind(source: Path, target: Path) -> None:
    """Bind `source` over `target`; undo with `umount`."""
    _mount(str(source), str(target), None, MS_BIND, None)


def umount(target: Path) -> None:
    """Unmount, lazily where something still holds it."""
    log.debug("umount %s", target)
    if _libc.umount2(os.fsencode(target), 0) != 0 and _libc.umount2(
        os.fsencode(target), MNT_DETACH
    ):
        raise _failure(f"cannot unmount {target}")


def sync_filesystem(path: Path) -> None:
    """Wait until all of the file system that `path` is on is on the disk."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if _libc.syncfs(fd) != 0:
            raise OSError(ctypes.get_errno(), "syncfs", str(path))
    finally:
        os.close(fd)


def _mount(source: str, target: str, fstype: str | None, flags: int, options: str | None) -> None:
    log.debug("mount -t %s -o %s %s %s (flags %#x)", fstype, options, source, target, flags)
    args = [None if v is None else os.fsencode(v) for v in (source, target, fstype)]
    data = None if options is None else os.fsencode(options)
    if _libc.mount(*args, ctypes.c_ulong(flags), data) != 0:
        raise _failure(f"cannot mount {source} on {target}")


def _escape(path: Path, special: str) -> str:
    text = str(path).replace("\\", "\\\\")
    for char in special:
        text = text.replace(char, "\\" + char)
    return text


def _failure(what: str) -> PkglayerError:
    number = ctypes.get_errno()
    return PkglayerError(
        f"{what}: {os.strerror(number)}",
        hint="layering needs root, overlayfs and leave to mount (not an unprivileged container)",
        data={"errno": number},
    )
