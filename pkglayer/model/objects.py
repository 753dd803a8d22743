"""What OSTree keeps, as values: trees, commits, and the metadata of files and directories."""

from collections.abc import Mapping
from dataclasses import dataclass
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
