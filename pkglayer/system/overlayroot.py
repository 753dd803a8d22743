"""The tree of one build: an overlay to look at and a mutable tree to commit, kept the same.

Lower layers, top first: the packages' files (by hardlink from their imports), the difference
between the wanted base and a tree already on disk, and that tree. The upper layer takes what
scriptlets write. The same calls change the overlay and the commit in the making, so that what
scriptlets see and what is committed cannot differ.
"""

import hashlib
import os
import shutil
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pkglayer.model import pathmap
from pkglayer.model.errors import ConflictError, PackageError
from pkglayer.model.header import FileEntry, FileFlag, Imported
from pkglayer.model.objects import FileInfo
from pkglayer.model.record import Note
from pkglayer.system import mounts
from pkglayer.system.inroot import resolve_var
from pkglayer.system.linkdir import LinkDir
from pkglayer.system.repo import Repo
from pkglayer.system.repotree import Tree

MAX_LINKS = 40
VAR_DIRS = (
    "cache",
    "home",
    "lib",
    "lib/misc",
    "local",
    "log",
    "mail",
    "mnt",
    "opt",
    "spool",
    "srv",
)


@dataclass(frozen=True)
class NearTree:
    """A tree on disk to build on: the deployment directory of the commit `commit`."""

    path: Path
    commit: str


