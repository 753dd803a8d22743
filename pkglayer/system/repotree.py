"""A tree in the making, on OSTree's mutable tree: read lazily, so opening one costs nothing."""

from typing import Any

from gi.repository import GLib

from pkglayer.model.errors import DeployError
from pkglayer.system.repoerrors import ostree_errors


class Tree:
    """A mutable tree; paths are relative, without symlinks, `/` between names."""

    def __init__(self, handle: Any) -> None:
        self.handle = handle
        self._nodes: dict[str, Any] = {"": handle}

    def find(self, path: str) -> "str | Tree | None":
        """A file's checksum, a directory as a Tree, or None."""
        above, _, name = path.strip("/").rpartition("/")
        if not name:
            return Tree(self.handle)
        node = self._directory(above)
        if node is None:
            return None
        try:
            _, checksum, below = node.lookup(name)
        except GLib.Error:
            return None
        return str(checksum) if below is None else Tree(below)

    def has_dir(self, path: str) -> bool:
        """Whether a directory is there."""
        return self._directory(path.strip("/")) is not None

    def _directory(self, path: str) -> Any:
        """The node of a directory, remembered until something is removed; None if there is none."""
        if path not in self._nodes:
            above, _, name = path.rpartition("/")
            node = self._directory(above)
            try:
                below = node.lookup(name)[2] if node else None
            except GLib.Error:
                below = None
            if below is None:
                return None
            self._nodes[path] = below
        return self._nodes[path]

    @property
    def metadata(self) -> str:
        return str(self.handle.get_metadata_checksum())

    def names(self) -> tuple[str, ...]:
        """Names of files and directories directly in this tree."""
        return (*self.handle.get_files(), *self.handle.get_subdirs())

    def put_file(self, path: str, checksum: str) -> None:
        """Put a content object at a path whose directory exists, in place of any file."""
        parent, name = self._parent(path)
        with ostree_errors(f"cannot place /{path}"):
            parent.replace_file(name, checksum)

    def put_dir(self, path: str, metadata: str) -> None:
        """Make a directory if it is not there and give it this dirmeta; "" is the tree itself."""
        if not path:
            self.handle.set_metadata_checksum(metadata)
            return
        parent, name = self._parent(path)
        with ostree_errors(f"cannot place /{path}"):
            _, node = parent.ensure_dir(name)
            node.set_metadata_checksum(metadata)
        self._nodes[path.strip("/")] = node

    def remove(self, path: str) -> None:
        """Remove a file or a whole directory; nothing to do when it is not there."""
        parent, name = self._parent(path, allow_missing=True)
        self._nodes = {"": self.handle}
        if parent is not None:
            with ostree_errors(f"cannot remove /{path}"):
                parent.remove(name, True)

    def _parent(self, path: str, allow_missing: bool = False) -> tuple[Any, str]:
        above, _, name = path.strip("/").rpartition("/")
        node = self._directory(above)
        if node is None and not allow_missing:
            raise DeployError(f"/{above} is not a directory in the tree")
        return node, name
