"""Commit: base tree + package trees + what scriptlets wrote + generated files = one commit.

Only files of the upper directory are read; everything else goes in by checksum. Whiteouts become
removals. What scriptlets left in /var becomes factory content, or is named as dropped.
"""

import os
import re
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

from pkglayer.model.masks import DROP, JOURNAL, Mask, find_mask, normalise
from pkglayer.model.objects import Xattrs
from pkglayer.model.pathmap import FACTORY, parents, quote, to_argument
from pkglayer.model.plan import Plan
from pkglayer.model.record import Note
from pkglayer.system.inroot import resolve_in
from pkglayer.system.objectwriter import ObjectWriter
from pkglayer.system.overlayroot import Root
from pkglayer.system.repo import Repo
from pkglayer.system.repolabels import label_tree, load_policy

TMPFILES_PATH = "usr/lib/tmpfiles.d/zz-pkglayer.conf"
"""Late in order, so that a package's own tmpfiles.d line for a path wins."""
STATE_REF = "pkglayer/state/"
"""Plus the plan's digest: the layered commit built from it."""
BASE_REF = "pkglayer/base/"
"""Plus a base commit's checksum: keeps the bases of layered states from being pruned."""
VOLATILE = ("cache/", "home/", "log/", "roothome/", "tmp/")
"""Below /var: files that scriptlets write there belong to the build and not to the machine."""
MAKING = frozenset("fFdDvqQpLcbC")
"""First letters of tmpfiles.d lines that make something."""
CHUNK = 1 << 20
MAX_TMPFILES = 1 << 20
"""Bytes; a larger file of tmpfiles.d is not looked into."""


def collect(root: Root) -> None:
    """Take over into the tree what was written on top of the packages' files.

    Belongs into a transaction. The rpmdb is among it, so large files are hashed the quick way.
    """
    with root.repo.content() as writer:
        for path, info in _walk(root.upper):
            _collect_one(root, writer, path, info)
        fresh = [(p, i) for p, i in _walk(root.var) if p not in root.var_seed]
        covered = _tmpfiles_paths(root) if fresh else set()
        for path, info in fresh:
            if f"/var/{path}" not in covered:
                _collect_var(root, writer, path, info)


def write_state(root: Root, plan: Plan, digest: str, generated: Mapping[str, bytes]) -> str:
    """Write the layered commit with the generated files in it; returns its checksum.

    Parent is the base commit, the timestamp is the base's, so that two machines give one checksum.
    Where the tree has an SELinux policy, what is new gets its labels by that.
    """
    files = {**generated}
    covered = _tmpfiles_paths(root) if root.tmpfiles else set()
    # The package's own line for a path wins, and a second one is a warning at every boot.
    lines = [line for line in sorted(set(root.tmpfiles)) if _path_of(line) not in covered]
    if lines:
        text = "# Content that layered packages have outside the immutable tree.\n"
        files[TMPFILES_PATH] = (text + "\n".join(lines) + "\n").encode()
    for path, data in sorted(files.items()):
        _put_parents(root, path)
        root.tree.put_file(path, root.repo.write_file([data], len(data), 0o644))
    if policy := load_policy(root.path):
        label_tree(root.repo, root.tree, plan.base.commit, policy)
    base = root.repo.read_commit(plan.base.commit)
    kept = {k: base.metadata[k] for k in ("ostree.linux", "ostree.bootable") if k in base.metadata}
    if root.kernel and "ostree.linux" in kept:
        kept["ostree.linux"] = root.kernel
    return root.repo.write_commit(
        root.tree,
        parent=plan.base.commit,
        timestamp=base.timestamp,
        subject=f"{len(plan.packages)} packages layered on {base.version or base.checksum[:12]}",
        metadata={
            **kept,
            "version": base.version,
            "pkglayer.base": base.checksum,
            "pkglayer.base-version": base.version,
            "pkglayer.digest": digest,
            "pkglayer.packages": [str(p.nevra) for p in plan.packages],
        },
    )


def find_state(repo: Repo, digest: str) -> str:
    """The commit built from a plan of this digest, "" when there is none."""
    return repo.resolve(STATE_REF + digest)


def _walk(top: Path, below: str = "") -> Iterator[tuple[str, os.stat_result]]:
    with os.scandir(top / below) as entries:
        rows = sorted(entries, key=lambda e: e.name)
    for entry in rows:
        info = entry.stat(follow_symlinks=False)
        path = f"{below}/{entry.name}".lstrip("/")
        yield path, info
        if stat.S_ISDIR(info.st_mode):
            yield from _walk(top, path)


