"""A directory that shows repository objects by hardlink: a lower layer of an overlay.

Nothing may write through it, since its files are the repository's own objects; the overlay above
copies up. Directories get the attributes of their OSTree metadata.
"""

import errno
import os
import shutil
import stat
from collections.abc import Callable
from pathlib import Path

from pkglayer.model.objects import FileInfo
from pkglayer.system.repo import Repo

DirMeta = Callable[[str], FileInfo | None]
"""Metadata of a directory of the tree by its relative path; None where the tree has none."""


class LinkDir:
    """Below `path`; parents that do not exist yet are made with the attributes `dirmeta` tells."""

    def __init__(self, repo: Repo, path: Path, dirmeta: DirMeta) -> None:
        self.repo = repo
        self.path = path
        self.dirmeta = dirmeta
        self._made = {""}
        path.mkdir(exist_ok=True)

    def put_file(self, path: str, checksum: str) -> None:
        """Show a content object at a path, in place of whatever was there."""
        target = self._target(path)
        source = self.repo.object_name(checksum)
        try:
            os.link(source, target, follow_symlinks=False)
        except FileExistsError:
            _clear(Path(target))
            os.link(source, target, follow_symlinks=False)
        except OSError as e:
            if e.errno != errno.EMLINK:
                raise
            _copy(Path(source), Path(target))

    def put_dir(self, path: str, info: FileInfo) -> None:
        """Make a directory, or give it other attributes."""
        target = Path(self._target(path))
        if target.is_symlink() or not target.is_dir():
            _clear(target)
            target.mkdir()
        _set_attributes(target, info)
        self._made.add(path)

    def put_whiteout(self, path: str) -> None:
        """Hide what a lower layer has at a path."""
        target = Path(self._target(path))
        _clear(target)
        os.mknod(target, stat.S_IFCHR, os.makedev(0, 0))

    def _target(self, path: str) -> str:
        parent = path.rpartition("/")[0]
        if parent not in self._made:
            info = self.dirmeta(parent) or FileInfo(stat.S_IFDIR | 0o755, 0, 0, 0, "", ())
            self.put_dir(parent, info)
        return f"{self.path}/{path}"


def _clear(target: Path) -> None:
    if target.is_dir() and not target.is_symlink():
        shutil.rmtree(target)
    else:
        target.unlink(missing_ok=True)


def _copy(source: Path, target: Path) -> None:
    info = source.lstat()
    shutil.copyfile(source, target, follow_symlinks=False)
    os.chown(target, info.st_uid, info.st_gid, follow_symlinks=False)
    if not source.is_symlink():
        target.chmod(stat.S_IMODE(info.st_mode))
        for name in os.listxattr(source):
            os.setxattr(target, name, os.getxattr(source, name))


def _set_attributes(target: Path, info: FileInfo) -> None:
    os.chown(target, info.uid, info.gid)
    target.chmod(stat.S_IMODE(info.mode))
    for name, value in info.xattrs:
        os.setxattr(target, name.rstrip(b"\0"), value)
