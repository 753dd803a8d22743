"""Finds out before anything runs whether a tree can run the programs that scriptlets name."""

import os
import posixpath
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

from pkglayer.model.header import FileEntry
from pkglayer.system.inroot import resolve_in


def find_missing(root: Path, programs: Iterable[str], layer: Iterable[FileEntry]) -> Iterator[str]:
    """Those of `programs` (absolute paths) that neither the tree nor the layer's files have.

    A path counts as found under each name that links of the tree give it: `/bin/sh` is
    `/usr/bin/sh` where /bin is a link.
    """
    brought: set[Path] | None = None
    for program in sorted(set(programs)):
        if _is_executable(root, program):
            continue
        if brought is None:
            brought = set(_executables(root, layer))
        if _real(root, program) not in brought:
            yield program


def _is_executable(root: Path, program: str) -> bool:
    place = resolve_in(root, program)
    return place is not None and place.is_file() and os.access(place, os.X_OK)


def _executables(root: Path, layer: Iterable[FileEntry]) -> Iterator[Path]:
    for entry in layer:
        if stat.S_ISLNK(entry.mode) or (stat.S_ISREG(entry.mode) and entry.mode & 0o111):
            yield _real(root, entry.path)


def _real(root: Path, path: str) -> Path:
    """The path with the links of its directory followed, as far as the tree has them yet."""
    above, name = posixpath.split(path)
    return (resolve_in(root, above) or root / above.lstrip("/")) / name
