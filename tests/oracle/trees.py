"""Reads a tree as it lies on disk: everything about a file that rpm or a program could notice.

Times are not read: OSTree keeps none. Nothing is judged here.
"""

import hashlib
import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

KERNEL_PLACES = ("proc/", "sys/", "dev/")
"""What is below belongs to the kernel of the machine, not to the tree."""
KINDS = {
    stat.S_IFREG: "file",
    stat.S_IFDIR: "directory",
    stat.S_IFLNK: "link",
    stat.S_IFCHR: "device",
    stat.S_IFBLK: "device",
    stat.S_IFIFO: "pipe",
    stat.S_IFSOCK: "socket",
}


@dataclass(frozen=True)
class Seen:
    """One file. `owner` is user and group by the names that the tree has for them; `digest` is
    empty but for regular files, `target` but for links; `names` counts its hard links, and `inode`
    tells which files are one."""

    kind: str
    mode: int
    owner: tuple[str, str]
    digest: str
    target: str
    xattrs: tuple[tuple[str, bytes], ...]
    inode: int
    names: int
    place: Path


Tree = Mapping[str, Seen]


def scan(top: Path) -> dict[str, Seen]:
    """Everything below `top` by relative path; file names that are not UTF-8 keep their bytes."""
    digests: dict[int, str] = {}
    names = _read_names(top / "etc/passwd"), _read_names(top / "etc/group")
    return {path: _see(entry, digests, names) for path, entry in _walk(top, "")}


def _read_names(file: Path) -> dict[int, str]:
    rows = [line.split(":") for line in file.read_text().splitlines()] if file.exists() else []
    return {int(row[2]): row[0] for row in reversed(rows)}


def _walk(top: Path, below: str) -> Iterator[tuple[str, Path]]:
    with os.scandir(top / below) as entries:
        rows = sorted(entries, key=lambda e: e.name)
    for entry in rows:
        path = f"{below}{entry.name}"
        yield path, Path(entry.path)
        if entry.is_dir(follow_symlinks=False) and f"{path}/" not in KERNEL_PLACES:
            yield from _walk(top, f"{path}/")


def _see(
    place: Path, digests: dict[int, str], names: tuple[dict[int, str], dict[int, str]]
) -> Seen:
    info = place.lstat()
    users, groups = names
    kind = KINDS[stat.S_IFMT(info.st_mode)]
    if kind == "file" and info.st_ino not in digests:
        digests[info.st_ino] = _digest(place)
    listed = sorted(os.listxattr(place, follow_symlinks=False))
    return Seen(
        kind=kind,
        mode=stat.S_IMODE(info.st_mode),
        owner=(
            users.get(info.st_uid, str(info.st_uid)),
            groups.get(info.st_gid, str(info.st_gid)),
        ),
        digest=digests[info.st_ino] if kind == "file" else "",
        # As it is written: a Path would turn `./x` into `x`.
        target=os.readlink(place) if kind == "link" else "",  # noqa: PTH115
        xattrs=tuple((n, os.getxattr(place, n, follow_symlinks=False)) for n in listed),
        inode=info.st_ino,
        names=info.st_nlink,
        place=place,
    )


def _digest(place: Path) -> str:
    with place.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
