"""Notices scriptlets that turn directories into links, so that later steps would leave the tree.

The host works on the tree and on the stand-in for /var between scriptlets: it mounts /usr/etc at
/etc, and puts packages' files into /var. Both go by path, so no link may have come in between.
"""

import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from pkglayer.model.header import FileEntry
from pkglayer.system.inroot import resolve_var
from pkglayer.system.owners import real_path

_SOLID = ("usr", "usr/etc", "usr/lib", "usr/share")


def find_replaced(root: Path, paths: Iterable[str] = _SOLID) -> Iterator[str]:
    """Directories of the tree that are none (any more)."""
    for path in paths:
        try:
            mode = (root / path).lstat().st_mode
        except FileNotFoundError:
            mode = 0
        if not stat.S_ISDIR(mode):
            yield f"/{path}"


def find_diverted(root: Path, var: Path, files: Iterable[FileEntry]) -> Iterator[str]:
    """Files of a package below /var that a link would lead out of it."""
    directories: dict[str, str] = {}  # nothing changes the tree meanwhile: ask once for each
    for entry in files:
        above, _, name = entry.path.rpartition("/")
        if above not in directories:
            directories[above] = real_path(root, entry.path).rpartition("/")[0]
        real = f"{directories[above]}/{name}"
        below = real.removeprefix("var/")
        if below != real and resolve_var(var, below) is None:
            yield entry.path