class Root:
    """The state of one build; `stages.root.mount_root` makes, mounts and unmounts it.

    `path` is the mounted tree, with `etc` standing for `usr/etc`; `var` a plain directory outside
    the tree that stands for /var, where `var_seed` names what is there without scriptlets; `upper`
    what was written so far; `tree` the commit in the making; `tmpfiles` the lines that make
    content of /var, /opt and /usr/local appear at boot; `notes` what goes elsewhere, and why;
    `skipped` files of packages (NEVRA, path) that another's of a preferred colour stands for;
    `leaving` all paths of packages that are replaced or removed, and `pristine` digests of their
    configuration files; `kernel` the version of the tree's kernel where the layer deals with it.
    """

    def __init__(self, repo: Repo, base: str, near: NearTree, work: Path) -> None:
        self.repo = repo
        self.base = base
        self.tree: Tree = repo.open_tree(base)
        self.near = near
        self.work = work
        self.path = work / "root"
        self.var = work / "var"
        self.upper = work / "upper"
        self.tmpfiles: list[str] = []
        self.notes: list[Note] = []
        self.placed: dict[str, str] = {}
        self.leaving: set[str] = set()
        self.pristine: dict[str, str] = {}
        self.skipped: set[tuple[str, str]] = set()
        self.kernel = ""
        self.var_seed: set[str] = set()
        self.etc_bound = False
        self._implied: dict[str, str] = {}
        self._real: dict[str, str] = {}
        self._mounts = 0
        for path in (self.path, self.upper):
            path.mkdir()
        self._layer = LinkDir(repo, work / "layer", self._dirmeta)
        (work / "layer/etc").mkdir()
        self._diff = LinkDir(repo, work / "diff", self._dirmeta)
        self._overlay = mounts.OverlayMount(self.path)
        self._fill_diff(base)
        self._fill_var()

    # --- mounting --------------------------------------------------------------------------

    def mount(self) -> None:
        """Show everything added so far at `path`."""
        self._mounts += 1
        ovl = self.work / f"ovl{self._mounts}"
        ovl.mkdir()
        lowers = [self._layer.path, self._diff.path, self.near.path]
        self._overlay(lowers, self.upper, ovl)
        defaults = self.path / "usr/etc"
        if defaults.is_symlink():
            # Followed by a bind mount, it would show scriptlets the host's own files.
            raise PackageError(
                "a scriptlet put a link in place of /usr/etc",
                hint="leave out the package that does it; this layer cannot be built",
            )
        if defaults.is_dir():
            mounts.bind(defaults, self.path / "etc")
            self.etc_bound = True

    def umount(self) -> None:
        """Take the view down; `mount` shows it again with what was added since."""
        if self.etc_bound:
            mounts.umount(self.path / "etc")
            self.etc_bound = False
        self._overlay.umount()

    def add(self, *packages: Imported) -> None:
        """The files of these packages appear, in this order, and become part of the tree.

        Raises ConflictError when a path is a directory for one owner and a file for the other, and
        PackageError for paths that an image cannot have.
        """
        mounted = self._overlay.mounted
        self.umount()
        for package in packages:
            self._add(package)
        if mounted:
            self.mount()

    # --- placing ---------------------------------------------------------------------------

    def _add(self, package: Imported) -> None:
        checksums = self._payload(package)
        nevra = str(package.header.nevra)
        for entry in package.header.files:
            if entry.flags & FileFlag.GHOST or (nevra, entry.path) in self.skipped:
                continue
            placement = pathmap.place(self.real_path(entry.path), entry)
            if placement.rule.action == "refuse" and not stat.S_ISDIR(entry.mode):
                raise PackageError(
                    f"{package.header.nevra} ships {entry.path}, and {placement.rule.reason}",
                    hint="this package cannot be layered",
                )
            self.tmpfiles += placement.tmpfiles
            self._note(package, entry, placement)
            if placement.path:
                self._put(
                    package, nevra, entry, placement.path, checksums.get(entry.path, "")
                )
            if placement.rule.action == "factory":
                self._put_var(entry, checksums.get(entry.path, ""))

    def _payload(self, package: Imported) -> dict[str, str]:
        tree = self.repo.read_commit(package.commit).tree
        payload = self.repo.find(tree, "tree")
        assert isinstance(payload, tuple)
        return {f"/{path}": checksum for path, checksum, _ in self.repo.walk(payload)}

    def _note(self, package: Imported, entry: FileEntry, where: pathmap.Placement) -> None:
        if where.path and where.rule.action not in ("keep",) and where.rule.prefix != "etc/":
            self.notes.append(
                Note(str(package.header.nevra), f"{entry.path} -> /{where.path}", where.rule.reason)
            )

    def _put(
        self, package: Imported, owner: str, entry: FileEntry, path: str, checksum: str
    ) -> None:
        if not self.tree.has_dir(path.rpartition("/")[0]):
            self._make_parents(path, owner)
        found = self.tree.find(path)
        if stat.S_ISDIR(entry.mode):
            self._check_free(path, found, owner, want_dir=True)
            self.tree.put_dir(path, checksum)
            self._layer.put_dir(path, self.repo.read_dirmeta(checksum))
        else:
            self._check_free(path, found, owner, want_dir=False)
            if isinstance(found, str) and found != checksum and path not in self.placed:
                self._note_replaced(owner, entry)
                path = self._keep_config(package, entry, path, found)
                if not path:
                    return
            self.tree.put_file(path, checksum)
            self._layer.put_file(path, checksum)
        self.placed[path] = owner

    def _make_parents(self, path: str, owner: str) -> None:
        for parent in pathmap.parents(path):
            if not self.tree.has_dir(parent):
                self._check_free(parent, self.tree.find(parent), owner, want_dir=True)
                self.tree.put_dir(parent, self.repo.write_dirmeta(0o755))
                self._implied[parent] = owner

    def _note_replaced(self, owner: str, entry: FileEntry) -> None:
        """A file of the base that gives way without being anybody's, as rpm has it, is told of;
        for configuration files `_keep_config` does so."""
        if not entry.flags & FileFlag.CONFIG and entry.path not in self.leaving:
            self.notes.append(Note(owner, entry.path, "takes the place of the base's own file"))

    def _check_free(
        self, path: str, found: str | Tree | None, owner: str, *, want_dir: bool
    ) -> None:
        if found is None or isinstance(found, Tree) == want_dir:
            return
        other = self.placed.get(path) or self._implied.get(path, "the base")
        kinds = ("a directory", "a file or link")
        raise ConflictError(
            f"/{path} is {kinds[not want_dir]} in {owner} and {kinds[want_dir]} in {other}",
            hint=f"{owner} and {other} cannot be in one state; leave one of them out",
            data={
                "conflicts": [{"path": f"/{path}", "package": owner, "other": other}],
                "owners": [owner, other],
            },
        )

    def _keep_config(self, package: Imported, entry: FileEntry, path: str, found: str) -> str:
        """Where a file goes whose path the base has with other content `found`: rpm's rule for
        configuration files; "" where it does not go anywhere."""
        if not entry.flags & FileFlag.CONFIG:
            return path
        nevra = str(package.header.nevra)
        if before := self.pristine.get(entry.path):
            return self._replace_config(nevra, entry, path, before, found)
        if entry.flags & FileFlag.NOREPLACE:
            self.notes.append(Note(nevra, entry.path, "kept as it is; the package's is .rpmnew"))
            return path + ".rpmnew"
        self.notes.append(Note(nevra, entry.path, "replaced; the one before is .rpmorig"))
        self.tree.put_file(path + ".rpmorig", found)
        self._layer.put_file(path + ".rpmorig", found)
        return path

    def _replace_config(
        self, nevra: str, entry: FileEntry, path: str, before: str, found: str
    ) -> str:
        """The same where a replaced package had the file: what the base changed in it is kept."""
        algorithm = {32: "md5", 40: "sha1"}.get(len(before), "sha256")
        now = hashlib.new(algorithm, self.repo.read_object(found)).hexdigest()
        if now == before:
            return path
        if entry.digest == before:
            self.notes.append(Note(nevra, entry.path, "changed in the base, and kept so"))
            return ""
        if entry.flags & FileFlag.NOREPLACE:
            self.notes.append(Note(nevra, entry.path, "kept as it is; the package's is .rpmnew"))
            return path + ".rpmnew"
        self.notes.append(Note(nevra, entry.path, "replaced; the base's own is .rpmsave"))
        self.tree.put_file(path + ".rpmsave", found)
        self._layer.put_file(path + ".rpmsave", found)
        return path

    def real_path(self, path: str) -> str:
        """A path as the base really has it: relative, symlinked directories followed."""
        above, _, name = path.strip("/").rpartition("/")
        return f"{self._real_dir(above)}/{name}".lstrip("/")

    def _real_dir(self, path: str, depth: int = 0) -> str:
        if not path or depth > MAX_LINKS:
            return path
        if path not in self._real:
            above, _, name = path.rpartition("/")
            real = f"{self._real_dir(above, depth)}/{name}".lstrip("/")
            found = self.tree.find(_in_tree(real))
            if isinstance(found, str) and (target := self.repo.read_info(found).target):
                joined = os.path.normpath(f"/{real}/../{target}" if target[0] != "/" else target)
                real = self._real_dir(joined.strip("/"), depth + 1)
            self._real[path] = real
        return self._real[path]

    def _dirmeta(self, path: str) -> FileInfo | None:
        found = self.tree.find(path)
        return self.repo.read_dirmeta(found.metadata) if isinstance(found, Tree) else None

    # --- the layers below ------------------------------------------------------------------

    def _fill_diff(self, base: str) -> None:
        near = self.repo.read_commit(self.near.commit).tree
        for path, what, checksum in self.repo.diff(near, self.repo.read_commit(base).tree):
            if what == "-":
                self._diff.put_whiteout(path)
            elif what == "f":
                self._diff.put_file(path, checksum)
            else:
                self._diff.put_dir(path, self.repo.read_dirmeta(checksum))

    def _fill_var(self) -> None:
        self.var.mkdir(mode=0o755)
        for name in VAR_DIRS:
            (self.var / name).mkdir(mode=0o755)
        (self.var / "roothome").mkdir(mode=0o700)
        (self.var / "tmp").mkdir()
        (self.var / "tmp").chmod(0o1777)
        (self.var / "run").symlink_to("../run")
        (self.var / "lock").symlink_to("../run/lock")
        self.var_seed = set(_walk(self.var))

    def _put_var(self, entry: FileEntry, checksum: str) -> None:
        real = self.real_path(entry.path)
        if not real.startswith("var/"):
            return
        below = real.removeprefix("var/")
        self.var_seed |= {below, *pathmap.parents(below)}
        # Scriptlets may have put links there, and these mean the tree's paths, never the host's.
        target = resolve_var(self.var, below)
        if target is None:
            raise PackageError(
                f"{entry.path} lies behind a link that leads out of /var",
                hint="a package or a scriptlet made that link; this layer cannot be built",
                data={"path": entry.path},
            )
        target.parent.mkdir(parents=True, exist_ok=True)
        if stat.S_ISDIR(entry.mode):
            if not target.is_symlink():
                target.mkdir(exist_ok=True)
                target.chmod(stat.S_IMODE(entry.mode))
        elif not os.path.lexists(target):
            shutil.copy2(self.repo.object_path(checksum), target, follow_symlinks=False)


def _in_tree(real: str) -> str:
    return "usr/" + real if real == "etc" or real.startswith("etc/") else real


def _walk(top: Path) -> Iterator[str]:
    yield from (str(path.relative_to(top)) for path in top.rglob("*"))
