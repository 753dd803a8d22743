"""Reading an OSTree repository, through GObject introspection.

Objects are addressed by their SHA-256 checksum (hex); a tree is a pair of checksums, contents
(dirtree) and metadata (dirmeta), as OSTree keeps them. GLib's errors leave here as ours.
"""

import hashlib
import os
import shutil
import sys
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import gi

gi.require_version("OSTree", "1.0")
from gi.repository import GLib, OSTree  # noqa: E402  (require_version must come first)

from pkglayer.model.errors import StateError  # noqa: E402
from pkglayer.model.objects import Commit, DirTree, FileInfo, parse_dirtree  # noqa: E402
from pkglayer.system.repoerrors import ostree_errors  # noqa: E402

EMPTY_TREE = DirTree({}, {})
_DAMAGED = "see what is damaged: ostree fsck; what a remote has comes back with: ostree pull"


class RepoReader:
    """What is in a repository; `repo.Repo` is one of these that writes, too."""

    def __init__(self, handle: Any) -> None:
        self.handle = handle
        self.path = Path(handle.get_path().get_path())
        self._trees: dict[str, DirTree] = {}

    # --- refs and commits ------------------------------------------------------------------

    def resolve(self, rev: str) -> str:
        """The checksum a ref, refspec, checksum or its beginning names; "" when there is none."""
        try:
            _, checksum = self.handle.resolve_rev(rev, True)
        except GLib.Error:
            return ""
        return checksum or ""

    def list_refs(self, prefix: str = "") -> dict[str, str]:
        """All refs below `prefix` (or all), full name -> checksum."""
        with ostree_errors("cannot list refs", StateError):
            _, refs = self.handle.list_refs_ext(prefix or None, 0, None)
        return dict(refs)

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

    def read_missing(self, checksum: str) -> tuple[int, int]:
        """Bytes and number of files that a commit has and the repository has not.

        By what the commit itself says (`ostree commit --generate-sizes`); (0, 0) where it does not.
        """
        try:
            _, variant, _ = self.handle.load_commit(checksum)
            _, rows = OSTree.commit_get_object_sizes(variant)
        except GLib.Error:
            return 0, 0
        files = (row for row in rows if row.objtype == OSTree.ObjectType.FILE)
        sizes = [f.unpacked for f in files if not os.path.lexists(self.object_path(f.checksum))]
        return sum(sizes), len(sizes)

    def read_commit(self, checksum: str) -> Commit:
        """Raises StateError when the commit is missing or unreadable."""
        variant = self._load(OSTree.ObjectType.COMMIT, checksum)
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
            try:
                self._trees[checksum] = parse_dirtree(variant.get_data_as_bytes().get_data() or b"")
            except ValueError as e:
                raise StateError(f"corrupt directory object {checksum}: {e}") from e
        return self._trees[checksum]

    def find(self, tree: tuple[str, str], path: str) -> str | tuple[str, str] | None:
        """What a path without symlinks in it names: file checksum, (contents, metadata), None."""
        parts = [p for p in path.split("/") if p]
        for number, part in enumerate(parts):
            files, dirs = self._load_dirtree(tree[0])
            if row := _find_row(dirs, part):
                tree = _hex(row.get_child_value(1)), _hex(row.get_child_value(2))
            elif number == len(parts) - 1 and (row := _find_row(files, part)):
                return _hex(row.get_child_value(1))
            else:
                return None
        return tree

    def _load_dirtree(self, checksum: str) -> tuple[Any, Any]:
        variant = self._load(OSTree.ObjectType.DIR_TREE, checksum)
        return variant.get_child_value(0), variant.get_child_value(1)

    def _load(self, kind: Any, checksum: str) -> Any:
        """A metadata object, compared with its name: libostree takes an empty file for an empty
        directory."""
        what = f"corrupt or missing {OSTree.object_type_to_string(kind)} object {checksum}"
        with ostree_errors(what, StateError, _DAMAGED):
            _, variant = self.handle.load_variant(kind, checksum)
        if hashlib.sha256(variant.get_data_as_bytes().get_data() or b"").hexdigest() != checksum:
            raise StateError(what, hint=_DAMAGED)
        return variant

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

    def count_directories(self, tree: tuple[str, str]) -> int:
        """How many directories a tree has, itself included."""
        _files, dirs = self._load_dirtree(tree[0])
        rows = (dirs.get_child_value(number) for number in range(dirs.n_children()))
        below = (_hex(row.get_child_value(1)) for row in rows)
        return 1 + sum(self.count_directories((contents, "")) for contents in below)

    # --- content ---------------------------------------------------------------------------

    def object_path(self, checksum: str) -> Path:
        """Where a content object lies; in a `bare` repository it is the file itself."""
        return Path(self.object_name(checksum))

    def object_name(self, checksum: str) -> str:
        """The same as text: a Path for each of many files takes as long as a link to it."""
        return f"{self.path}/objects/{checksum[:2]}/{checksum[2:]}.file"

    @property
    def min_free_space(self) -> int:
        """Bytes that libostree leaves free on the file system, by its own setting."""
        with ostree_errors("cannot read the repository's min-free-space", StateError):
            return int(self.handle.get_min_free_space_bytes()[1])

    def count_fresh_directories(self, objects: int) -> int:
        """How many of the directories below `objects` so many new objects may have to make."""
        return min(objects, 256 - sum(1 for _ in (self.path / "objects").iterdir()))

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

    def read_size(self, checksum: str) -> int:
        """Bytes of a content object, which whoever asks need not be allowed to open."""
        try:
            return self.object_path(checksum).lstat().st_size
        except FileNotFoundError:
            return self.read_info(checksum).size

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

    def read_chunks(self, checksum: str) -> Iterator[bytes]:
        """The bytes of a content object of any size, piece by piece."""
        with ostree_errors(f"corrupt or missing object {checksum}", StateError):
            _, stream, _info, _ = self.handle.load_file(checksum, None)
            while stream is not None and (data := stream.read_bytes(1 << 20, None).get_data()):
                yield bytes(data)

    def read_dirmeta(self, checksum: str) -> FileInfo:
        """Mode, owner and xattrs of a directory by its dirmeta checksum."""
        variant = self._load(OSTree.ObjectType.DIR_META, checksum)
        uid, gid, mode, xattrs = variant.unpack()
        swap = GLib.Variant("(uuu)", (uid, gid, mode)).byteswap().unpack()
        uid, gid, mode = swap if sys.byteorder == "little" else (uid, gid, mode)
        return FileInfo(mode, uid, gid, 0, "", tuple((bytes(n), bytes(v)) for n, v in xattrs))


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


def _find_row(array: Any, name: str) -> Any:
    """The row of a name in one half of a dirtree, which is sorted by it; None without one."""
    wanted = os.fsencode(name)
    at = bisect_left(range(array.n_children()), wanted, key=lambda n: os.fsencode(_name(array, n)))
    if at < array.n_children() and _name(array, at) == name:
        return array.get_child_value(at)
    return None


def _name(array: Any, number: int) -> str:
    return str(array.get_child_value(number).get_child_value(0).get_string())


def _hex(variant: Any) -> str:
    data = variant.get_data_as_bytes().get_data()
    return data.hex() if data else ""
