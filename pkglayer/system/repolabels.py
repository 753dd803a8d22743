"""SELinux labels of a tree in the making, from the policy that the finished tree itself has.

Objects carry their label, so a label of its own makes an object of its own. This machine's policy,
and whether SELinux is on here, play no part. Without a policy in the tree nothing is labelled.
"""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import gi

gi.require_version("OSTree", "1.0")
from gi.repository import OSTree  # noqa: E402  (require_version must come first)

from pkglayer.model.errors import PkglayerError  # noqa: E402
from pkglayer.model.objects import FileInfo, Xattrs  # noqa: E402
from pkglayer.system.repo import Repo  # noqa: E402
from pkglayer.system.repoerrors import ostree_errors  # noqa: E402
from pkglayer.system.repotree import Tree  # noqa: E402

XATTR = b"security.selinux\0"
POLICY_PATH = "usr/etc/selinux"


@dataclass(frozen=True)
class Policy:
    """A policy's file contexts; `name` is its type, such as `targeted`."""

    name: str
    handle: Any

    def label(self, path: str, mode: int) -> str:
        """The label of a path of the tree (relative); empty where the policy gives none."""
        seen = path.removeprefix("usr/") if f"{path}/".startswith("usr/etc/") else path
        with ostree_errors(f"the policy {self.name} cannot tell the label of /{path}"):
            _, label = self.handle.get_label(f"/{seen}", mode, None)
        return label or ""


def load_policy(tree: Path) -> Policy | None:
    """The policy of a tree on disk, None without one; raises PkglayerError for a broken one."""
    fd = os.open(tree, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        with ostree_errors("the SELinux policy of the tree cannot be read", PkglayerError):
            handle = OSTree.SePolicy.new_at(fd, None)
    finally:
        os.close(fd)
    name = handle.get_name()
    return Policy(name, handle) if name else None


def label_tree(repo: Repo, tree: Tree, base: str, policy: Policy) -> int:
    """Label what is new in the tree, or all of it where its policy is not the base's.

    Returns how many files and directories got another label. Needs an open transaction.
    """
    before, after = repo.read_commit(base).tree, repo.write_tree(tree)
    same = repo.find(before, POLICY_PATH) == repo.find(after, POLICY_PATH)
    whole = chain([("", after[1], True)], repo.walk(after))
    rows = _changed(repo, before, after) if same else whole
    count = 0
    for path, checksum, is_dir in list(rows):
        info = repo.read_dirmeta(checksum) if is_dir else repo.read_info(checksum)
        label = policy.label(path, info.mode)
        wanted = _with_label(info.xattrs, label)
        if not label or wanted == info.xattrs:
            continue
        count += 1
        if is_dir:
            tree.put_dir(path, repo.write_dirmeta(info.mode, info.uid, info.gid, wanted))
        else:
            tree.put_file(path, _relabelled(repo, checksum, info, wanted))
    return count


def _changed(
    repo: Repo, before: tuple[str, str], after: tuple[str, str]
) -> Iterator[tuple[str, str, bool]]:
    rows = repo.diff(before, after)
    return ((path, checksum, what != "f") for path, what, checksum in rows if what != "-")


def _with_label(xattrs: Xattrs, label: str) -> Xattrs:
    rest = [x for x in xattrs if x[0] != XATTR]
    return tuple(sorted([*rest, (XATTR, label.encode() + b"\0")]))


def _relabelled(repo: Repo, checksum: str, info: FileInfo, xattrs: Xattrs) -> str:
    if stat.S_ISLNK(info.mode):
        return repo.write_symlink(info.target, info.uid, info.gid, xattrs)
    chunks = repo.read_chunks(checksum)
    return repo.write_file(chunks, info.size, info.mode, info.uid, info.gid, xattrs)