def _collect_one(root: Root, writer: ObjectWriter, path: str, info: os.stat_result) -> None:
    source = root.upper / path
    mask = find_mask(path)
    deleted = stat.S_ISCHR(info.st_mode) and info.st_rdev == 0
    # SQLite would read a journal of the base's database into the state's.
    kept_out = (DROP,) if deleted else (DROP, JOURNAL)
    if mask and mask.action in kept_out:
        root.notes.append(Note("", f"/{path}", mask.reason))
        return
    if deleted:
        root.tree.remove(path)
    elif stat.S_ISDIR(info.st_mode):
        xattrs = _xattrs(source)
        if (b"trusted.overlay.opaque", b"y") in _raw_xattrs(source):
            root.tree.remove(path)
        root.tree.put_dir(
            path, root.repo.write_dirmeta(info.st_mode, info.st_uid, info.st_gid, xattrs)
        )
    elif checksum := _store(root, writer, path, source, info, mask):
        root.tree.put_file(path, checksum)
    else:
        root.notes.append(Note("", f"/{path}", "a scriptlet made a special file; dropped"))


def _collect_var(root: Root, writer: ObjectWriter, path: str, info: os.stat_result) -> None:
    real = f"var/{path}"
    mask = find_mask(real)
    if mask and mask.action == DROP:
        root.notes.append(Note("", f"/{real}", mask.reason))
        return
    if path.startswith(VOLATILE) and not stat.S_ISDIR(info.st_mode):
        root.notes.append(Note("", f"/{real}", "a log or cache that a scriptlet wrote; not kept"))
        return
    source, line = root.var / path, quote("/" + real)
    owner = f"{info.st_uid} {info.st_gid}"
    if stat.S_ISDIR(info.st_mode):
        root.tmpfiles.append(f"d {line} {stat.S_IMODE(info.st_mode):04o} {owner} - -")
    elif stat.S_ISLNK(info.st_mode):
        root.tmpfiles.append(f"L {line} - - - - {to_argument(_target(source))}")
    elif checksum := _store(root, writer, real, source, info, mask):
        _put_parents(root, FACTORY + real)
        root.tree.put_file(FACTORY + real, checksum)
        root.tmpfiles.append(f"C {line} {stat.S_IMODE(info.st_mode):04o} {owner} - -")


def _before(root: Root, path: str) -> bytes | None:
    found = root.tree.find(path)
    return root.repo.read_object(found) if isinstance(found, str) else None


def _tmpfiles_paths(root: Root) -> set[str]:
    """Paths that the tree's own tmpfiles.d makes at boot anyway."""
    found = set()
    directory = resolve_in(root.path, "usr/lib/tmpfiles.d")
    names = sorted(p.name for p in directory.glob("*.conf")) if directory else []
    for place in (resolve_in(root.path, f"usr/lib/tmpfiles.d/{name}") for name in names):
        # Packages and scriptlets chose what lies there: a device or FIFO would never end.
        if not place or not place.is_file() or place.stat().st_size > MAX_TMPFILES:
            continue
        for line in place.read_text(errors="replace").splitlines():
            if line[:1] in MAKING and (path := _path_of(line)):
                found.add(path)
    return found


def _path_of(line: str) -> str:
    """The path of a line of tmpfiles.d as it is written there, without quotes."""
    match = re.match(r'\S+\s+(?:"((?:\\.|[^"\\])*)"|(\S+))', line)
    return (match[1] or match[2]).rstrip("/") if match else ""


def _store(
    root: Root, writer: ObjectWriter, path: str, source: Path, info: os.stat_result,
    mask: Mask | None,
) -> str:  # fmt: skip
    if stat.S_ISLNK(info.st_mode):
        return root.repo.write_symlink(_target(source), info.st_uid, info.st_gid)
    if not stat.S_ISREG(info.st_mode):
        return ""
    if mask:
        data = normalise(mask.action, source.read_bytes(), _before(root, path))
        chunks, size = iter((data,)), len(data)
    else:
        chunks, size = _read(source), info.st_size
    if info.st_uid == info.st_gid == 0:
        return writer.write_file(chunks, stat.S_IMODE(info.st_mode), _xattrs(source))
    return root.repo.write_file(
        chunks, size, info.st_mode, info.st_uid, info.st_gid, _xattrs(source)
    )


def _target(link: Path) -> str:
    """As it is written: a Path would turn `./x/` into `x`."""
    return os.readlink(link)  # noqa: PTH115


def _read(source: Path) -> Iterator[bytes]:
    with source.open("rb") as file:
        while data := file.read(CHUNK):
            yield data


def _raw_xattrs(path: Path) -> list[tuple[bytes, bytes]]:
    names = sorted(os.listxattr(path, follow_symlinks=False))
    return [(n.encode(), os.getxattr(path, n, follow_symlinks=False)) for n in names]


def _xattrs(path: Path) -> Xattrs:
    return tuple(
        (name + b"\0", value)
        for name, value in _raw_xattrs(path)
        if not name.startswith((b"trusted.overlay.", b"security.selinux"))
    )


def _put_parents(root: Root, path: str) -> None:
    for parent in parents(path):
        if not root.tree.has_dir(parent):
            root.tree.put_dir(parent, root.repo.write_dirmeta(0o755))
