"""Directories read by ourselves are those that GLib reads, and paths are found in them."""

from pathlib import Path
from typing import Any

import pytest

from pkglayer.model.objects import DirTree
from pkglayer.system.repo import Repo, open_repo
from tests.support.ostree import run_ostree
from tests.support.trees import DIR, Node, make_tree

FILES: dict[str, Node] = {
    "empty": DIR,
    "many": DIR,
    **{f"many/f{n}": f"{n}" for n in range(1, 3000, 7)},
    **{f"many/d{n}/x": "x" for n in range(300)},
    "long/" + "n" * 250: "long",
    "long/" + "d" * 240 + "/below": "x",
    "names/\N{SNOWMAN}": "snow",
    "names/a b": "space",
    "names/Z": "upper",
    "names/z": "lower",
}


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    tree = make_tree(tmp_path / "tree", FILES)
    run_ostree("init", f"--repo={tmp_path}/repo", "--mode=bare")
    run_ostree("commit", f"--repo={tmp_path}/repo", "--branch=b", f"--tree=dir={tree}")
    return open_repo(tmp_path / "repo")


def by_glib(repo: Repo, checksum: str) -> DirTree:
    from gi.repository import OSTree

    variant: Any = repo.handle.load_variant(OSTree.ObjectType.DIR_TREE, checksum)[1]
    files, dirs = variant.unpack()
    return DirTree(
        {name: bytes(checksum).hex() for name, checksum in files},
        {name: (bytes(tree).hex(), bytes(meta).hex()) for name, tree, meta in dirs},
    )


def test_reads_what_glib_reads(repo: Repo) -> None:
    top = repo.read_commit(repo.resolve("b")).tree[0]
    waiting, seen = [top], 0
    while waiting:
        checksum = waiting.pop()
        assert repo.read_dirtree(checksum) == by_glib(repo, checksum)
        waiting += [tree for tree, _ in repo.read_dirtree(checksum).dirs.values()]
        seen += 1
    assert seen > 300


def test_finds_every_path_and_no_other(repo: Repo) -> None:
    tree = repo.read_commit(repo.resolve("b")).tree
    for path, node in FILES.items():
        assert isinstance(repo.find(tree, path), tuple if node is DIR else str), path
    for path in ("", "many", "many/d7"):
        assert isinstance(repo.find(tree, path), tuple)
    for path in ("absent", "many/f2", "many/f", "many/zz", "names/a", "many/f1/x", "empty/x"):
        assert repo.find(tree, path) is None
