"""A repository of anybody's own, with the system's below it: to fetch what only is looked at.

libostree looks for refs, remotes, keys and objects in the repository below where its own has none,
and writes to its own alone.
"""

from pathlib import Path

import gi

gi.require_version("OSTree", "1.0")
from gi.repository import Gio, OSTree  # noqa: E402  (require_version must come first)

from pkglayer.model.errors import StateError  # noqa: E402
from pkglayer.system.repo import Repo  # noqa: E402
from pkglayer.system.repoerrors import ostree_errors  # noqa: E402


class RepoBeside(Repo):
    """`path`, refs and reserve are those of the repository below."""

    def __init__(self, below: Repo, where: Path) -> None:
        with ostree_errors(f"cannot make a repository in {where}", StateError):
            super().__init__(_create(where, below.path))
        self.below = below
        self.path = below.path

    def list_refs(self, prefix: str = "") -> dict[str, str]:
        return self.below.list_refs(prefix)

    @property
    def min_free_space(self) -> int:
        return self.below.min_free_space


def _create(where: Path, below: Path) -> OSTree.Repo:
    """Of the kind that keeps owners and modes whoever writes it."""
    file = Gio.File.new_for_path(str(where))
    made = OSTree.Repo.new(file)
    made.create(OSTree.RepoMode.ARCHIVE, None)
    config = made.copy_config()
    config.set_string("core", "parent", str(below))
    made.write_config(config)
    opened = OSTree.Repo.new(file)
    opened.open(None)
    return opened
