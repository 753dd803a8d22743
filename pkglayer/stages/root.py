"""The root: the finished tree, mounted while it is being made.

Chooses the tree on disk that is nearest to the wanted base and mounts a `Root` on it; nothing stays
mounted after the `with` block.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from pkglayer.system.overlayroot import NearTree, Root
from pkglayer.system.repo import Repo


@contextmanager
def mount_root(repo: Repo, base: str, near: NearTree, work: Path) -> Iterator[Root]:
    """Build and mount the root of the base commit `base` in the empty directory `work`.

    Needs a private mount namespace (`system.mounts.unshare_mounts`) and a bare repository on the
    same file system as `work`.
    """
    repo.require_bare()
    root = Root(repo, base, near, work)
    try:
        root.mount()
        yield root
    finally:
        root.umount()


def nearest_tree(repo: Repo, base: str, candidates: Sequence[NearTree]) -> NearTree:
    """The candidate with the fewest top differences to `base`; the base itself wins outright."""
    wanted = repo.read_commit(base).tree

    def distance(near: NearTree) -> int:
        if near.commit == base:
            return -1
        return sum(1 for _ in repo.diff(repo.read_commit(near.commit).tree, wanted))

    exact = [n for n in candidates if n.commit == base]
    return exact[0] if exact else min(candidates, key=distance)
