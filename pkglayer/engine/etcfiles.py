"""Files of /etc that stay as the administrator has them, whatever a new state brings for them.

libostree merges /etc by whole files: what differs from its default is the machine's own.
"""

import filecmp
import stat
from pathlib import Path

from pkglayer.engine.session import Session

DEFAULTS = "usr/etc"


def find_kept(session: Session, checksum: str) -> tuple[str, ...]:
    """Paths of which the commit has another default than now, and the machine its own file.

    A file that was removed on the machine counts as its own; one that is as the new default is
    does not. Absolute paths, sorted. Reads only directories that differ.
    """
    merge = session.sysroot.booted or session.sysroot.newest
    old, new = (_defaults(session, commit) for commit in (merge.checksum, checksum))
    if not new[0]:
        return ()
    root, repo = Path(merge.root), session.repo
    return tuple(
        sorted(
            f"/etc/{path}"
            for path, what, file in repo.diff(old, new)
            if what == "f"
            and not _same(root / "etc" / path, root / DEFAULTS / path)
            and not _same(root / "etc" / path, repo.object_path(file))
        )
    )


def _defaults(session: Session, commit: str) -> tuple[str, str]:
    found = session.repo.find(session.repo.read_commit(commit).tree, DEFAULTS)
    return found if isinstance(found, tuple) else ("", "")


def _same(a: Path, b: Path) -> bool:
    """Whether both are not there, or are the same link, or files of one content, mode and owner."""
    kind = _kind(a)
    if kind != _kind(b):
        return False
    if kind is None:
        return True
    if stat.S_ISLNK(kind[0]):
        return a.readlink() == b.readlink()
    return stat.S_ISREG(kind[0]) and filecmp.cmp(a, b, shallow=False)


def _kind(path: Path) -> tuple[int, int, int] | None:
    """Mode, owner and group; None where nothing is."""
    try:
        info = path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return info.st_mode, info.st_uid, info.st_gid
