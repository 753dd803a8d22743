"""How much room a change needs, on which file system, and whether it is there.

Sizes are in bytes, `files` counts inodes. What is not known beforehand (packages that were not
downloaded yet) is estimated; `system.space` measures, `engine.space` adds up.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from pkglayer.model.errors import SpaceError
from pkglayer.model.units import to_size

BLOCK = 4096
"""What the smallest file or directory takes."""
FILE_BYTES = 32 << 10
"""A package has about one file for so many bytes, until its header says how many."""
HINT = "make room, for instance with: pkglayer cleanup --rollback --cache"


@dataclass(frozen=True)
class Need:
    """What is going to be written, in words, and how much it takes."""

    what: str
    size: int
    files: int = 0


@dataclass(frozen=True)
class Room:
    """A file system, by its mount point, and what a change puts on it.

    `free_files` is None where inodes are made as they are needed (btrfs); `reserve` stays free
    whatever is written, for the repository by libostree's setting min-free-space.
    """

    mount: str
    free: int
    free_files: int | None
    needs: tuple[Need, ...] = ()
    reserve: int = 0

    @property
    def size(self) -> int:
        return sum(n.size for n in self.needs)

    @property
    def files(self) -> int:
        return sum(n.files for n in self.needs)

    @property
    def fits(self) -> bool:
        enough = self.free_files is None or self.files <= self.free_files
        return self.size + self.reserve <= self.free and enough


def guess_files(install_size: int) -> int:
    """How many files and directories a package of this size has, about."""
    return 2 + install_size // FILE_BYTES


def room_text(room: Room) -> str:
    """A room in one line: what is needed, for what, and what is free."""
    parts = ", ".join(f"{to_size(n.size)} {n.what}" for n in room.needs if n.size)
    text = f"{room.mount}: {to_size(room.size)} needed ({parts}), {to_size(room.free)} free"
    if room.reserve:
        text += f", of which {to_size(room.reserve)} must stay free (min-free-space)"
    if room.free_files is not None and room.files > room.free_files:
        text += f"; {room.files} inodes needed, {room.free_files} free"
    return text


def room_json(room: Room) -> dict[str, Any]:
    """A room as JSON values."""
    return {
        "mount": room.mount,
        "needed": room.size,
        "free": room.free,
        "reserve": room.reserve,
        "needed_files": room.files,
        "free_files": room.free_files,
        "fits": room.fits,
        "needs": [{"what": n.what, "bytes": n.size, "files": n.files} for n in room.needs],
    }


def rooms_json(rooms: Iterable[Room]) -> dict[str, Any]:
    """All rooms of a change as JSON values."""
    rows = [room_json(room) for room in rooms]
    return {"fits": all(row["fits"] for row in rows), "rooms": rows}


def render_rooms(rooms: Iterable[Room]) -> list[str]:
    """A line for each file system, and a way out where something does not fit."""
    rooms = list(rooms)
    lines = [f"Space on {room_text(room)}." for room in rooms]
    return lines if all(r.fits for r in rooms) else [*lines, f"That does not fit: {HINT}."]


def space_error(rooms: Iterable[Room]) -> SpaceError | None:
    """One refusal for every file system that is too small; None when all fits."""
    full = [room for room in rooms if not room.fits]
    if not full:
        return None
    texts = "; ".join(room_text(room) for room in full)
    return SpaceError(
        f"there is not enough room on {texts}", hint=HINT, data={"space": [*map(room_json, full)]}
    )


def check_rooms(rooms: Sequence[Room]) -> None:
    """Raises the SpaceError of `space_error`."""
    if error := space_error(rooms):
        raise error
