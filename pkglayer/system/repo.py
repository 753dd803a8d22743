"""The OSTree repository, through GObject introspection.

Objects are addressed by their SHA-256 checksum (hex); a tree is a pair of checksums, contents
(dirtree) and metadata (dirmeta), as OSTree keeps them. GLib's errors leave here as ours.
"""

import os
import shutil
import stat
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gi

gi.require_version("OSTree", "1.0")
from gi.repository import Gio, GLib, OSTree  # noqa: E402  (require_version must come first)

from pkglayer.log import Progress, log  # noqa: E402
from pkglayer.model.errors import (  # noqa: E402
    DeployError,
    PkglayerError,
    RepositoryError,
    StateError,
)

Xattrs = tuple[tuple[bytes, bytes], ...]
"""Extended attributes as (name with its final NUL, value), sorted by name."""


@contextmanager
def ostree_errors(
    what: str, cls: type[PkglayerError] = DeployError, hint: str = ""
) -> Iterator[None]:
    """Turn a GLib.Error of the body into `cls`, with `what` in front of libostree's words."""
    try:
        yield
    except GLib.Error as e:
        raise cls(f"{what}: {e.message}", hint=hint) from e


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


EMPTY_TREE = DirTree({}, {})


class Repo:
    """One repository; made by `open_repo` or handed out by `Sysroot.repo`."""

    def __init__(self, handle: Any) -> None:
        self.handle = handle
        self.path = Path(handle.get_path().get_path())
        self._trees: dict[str, DirTree] = {}

    # --- refs and commits ------------------------------------------------------------------

    def resolve(self, rev: str) -> str:
        """The checksum a ref, refspec, checksum or its beginning names; "" when there is none."""
        try:
            found, checksum = self.handle.resolve_rev(rev, True)
        except GLib.Error:
            return ""
        return checksum or ""

    def list_refs(self, prefix: str = "") -> dict[str, str]:
        """All refs below `prefix` (or all), full name -> checksum."""
        with ostree_errors("cannot list refs", StateError):
            _, refs = self.handle.list_refs_ext(prefix or None, 0, None)
        return dict(refs)

    def set_ref(self, ref: str, checksum: str | None, remote: str = "") -> None:
        """Point a ref at a commit, or remove it with None; takes effect at once."""
        with ostree_errors(f"cannot write the ref {ref}"):
            self.handle.set_ref_immediate(remote or None, ref, checksum, None)

    def has_commit(self, checksum: str) -> bool:
        """Whether the commit object itself is here (its tree may be partial)."""
        with ostree_errors("cannot look for a commit", StateError):
            _, found = self.handle.has_object(OSTree.ObjectType.COMMIT, checksum, None)
        return bool(found)

    def is_complete(self, checksum: str) -> bool:
        """Whether the commit is here and not marked partial."""
        if not self.has_commit(checksum):
            return False
        _, _, state = self.handle.load_commit(checksum)
        return not state & OSTree.RepoCommitState.PARTIAL

    def read_commit(self, checksum: str) -> Commit:
        """Raises StateError when the commit is missing or unreadable."""
        with ostree_errors(f"cannot read the commit {checksum[:12]}", StateError):
            _, variant, _state = self.handle.load_commit(checksum)
        metadata = variant.get_child_value(0)
        version = metadata.lookup_value("version", GLib.VariantType("s"))
        return Commit(
            checksum=checksum,
            parent=_hex(variant.get_child_value(1)),
            timestamp=OSTree.commit_get_timestamp(variant),
            version=version.get_string() if version else "",
            tree=(_hex(variant.get_child_value(6)), _hex(variant.get_child_value(7))),
            metadata=_Metadata(metadata),
        )

    # --- trees -----------------------------------------------------------------------------

    def read_dirtree(self, checksum: str) -> DirTree:
        """A directory's content by its dirtree checksum; cached, since trees never change."""
        if checksum not in self._trees:
            with ostree_errors(f"corrupt or missing directory object {checksum}", StateError):
                _, variant = self.handle.load_variant(OSTree.ObjectType.DIR_TREE, checksum)
            files, dirs = variant.get_child_value(0), variant.get_child_value(1)
            self._trees[checksum] = DirTree(
                {name: _hex(row.get_child_value(1)) for name, row in _rows(files)},
                {
                    name: (_hex(row.get_child_value(1)), _hex(row.get_child_value(2)))
                    for name, row in _rows(dirs)
                },
            )
        return self._trees[checksum]

    def find(self, tree: tuple[str, str], path: str) -> str | tuple[str, str] | None:
        """What a path without symlinks in it names: file checksum, (contents, metadata), None."""
        parts = [p for p in path.split("/") if p]
        for number, part in enumerate(parts):
            directory = self.read_dirtree(tree[0])
            if part in directory.dirs:
                tree = directory.dirs[part]
            elif number == len(parts) - 1:
                return directory.files.get(part)
            else:
                return None
        return tree

    def walk(self, tree: tuple[str, str], prefix: str = "") -> Iterator[tuple[str, str, bool]]:
        """Everything below a directory as (path, file checksum or dirmeta checksum, is a dir)."""
        directory = self.read_dirtree(tree[0])
        for name, checksum in directory.files.items():
            yield prefix + name, checksum, False
        for name, below in directory.dirs.items():
            yield prefix + name, below[1], True
            yield from self.walk(below, f"{prefix}{name}/")

    def diff(
        self, a: tuple[str, str], b: tuple[str, str], prefix: str = ""
    ) -> Iterator[tuple[str, str, str]]:
        """How tree `b` differs from `a`: (path, what, checksum); equal subtrees are not read.

        `what`: `-` gone (a file or a whole directory), `f` a new or other file, `d` a new
        directory (its content follows), `m` a directory with other metadata.
        """
        old = self.read_dirtree(a[0]) if a[0] else EMPTY_TREE
        new = self.read_dirtree(b[0])
        for name in [*old.files, *old.dirs]:
            if (name in old.files and name not in new.files) or (
                name in old.dirs and name not in new.dirs
            ):
                yield prefix + name, "-", ""
        for name, checksum in new.files.items():
            if old.files.get(name) != checksum:
                yield prefix + name, "f", checksum
        for name, (contents, meta) in new.dirs.items():
            before = old.dirs.get(name, ("", ""))
            if before == (contents, meta):
                continue
            if before[1] != meta:
                yield prefix + name, "m" if before[0] else "d", meta
            if before[0] != contents:
                yield from self.diff(before, (contents, meta), f"{prefix}{name}/")

    # --- content ---------------------------------------------------------------------------

    def object_path(self, checksum: str) -> Path:
        """Where a content object lies; in a `bare` repository it is the file itself."""
        return self.path / "objects" / checksum[:2] / f"{checksum[2:]}.file"

    def require_bare(self) -> None:
        """Raises StateError unless checkouts can share inodes with the repository."""
        if self.handle.get_mode() != OSTree.RepoMode.BARE:
            raise StateError(
                f"the repository {self.path} is not in the mode 'bare'",
                hint="a system that boots has a bare repository; layer on such a one",
            )

    def read_info(self, checksum: str) -> FileInfo:
        """A content object's metadata; raises StateError when it is missing or corrupt."""
        with ostree_errors(f"corrupt or missing object {checksum}", StateError):
            _, _stream, info, xattrs = self.handle.load_file(checksum, None)
        return FileInfo(
            mode=info.get_attribute_uint32("unix::mode"),
            uid=info.get_attribute_uint32("unix::uid"),
            gid=info.get_attribute_uint32("unix::gid"),
            size=info.get_size(),
            target=info.get_symlink_target() or "",
            xattrs=tuple((bytes(n), bytes(v)) for n, v in xattrs.unpack()),
        )

    def read_file(self, commit: str, path: str, limit: int = 64 << 20) -> bytes | None:
        """The bytes of a regular file in a commit (no symlink is followed), None if not there."""
        found = self.find(self.read_commit(commit).tree, path)
        return self.read_object(found, limit) if isinstance(found, str) else None

    def export(self, commit: str, path: str, target: Path) -> bool:
        """Copy a file or directory of a commit to `target/path` for reading; False if not there.

        Only content and names; links are recreated, owners and modes are not.
        """
        found = self.find(self.read_commit(commit).tree, path)
        if found is None:
            return False
        rows = [(path, found)] if isinstance(found, str) else [
            (f"{path}/{name}", checksum)
            for name, checksum, is_dir in self.walk(found) if not is_dir
        ]  # fmt: skip
        if isinstance(found, tuple):
            (target / path).mkdir(parents=True, exist_ok=True)
        for name, checksum in rows:
            place = target / name
            place.parent.mkdir(parents=True, exist_ok=True)
            self._export_file(checksum, place)
        return True

    def _export_file(self, checksum: str, place: Path) -> None:
        source = self.object_path(checksum)
        info = self.read_info(checksum)
        if info.target:
            place.symlink_to(info.target)
        elif self.handle.get_mode() == OSTree.RepoMode.BARE and os.access(source, os.R_OK):
            shutil.copyfile(source, place)
        else:
            place.write_bytes(self.read_object(checksum, limit=4 << 30))

    def read_object(self, checksum: str, limit: int = 256 << 20) -> bytes:
        """The bytes of a content object; raises StateError past `limit` bytes or when corrupt."""
        with ostree_errors(f"corrupt or missing object {checksum}", StateError):
            _, stream, info, _ = self.handle.load_file(checksum, None)
            if info.get_size() > limit:
                raise StateError(f"object {checksum} has {info.get_size()} bytes, too many to read")
            if stream is None:
                return b""
            return bytes(stream.read_bytes(info.get_size(), None).get_data())

    def read_dirmeta(self, checksum: str) -> FileInfo:
        """Mode, owner and xattrs of a directory by its dirmeta checksum."""
        with ostree_errors(f"corrupt or missing object {checksum}", StateError):
            _, variant = self.handle.load_variant(OSTree.ObjectType.DIR_META, checksum)
        uid, gid, mode, xattrs = variant.unpack()
        swap = GLib.Variant("(uuu)", (uid, gid, mode)).byteswap().unpack()
        uid, gid, mode = swap if sys.byteorder == "little" else (uid, gid, mode)
        return FileInfo(mode, uid, gid, 0, "", tuple((bytes(n), bytes(v)) for n, v in xattrs))

    # --- writing ---------------------------------------------------------------------------

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
            self.handle.abort_transaction(None)
            raise

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

    def open_tree(self, commit: str | None) -> "Tree":
        """A mutable copy of a commit's tree, read lazily; an empty one for None."""
        if commit is None:
            tree = Tree(self, OSTree.MutableTree.new())
            tree.handle.set_metadata_checksum(self.write_dirmeta(0o755))
            return tree
        with ostree_errors(f"cannot open the tree of {commit[:12]}", StateError):
            return Tree(self, OSTree.MutableTree.new_from_commit(self.handle, commit))

    def write_commit(
        self, tree: "Tree", *, parent: str | None, timestamp: int, subject: str,
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
            _, _total, pruned, size = self.handle.prune(OSTree.RepoPruneFlags.REFS_ONLY, 0)
        return pruned, size

    # --- remotes ---------------------------------------------------------------------------

    def pull(
        self, remote: str, ref: str, progress: Progress, *, subdirs: tuple[str, ...] = (),
        commit: str = "", metadata_only: bool = False, depth: int = 0,
    ) -> None:  # fmt: skip
        """Pull a ref (or one commit of it); `subdirs` fetches only these absolute paths, and
        `depth` parents of the commit come along (-1 for all there are).

        Raises RepositoryError with libostree's reason.
        """
        options: dict[str, Any] = {"refs": GLib.Variant("as", [ref])}
        if commit:
            options["override-commit-ids"] = GLib.Variant("as", [commit])
        flags = OSTree.RepoPullFlags.COMMIT_ONLY if metadata_only else OSTree.RepoPullFlags.NONE
        options["flags"] = GLib.Variant("i", int(flags))
        if depth:
            options["depth"] = GLib.Variant("i", depth)
        if subdirs:
            options["subdirs"] = GLib.Variant("as", list(subdirs))
        meter = OSTree.AsyncProgress.new()
        meter.connect("changed", _pull_meter(progress))
        progress.start(f"Pulling {remote}:{ref}")
        with ostree_errors(
            f"cannot pull {ref} from the remote {remote}", RepositoryError,
            hint=f"check the network and the remote's URL ({self.remote_url(remote)})",
        ):  # fmt: skip
            self.handle.pull_with_options(remote, GLib.Variant("a{sv}", options), meter, None)
        meter.finish()
        progress.done()

    def remote_url(self, remote: str) -> str:
        """The remote's URL, or "" when there is no such remote."""
        try:
            return str(self.handle.remote_get_url(remote)[1])
        except GLib.Error:
            return ""

    def remotes(self) -> tuple[str, ...]:
        """Names of the configured remotes."""
        return tuple(self.handle.remote_list() or ())

    def remote_refs(self, remote: str) -> dict[str, str]:
        """The refs that a remote's summary offers; raises RepositoryError."""
        with ostree_errors(f"cannot list the refs of the remote {remote}", RepositoryError):
            _, refs = self.handle.remote_list_refs(remote, None)
        return dict(refs)

    def config(self, group: str, key: str) -> str:
        """One value of the repository's config file, "" when unset."""
        try:
            return str(self.handle.get_config().get_string(group, key))
        except GLib.Error:
            return ""


class Tree:
    """A mutable tree; paths are relative, without symlinks, `/` between names."""

    def __init__(self, repo: Repo, handle: Any) -> None:
        self.repo = repo
        self.handle = handle
        self._nodes: dict[str, Any] = {"": handle}

    def find(self, path: str) -> "str | Tree | None":
        """A file's checksum, a directory as a Tree, or None."""
        node = self.handle
        parts = [p for p in path.split("/") if p]
        for number, part in enumerate(parts):
            try:
                _, checksum, below = node.lookup(part)
            except GLib.Error:
                return None
            if below is None:
                return str(checksum) if number == len(parts) - 1 else None
            node = below
        return Tree(self.repo, node)

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
        """Make a directory if it is not there and give it this dirmeta."""
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
        if above in self._nodes:
            return self._nodes[above], name
        found = self.find(above)
        if isinstance(found, Tree):
            self._nodes[above] = found.handle
            return found.handle, name
        if allow_missing:
            return None, name
        raise DeployError(f"/{above} is not a directory in the tree")


class _Metadata(Mapping[str, Any]):
    """A commit's a{sv} metadata, unpacked key by key when asked."""

    def __init__(self, variant: Any) -> None:
        self.variant = variant

    def __getitem__(self, key: str) -> Any:
        value = self.variant.lookup_value(key, None)
        if value is None:
            raise KeyError(key)
        return value.unpack()

    def __iter__(self) -> Iterator[str]:
        return iter(self.variant.keys())

    def __len__(self) -> int:
        return int(self.variant.n_children())


def open_repo(path: Path) -> Repo:
    """Open a repository by its path; raises StateError."""
    handle = OSTree.Repo.new(Gio.File.new_for_path(str(path)))
    with ostree_errors(f"cannot open the repository {path}", StateError):
        handle.open(None)
    return Repo(handle)


def _pull_meter(progress: Progress) -> Callable[[Any], None]:
    seen = 0

    def changed(meter: Any) -> None:
        nonlocal seen
        fetched = meter.get_uint("fetched") or 0
        if fetched > seen:
            progress.advance(fetched - seen, meter.get_status() or "")
            seen = fetched

    return changed


def _rows(array: Any) -> Iterator[tuple[str, Any]]:
    for number in range(array.n_children()):
        row = array.get_child_value(number)
        yield row.get_child_value(0).get_string(), row


def _hex(variant: Any) -> str:
    data = variant.get_data_as_bytes().get_data()
    return data.hex() if data else ""


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


log.debug("libostree %s", OSTree.VERSION_S if hasattr(OSTree, "VERSION_S") else "?")
