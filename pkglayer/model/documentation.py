"""Which files of a package stay away where no documentation is wanted: rpm's rule of --nodocs."""

from collections.abc import Sequence

from pkglayer.model.header import FileEntry, FileFlag


def find_documentation(files: Sequence[FileEntry]) -> list[int]:
    """Places of all files marked as documentation (%doc, manual pages; not %license), and of the
    directories that have nothing else; librpm's skipFiles()."""
    marked = {place for place, entry in enumerate(files) if entry.flags & FileFlag.DOC}
    emptied = {_parent(files[place]) for place in marked}
    emptied -= {_parent(entry) for place, entry in enumerate(files) if place not in marked}
    return sorted(marked | {p for p, entry in enumerate(files) if entry.path in emptied})


def _parent(entry: FileEntry) -> str:
    return entry.path.rpartition("/")[0]
