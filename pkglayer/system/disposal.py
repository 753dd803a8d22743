"""Takes the files of a removed package away from the mounted root, by rpm's rules.

What another package of the finished state owns stays; a configuration file that was changed while
the base was composed stays as `.rpmsave`; a directory goes when nothing is left in it. The overlay
turns each removal into a whiteout, and `stages.commit` takes those over.
"""

import hashlib
import stat
from collections.abc import Iterator
from pathlib import Path

from pkglayer.model import pathmap
from pkglayer.model.header import FileEntry, FileFlag, Header
from pkglayer.model.record import Note
from pkglayer.system import rpmremoved
from pkglayer.system.overlayroot import Root

_ALGORITHMS = {32: "md5", 40: "sha1", 56: "sha224", 64: "sha256", 96: "sha384", 128: "sha512"}
"""By the length of a digest in hex, which is all that an entry tells."""


def find_kept(root: Root, dbpath: str) -> frozenset[str]:
    """Every path of the tree that a package of the finished state owns."""
    real: dict[str, str] = {}
    kept: set[str] = set()
    for directory, name in rpmremoved.owned_paths(root.path, dbpath):
        if directory not in real:
            real[directory] = root.real_path(directory.rstrip("/") + "/x")[:-1]
        kept.add(real[directory] + name)
    return frozenset(kept)


def find_vanishing(root: Root, header: Header, kept: frozenset[str]) -> tuple[str, ...]:
    """The package's own paths that go, as its header has them; directories that stay with what
    is left in them are among these, as for rpm."""
    return tuple(e.path for e in header.files if root.real_path(e.path) not in kept)


def remove_files(root: Root, header: Header, kept: frozenset[str]) -> None:
    """Take away what belongs to this package alone, files before their directories."""
    for entry in sorted(header.files, key=lambda e: e.path, reverse=True):
        real = root.real_path(entry.path)
        if real in kept:
            continue
        placement = pathmap.place(real, entry)
        for path in filter(None, (placement.path, *_in_var(real))):
            _remove(root, header, entry, path)


def _in_var(real: str) -> Iterator[str]:
    """Content of /var that a base ships itself, for libostree to copy at the first boot."""
    if real.startswith("var/"):
        yield real


def _remove(root: Root, header: Header, entry: FileEntry, path: str) -> None:
    place = root.path / path
    if stat.S_ISDIR(entry.mode):
        if place.is_dir() and not place.is_symlink() and not any(place.iterdir()):
            place.rmdir()
    elif place.is_dir() and not place.is_symlink():
        return
    elif entry.flags & FileFlag.CONFIG and is_changed(place, entry):
        saved = place.with_name(place.name + ".rpmsave")
        place.rename(saved)
        why = "changed since its package was installed in the base; kept beside"
        root.notes.append(Note(str(header.nevra), f"{entry.path} -> {saved.name}", why))
    else:
        place.unlink(missing_ok=True)


def is_changed(place: Path, entry: FileEntry) -> bool:
    """Whether a regular file differs from what its package's header says."""
    if not entry.digest or place.is_symlink() or not place.is_file():
        return False
    algorithm = _ALGORITHMS.get(len(entry.digest), "sha256")
    return hashlib.new(algorithm, place.read_bytes()).hexdigest() != entry.digest


def pristine_configs(header: Header) -> dict[str, str]:
    """Digest of each configuration file of a package, by path: to tell a changed one."""
    return {e.path: e.digest for e in header.files if e.flags & FileFlag.CONFIG and e.digest}
