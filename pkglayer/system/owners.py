"""Gives files of a tree the owner, mode and capabilities that the package's header names.

Names are resolved in the tree, where they may have been made a moment ago by the package's own
scriptlet. A name that nobody has becomes root, without the set-user or set-group bit, as rpm does.
"""

import os
import posixpath
import stat
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from pkglayer.model import pathmap
from pkglayer.model.accounts import Names, Renumbering
from pkglayer.model.header import FileEntry
from pkglayer.system import filecaps
from pkglayer.system.inroot import is_plain, resolve_in, resolve_var


def fix_owner(place: Path, entry: FileEntry, names: Names) -> Iterator[str]:
    """Apply the header's owner to what lies at `place`; yields a warning for each unknown name.

    `place` must have no symbolic link before its last component (see `find_places`).
    """
    mode = stat.S_IMODE(entry.mode)
    user, group = names.users.get(entry.user), names.groups.get(entry.group)
    uid = user.uid if user else 0
    gid = group.gid if group else 0
    if not user and entry.user != "root":
        mode &= ~stat.S_ISUID
        yield f"user {entry.user} does not exist - using root"
    if not group and entry.group != "root":
        mode &= ~stat.S_ISGID
        yield f"group {entry.group} does not exist - using root"
    os.chown(place, uid, gid, follow_symlinks=False)
    if stat.S_ISLNK(entry.mode):
        return
    place.chmod(mode)  # after chown, which clears the set-user and set-group bits
    if entry.caps:
        os.setxattr(place, filecaps.XATTR, filecaps.to_xattr(entry.caps), follow_symlinks=False)


def move_owners(written: Path, shown: Path, moves: Renumbering) -> None:
    """Let what was written so far below `written` follow its owners to their new ids.

    `shown` is where the same paths are changed: the mounted view of an overlay's upper directory.
    """
    for path in written.rglob("*"):
        info = path.lstat()
        uid, gid = moves.uids.get(info.st_uid, -1), moves.gids.get(info.st_gid, -1)
        if (uid, gid) == (-1, -1) or stat.S_ISCHR(info.st_mode):
            continue
        place = shown / path.relative_to(written)
        caps = b""
        if stat.S_ISREG(info.st_mode) and filecaps.XATTR in os.listxattr(place):
            caps = os.getxattr(place, filecaps.XATTR)
        os.chown(place, uid, gid, follow_symlinks=False)
        if not stat.S_ISLNK(info.st_mode):
            place.chmod(stat.S_IMODE(info.st_mode))
        if caps:
            os.setxattr(place, filecaps.XATTR, caps)


def find_places(
    root: Path, var: Path, placed: Mapping[str, str], entry: FileEntry, owner: str
) -> Iterator[Path]:
    """Where a header's entry lies now: in the tree, or in the directory that stands for /var.

    `placed` tells by path of the tree which package put the file there (see
    `overlayroot.Root.placed`); what is not `owner`'s, or not of the kind that the header says, is
    left alone. The factory copies of /var's files get their owners from tmpfiles.d at boot.
    """
    real = real_path(root, entry.path)
    if real.startswith("var/") and (place := resolve_var(var, real.removeprefix("var/"))):
        yield from _of_kind(place, entry)
    path = pathmap.place(real, entry).path
    for candidate in (path, f"{path}.rpmnew"):
        if placed.get(candidate) != owner or candidate.startswith(pathmap.FACTORY):
            continue
        if is_plain(root, candidate):  # no scriptlet has put a link on the way since
            yield from _of_kind(root / candidate, entry)


def real_path(root: Path, path: str) -> str:
    """An absolute path of a package as the tree has it: relative, links of directories followed."""
    above, name = posixpath.split(path)
    place = resolve_in(root, above) or root / above.lstrip("/")
    return str((place / name).relative_to(root))


def _of_kind(place: Path, entry: FileEntry) -> Iterator[Path]:
    with suppress(FileNotFoundError):
        if stat.S_IFMT(place.lstat().st_mode) == stat.S_IFMT(entry.mode):
            yield place
