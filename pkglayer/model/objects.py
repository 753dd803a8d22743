"""What OSTree keeps, as values: trees, commits, and the metadata of files and directories."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import repeat
from typing import Any

Xattrs = tuple[tuple[bytes, bytes], ...]
"""Extended attributes as (name with its final NUL, value), sorted by name."""


@dataclass(frozen=True)
class DirTree:
    """One directory's content: file name -> checksum, directory name -> (contents, metadata)."""

    files: Mapping[str, str]
    dirs: Mapping[str, tuple[str, str]]


@dataclass(frozen=True)
class Commit:
    """A commit's own facts; `timestamp` in seconds since 1970 UTC, `tree` (contents, metadata)."""

    checksum: str
    parent: str
    timestamp: int
    version: str
    tree: tuple[str, str]
    metadata: Mapping[str, Any]


@dataclass(frozen=True)
class FileInfo:
    """Type, mode, owner and link target of a content object."""

    mode: int
    uid: int
    gid: int
    size: int
    target: str
    xattrs: Xattrs


def parse_dirtree(data: bytes) -> DirTree:
    """A dirtree object from its bytes, the GVariant `(a(say)a(sayay))` without alignment.

    A tenth of what the same takes through GLib's values, of which each row has five. Raises
    ValueError for bytes that are none.
    """
    files, dirs = _members(data, 1)
    return DirTree(
        {name: checksum.hex() for name, checksum in map(_named, _elements(files), repeat(1))},
        {
            name: (contents.hex(), metadata.hex())
            for name, contents, metadata in map(_named, _elements(dirs), repeat(2))
        },
    )


def _named(row: bytes, ends: int) -> tuple[Any, ...]:
    name, *rest = _members(row, ends)
    return name[:-1].decode(), *rest


def _members(data: bytes, ends: int) -> list[bytes]:
    """A tuple's members; where all but the last end is told behind them, the first one last."""
    width, start, found = _width(data), 0, []
    for number in range(1, ends + 1):
        at = len(data) - number * width
        end = int.from_bytes(data[at : at + width], "little")
        if not start <= end <= len(data) - ends * width:
            raise ValueError("a member ends outside of its tuple")
        found.append(data[start:end])
        start = end
    return [*found, data[start : len(data) - ends * width]]


def _elements(data: bytes) -> Iterator[bytes]:
    """An array's elements; where each ends is told behind all of them."""
    if not data:
        return
    width, start = _width(data), 0
    table = int.from_bytes(data[-width:], "little")
    if not 0 <= table <= len(data) - width or (len(data) - table) % width:
        raise ValueError("an array ends outside of its bytes")
    for at in range(table, len(data), width):
        end = int.from_bytes(data[at : at + width], "little")
        if not start <= end <= table:
            raise ValueError("an element ends outside of its array")
        yield data[start:end]
        start = end


def _width(data: bytes) -> int:
    """Bytes of each offset in a container of this size."""
    return 1 if len(data) <= 0xFF else 2 if len(data) <= 0xFFFF else 4
