"""Writing an OSTree repository: refs, transactions, objects and what is made of them."""

import stat
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gi

gi.require_version("OSTree", "1.0")
from gi.repository import Gio, GLib, OSTree  # noqa: E402  (require_version must come first)

from pkglayer.log import log  # noqa: E402
from pkglayer.model.errors import StateError  # noqa: E402
from pkglayer.model.objects import Xattrs  # noqa: E402
from pkglayer.system.repoerrors import ostree_errors  # noqa: E402
from pkglayer.system.reporeader import RepoReader  # noqa: E402
from pkglayer.system.repotree import Tree  # noqa: E402

if TYPE_CHECKING:
    from pkglayer.system.objectwriter import ObjectWriter


class Repo(RepoReader):
    """One repository; made by `open_repo` or handed out by `Sysroot.repo`."""

    def set_ref(self, ref: str, checksum: str | None, remote: str = "") -> None:
        """Point a ref at a commit, or remove it with None; takes effect at once."""
        with ostree_errors(f"cannot write the ref {ref}"):
            self.handle.set_ref_immediate(remote or None, ref, checksum, None)

    def mark_complete(self, checksum: str) -> None:
        """Say that all of the commit is here: what an fsck took away was written again."""
        with ostree_errors(f"cannot mark the commit {checksum[:12]}", StateError):
            self.handle.mark_commit_partial(checksum, False)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Objects and refs of the body appear together at its end, or not at all."""
        with ostree_errors("cannot begin to write to the repository"):
            self.handle.prepare_transaction(None)
        try:
            yield
            with ostree_errors("cannot write to the repository"):
                self.handle.commit_transaction(None)
        except BaseException:
            try:
                self.handle.abort_transaction(None)
            except GLib.Error as e:  # the reason for giving up matters more
                log.warning("the repository's temporary files stay for now: %s", e.message)
            raise

    @contextmanager
    def content(self) -> "Iterator[ObjectWriter]":
        """A quick writer of files within a transaction of a bare repository.

        What it wrote appears when the body ends well, before the transaction's refs do.
        """
        from pkglayer.system.objectwriter import ObjectWriter  # reading verbs do without

        writer = ObjectWriter(self.path)
        try:
            yield writer
            writer.publish(sync=not self.handle.get_disable_fsync())
        finally:
            writer.discard()

    def set_transaction_ref(self, ref: str, checksum: str) -> None:
        """A ref that appears with the transaction."""
        self.handle.transaction_set_ref(None, ref, checksum)

    def write_file(
        self, chunks: Iterable[bytes], size: int, mode: int, uid: int = 0, gid: int = 0,
        xattrs: Xattrs = (),
    ) -> str:  # fmt: skip
        """Store a regular file of `size` bytes from its chunks; returns the checksum."""
        mode = stat.S_IFREG | stat.S_IMODE(mode)
        with ostree_errors("cannot write a file to the repository"):
            if size <= 1 << 20:
                data = b"".join(chunks)
                return str(
                    self.handle.write_regfile_inline(
                        None, uid, gid, mode, _xattrs(xattrs), data, None
                    )
                )
            writer = self.handle.write_regfile(None, uid, gid, mode, size, _xattrs(xattrs))
            for chunk in chunks:
                writer.write_all(chunk, None)
            return str(writer.finish(None))

    def write_symlink(self, target: str, uid: int = 0, gid: int = 0, xattrs: Xattrs = ()) -> str:
        """Store a symbolic link; returns the checksum."""
        with ostree_errors("cannot write a link to the repository"):
            return str(self.handle.write_symlink(None, uid, gid, _xattrs(xattrs), target, None))

    def write_dirmeta(self, mode: int, uid: int = 0, gid: int = 0, xattrs: Xattrs = ()) -> str:
        """Store a directory's metadata; returns the checksum."""
        info = Gio.FileInfo()
        info.set_attribute_uint32("unix::mode", stat.S_IFDIR | stat.S_IMODE(mode))
        info.set_attribute_uint32("unix::uid", uid)
        info.set_attribute_uint32("unix::gid", gid)
        variant = OSTree.create_directory_metadata(info, _xattrs(xattrs))
        with ostree_errors("cannot write to the repository"):
            _, raw = self.handle.write_metadata(OSTree.ObjectType.DIR_META, None, variant, None)
        return bytes(raw).hex()

    def open_tree(self, commit: str | None) -> Tree:
        """A mutable copy of a commit's tree, read lazily; an empty one for None."""
        if commit is None:
            tree = Tree(OSTree.MutableTree.new())
            tree.handle.set_metadata_checksum(self.write_dirmeta(0o755))
            return tree
        with ostree_errors(f"cannot open the tree of {commit[:12]}", StateError):
            return Tree(OSTree.MutableTree.new_from_commit(self.handle, commit))

    def write_tree(self, tree: Tree) -> tuple[str, str]:
        """Write a mutable tree's directories; returns the whole as (contents, metadata)."""
        with ostree_errors("cannot write the tree"):
            _, root = self.handle.write_mtree(tree.handle, None)
            return str(root.tree_get_contents_checksum()), str(root.tree_get_metadata_checksum())

    def write_commit(
        self, tree: Tree, *, parent: str | None, timestamp: int, subject: str,
        metadata: Mapping[str, Any],
    ) -> str:  # fmt: skip
        """Write a mutable tree as a commit with exactly this time; returns its checksum."""
        variant = GLib.Variant("a{sv}", {k: _to_variant(v) for k, v in sorted(metadata.items())})
        with ostree_errors("cannot write the commit"):
            _, root = self.handle.write_mtree(tree.handle, None)
            _, checksum = self.handle.write_commit_with_time(
                parent, subject, None, variant, root, timestamp, None
            )
        return str(checksum)

    def prune(self) -> tuple[int, int]:
        """Remove what no ref reaches; returns (objects removed, bytes freed)."""
        with ostree_errors("cannot prune the repository"):
            self._drop_loose_commits()
            _, _total, pruned, size = self.handle.prune(OSTree.RepoPruneFlags.REFS_ONLY, 0)
        return pruned, size

    def _drop_loose_commits(self) -> None:
        """Commits go before what they consist of, so that a prune cut short leaves none broken."""
        kept = set(self.handle.list_refs(None, None)[1].values())
        _, commits = self.handle.list_commit_objects_starting_with("", None)
        for key in commits:
            checksum, _kind = OSTree.object_name_deserialize(key)
            if checksum not in kept:
                self.handle.delete_object(OSTree.ObjectType.COMMIT, checksum, None)


def open_repo(path: Path) -> Repo:
    """Open a repository by its path; raises StateError."""
    handle = OSTree.Repo.new(Gio.File.new_for_path(str(path)))
    with ostree_errors(f"cannot open the repository {path}", StateError):
        handle.open(None)
    return Repo(handle)


def _xattrs(xattrs: Xattrs) -> Any:
    return GLib.Variant("a(ayay)", [(name, value) for name, value in xattrs])


def _to_variant(value: Any) -> Any:
    if isinstance(value, bool):
        return GLib.Variant("b", value)
    if isinstance(value, int):
        return GLib.Variant("t", value)
    if isinstance(value, str):
        return GLib.Variant("s", value)
    return GLib.Variant("as", list(value))
