"""Writes a directory tree from a mapping of paths to what shall be there.

Tests say `{"usr/bin/x": "text", "usr/lib/d": DIR, "usr/bin/y": Link("x")}` instead of carrying
fixture files. It does not know packages or OSTree: `rpms.py` and `ostree.py` build on it.
"""

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class File:
    """A regular file; `caps` is text as `setcap` takes it, such as `cap_net_raw=ep`; `size` is how
    long a hole makes it at least, in bytes."""

    content: str | bytes = ""
    mode: int = 0o644
    uid: int = 0
    gid: int = 0
    caps: str = ""
    size: int = 0


@dataclass(frozen=True)
class Dir:
    """A directory that needs more than to exist; plain parents are made without being named."""

    mode: int = 0o755
    uid: int = 0
    gid: int = 0


@dataclass(frozen=True)
class Link:
    """A symbolic link to `target`, kept as written."""

    target: str


@dataclass(frozen=True)
class Hardlink:
    """Another name of the file at `target`, a path of the same tree that is written before."""

    target: str


@dataclass(frozen=True)
class Fifo:
    """A named pipe, which OSTree cannot store."""


DIR = Dir()
FIFO = Fifo()

Node = str | bytes | File | Dir | Link | Hardlink | Fifo
Tree = Mapping[str, Node]


def make_tree(root: Path, tree: Tree) -> Path:
    """Write `tree` below `root` in the mapping's order and return `root`.

    Modes do not depend on the umask. Owners are set only when we are root, else they are ours.
    """
    root.mkdir(parents=True, exist_ok=True)
    for name, node in tree.items():
        path = root / name.lstrip("/")
        _make_parents(root, path.parent)
        _make_node(root, path, node)
    return root


def many_files(count: int, prefix: str = "usr/share/many", per_dir: int = 100) -> dict[str, Node]:
    """Return a tree of `count` small files of different content, `per_dir` to a directory."""
    return {f"{prefix}/{i // per_dir:05d}/{i:07d}": f"file {i}\n" for i in range(count)}


def _make_parents(root: Path, parent: Path) -> None:
    if not parent.is_dir():
        _make_parents(root, parent.parent)
        parent.mkdir()
        parent.chmod(0o755)


def _make_node(root: Path, path: Path, node: Node) -> None:
    match node:
        case str() | bytes():
            _write_file(path, File(node))
        case File():
            _write_file(path, node)
        case Dir():
            path.mkdir(exist_ok=True)
            _set_owner(path, node.uid, node.gid)
            path.chmod(node.mode)
        case Link():
            path.unlink(missing_ok=True)
            path.symlink_to(node.target)
        case Hardlink():
            path.hardlink_to(root / node.target.lstrip("/"))
        case Fifo():
            os.mkfifo(path, 0o644)


def _write_file(path: Path, file: File) -> None:
    content = file.content.encode() if isinstance(file.content, str) else file.content
    # A name that is there already may be a hard link to a repository's object: never write into it.
    path.unlink(missing_ok=True)
    path.write_bytes(content)
    if file.size > len(content):
        os.truncate(path, file.size)
    # Owner first: changing it clears setuid and capabilities.
    _set_owner(path, file.uid, file.gid)
    path.chmod(file.mode)
    if file.caps:
        subprocess.run(["setcap", file.caps, str(path)], check=True)


def _set_owner(path: Path, uid: int, gid: int) -> None:
    if os.geteuid() == 0:
        os.chown(path, uid, gid)
