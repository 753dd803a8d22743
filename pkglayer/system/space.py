"""Measures file systems: what is free for whom, and what a directory takes."""

import errno
import os
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path

from pkglayer.model.errors import PkglayerError, SpaceError
from pkglayer.model.space import BLOCK, HINT, Need, Room, room_json

_FULL = (errno.ENOSPC, errno.EDQUOT)
FULL = 16 * BLOCK
"""With fewer bytes free a file system is taken for the cause of what failed."""


def find_rooms(
    needs: Iterable[tuple[Path, Need]], reserves: Mapping[Path, int] | None = None
) -> tuple[Room, ...]:
    """The needs, put together by the file system that each path is (or will be) on."""
    grouped: dict[int, tuple[Path, list[Need]]] = {}
    for path, need in needs:
        there = _existing(path)
        grouped.setdefault(there.stat().st_dev, (there, []))[1].append(need)
    kept = {_existing(p).stat().st_dev: size for p, size in (reserves or {}).items()}
    return tuple(
        measure(path, tuple(rows), kept.get(device, 0)) for device, (path, rows) in grouped.items()
    )


def measure(path: Path, needs: tuple[Need, ...] = (), reserve: int = 0) -> Room:
    """The file system of a path as it is now; what only root could still use is not counted."""
    found = os.statvfs(path)
    files = found.f_favail if found.f_files else None
    return Room(str(find_mount(path)), found.f_bavail * found.f_frsize, files, needs, reserve)


def count_inodes(path: Path) -> int:
    """How many inodes are in use on the file system of a path; 0 where it does not count them."""
    found = os.statvfs(path)
    return found.f_files - found.f_ffree


def find_mount(path: Path) -> Path:
    """The mount point that a path is below."""
    path = path.resolve()
    device = path.stat().st_dev
    while path != path.parent and path.parent.stat().st_dev == device:
        path = path.parent
    return path


def explain(error: OSError | PkglayerError, places: Iterable[Path]) -> SpaceError | None:
    """What went wrong in the midst of the work, told as a file system that has become full.

    `places` are those that are written to. None for an error that has nothing to do with space, or
    that says it all.
    """
    if isinstance(error, SpaceError) and "space" in error.data:
        return None
    rooms = find_rooms((path, Need("", 0)) for path in places)
    least = min(rooms, key=lambda room: (not _is_full(room), room.free))
    if not (_is_full(least) or tells_of_space(error)):
        return None
    inodes = "" if least.free_files is None else f" and {least.free_files} inodes"
    text = error.message if isinstance(error, PkglayerError) else str(error)
    data = error.data if isinstance(error, PkglayerError) else {}
    return SpaceError(
        f"{text} ({least.mount} has {least.free} bytes{inodes} free by now)",
        hint=HINT,
        data={**data, "space": [room_json(least)]},
    )


def tells_of_space(error: BaseException | None) -> bool:
    """Whether the error, or one that it came from, is the system's word for a full disk."""
    if error is None or isinstance(error, SpaceError):
        return error is not None
    if isinstance(error, OSError) and error.errno in _FULL:
        return True
    return any(os.strerror(n) in str(error) for n in _FULL) or tells_of_space(error.__cause__)


def _is_full(room: Room) -> bool:
    return room.free < FULL or room.free_files == 0


def tree_need(what: str, top: Path) -> Need:
    """What a copy of a directory takes: every file, rounded up to blocks."""
    size = files = 0
    for directory, _, names in os.walk(top):
        files += 1 + len(names)
        size += BLOCK
        for name in names:
            info = os.lstat(os.path.join(directory, name))  # noqa: PTH118 - thousands of files
            if stat.S_ISREG(info.st_mode):
                size += -(-info.st_size // BLOCK) * BLOCK
    return Need(what, size, files)


def _existing(path: Path) -> Path:
    while not path.exists():
        path = path.parent
    return path
