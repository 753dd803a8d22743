"""Import: an RPM becomes one commit in the OSTree repository, once and for every later state.

The commit holds the file `/rpm` (lead, signature and header) and the directory `/tree` (the payload
at the RPM's own paths); where a path goes in a state is decided later, by the base it is put on.
Owners other than root are names that a state resolves, so such files are stored as root's without
setuid, setgid or capabilities, and get them when the layer is built.
"""

import hashlib
import stat
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import lru_cache, partial
from pathlib import Path
from typing import BinaryIO

from pkglayer.log import Progress
from pkglayer.model.errors import PackageError
from pkglayer.model.header import FileEntry, FileFlag, Header, Imported
from pkglayer.model.objects import Xattrs
from pkglayer.model.offer import LOCAL
from pkglayer.model.package import Nevra, Package
from pkglayer.model.request import Want
from pkglayer.model.space import BLOCK, Need, check_rooms
from pkglayer.system import filecaps, rpmlib, workers
from pkglayer.system.objectwriter import Later, ObjectWriter, QuickWriter
from pkglayer.system.repo import Repo
from pkglayer.system.repotree import Tree
from pkglayer.system.space import find_rooms

HEADER_REF = "pkglayer/pkg/"
"""Plus the header's SHA-256: the import commit."""
FILE_REF = "pkglayer/rpm/"
"""Plus the whole file's SHA-256: the same commit, for packages known from metadata only."""
IMPORT_VERSION = 1

QUICK_TO_READ = frozenset({"zstd"})
"""Compressors so quick that several processes may each read a whole payload for a part of it."""
MOST_PARTS = 4
FILE_COST = 50_000
"""What making a file takes, in bytes that could be hashed and written instead."""

_DIGESTS = {1: "md5", 2: "sha1", 8: "sha256", 9: "sha384", 10: "sha512", 11: "sha224"}


def find_imports(repo: Repo, packages: Sequence[Package]) -> list[Imported | None]:
    """For each package its import if the repository has it, else None; reads no payload."""
    return [_find(repo, package) for package in packages]


def is_known(repo: Repo, package: Package) -> bool:
    """Whether the repository seems to have a package, by its refs alone."""
    return bool(repo.resolve(_ref_of(package)))


def _ref_of(package: Package) -> str:
    if package.header_checksum:
        return HEADER_REF + package.header_checksum
    return FILE_REF + package.checksum.removeprefix("sha256:")


def _find(repo: Repo, package: Package) -> Imported | None:
    commit = repo.resolve(_ref_of(package))
    if not commit or repo.read_commit(commit).metadata.get("pkglayer.import") != IMPORT_VERSION:
        return None
    found = load_import(repo, commit, package)
    if repo.resolve(HEADER_REF + found.header.checksum) != commit:
        return None  # a run was killed before this ref, which comes last
    return found


def to_local(repo: Repo, want: Want) -> Package:
    """The package of an imported local RPM that no state has now: what is known of it."""
    commit = repo.resolve(HEADER_REF + want.header_checksum)
    refs = repo.list_refs(FILE_REF.rstrip("/")).items() if commit else ()
    files = [ref for ref, known in refs if known == commit]
    key = repo.read_commit(commit).metadata.get("pkglayer.key", "") if commit else ""
    return Package(
        Nevra.parse(want.spec),
        LOCAL,
        f"sha256:{files[0].rpartition('/')[2]}" if files else "",
        reason="user",
        header_checksum=want.header_checksum,
        key=key,
    )


def load_import(repo: Repo, commit: str, package: Package) -> Imported:
    """An import by its commit; raises StateError when an object is missing or corrupt."""
    head, header, known_key = _read_import(repo, commit)
    known = replace(package, header_checksum=header.checksum, key=package.key or known_key)
    return Imported(known, header, commit, head)


@lru_cache(maxsize=1024)
def _read_import(repo: Repo, commit: str) -> tuple[bytes, Header, str]:
    """What an import commit holds beside the payload; one run asks for it several times."""
    head = repo.read_file(commit, "rpm", limit=rpmlib.MAX_HEADER)
    if head is None:
        raise PackageError(f"the import {commit[:12]} has no header")
    return head, rpmlib.read_header(head), repo.read_commit(commit).metadata.get("pkglayer.key", "")


def import_packages(
    repo: Repo, rpms: Iterable[tuple[Package, BinaryIO]], progress: Progress
) -> list[Imported]:
    """Import verified, open RPMs, their objects in one transaction; returns them in the same order.

    Raises PackageError for a payload that is truncated, does not match its header's digests, or
    holds what an immutable tree cannot have (device nodes, FIFOs, sockets); SpaceError before
    anything is written.
    """
    rpms = list(rpms)
    if not rpms:
        return []
    progress.start("Importing packages", len(rpms))
    repo.require_bare()
    opened = [_open(package, file) for package, file in rpms]
    _check_space(repo, [header for header, _ in opened])
    with repo.transaction():
        with repo.content() as writer:
            trees = _unpack_all(repo, writer, rpms, opened, progress)
        # After their content: without fsync libostree puts commits in place at once.
        done = [
            _commit(repo, package, header, head, tree)
            for (package, _), (header, head), tree in zip(rpms, opened, trees, strict=True)
        ]
    # Last: whatever goes by these refs finds the others there, wherever a run is killed.
    for imported in done:
        repo.set_ref(HEADER_REF + imported.header.checksum, imported.commit)
    progress.done()
    return done


def _check_space(repo: Repo, headers: Sequence[Header]) -> None:
    """By the headers it is known exactly what comes."""
    files = [f for h in headers for f in _contents(h)]
    size = sum(-(-max(f.size, 1) // BLOCK) * BLOCK for f in files if not stat.S_ISLNK(f.mode))
    number = len(files) + 2 * len(headers)
    directories = repo.count_fresh_directories(number)
    need = Need("of packages", size + directories * BLOCK, number + directories)
    check_rooms(find_rooms([(repo.path, need)], {repo.path: repo.min_free_space}))


def _contents(header: Header) -> list[FileEntry]:
    """What of a package takes space: no ghosts, and of hard links one."""
    links = {f.hardlink: f for f in header.files if f.hardlink >= 0}
    alone = [f for f in header.files if f.hardlink < 0 and not f.flags & FileFlag.GHOST]
    return [*alone, *links.values()]


def _open(package: Package, file: BinaryIO) -> tuple[Header, bytes]:
    head = rpmlib.read_head(file)
    header = rpmlib.read_header(head)
    if header.nevra != package.nevra:
        raise PackageError(f"the file of {package.nevra} holds {header.nevra} instead")
    return header, head


def _unpack_all(
    repo: Repo,
    writer: ObjectWriter,
    rpms: Sequence[tuple[Package, BinaryIO]],
    opened: Sequence[tuple[Header, bytes]],
    progress: Progress,
) -> list[Tree]:
    """Write the content of all payloads on all processors, and the tree of each package as soon as
    its content is known; returns the trees."""
    jobs, owners = [], []
    whole = sum(_cost(header) for header, _ in opened)
    for number, ((_, file), (header, head)) in enumerate(zip(rpms, opened, strict=True)):
        ways = round(workers.count_processors() * _cost(header) / whole)
        quick = rpmlib.load_header(head)["payloadcompressor"] in QUICK_TO_READ
        parts = split_files(header, max(1, min(ways, MOST_PARTS)) if quick else 1)
        threaded = QuickWriter(writer, 0 if quick else ways)
        jobs += [
            (_cost(header) // len(parts), partial(_unpack, threaded, header, head, file, part))
            for part in parts
        ]
        owners += [number] * len(parts)
    left = Counter(owners)
    found: list[list[tuple[str, str]]] = [[] for _ in rpms]
    trees: dict[int, Tree] = {}

    def on_done(job: int, rows: list[tuple[str, str]]) -> None:
        number = owners[job]
        left[number] -= 1
        found[number] += rows
        if not left[number]:
            trees[number] = _write_tree(repo, *opened[number], found[number])
            progress.advance()

    workers.run_all(jobs, on_done)
    return [trees[number] for number in range(len(rpms))]


def _cost(header: Header) -> int:
    return FILE_COST + sum(FILE_COST + e.size for e in header.files)


def split_files(header: Header, ways: int) -> list[frozenset[str]]:
    """The paths of a package in so many parts of equal work; hardlinks of one file together."""
    parts: list[set[str]] = [set() for _ in range(ways)]
    loads = [0] * ways
    links: dict[int, int] = {}
    for entry in header.files:
        part = loads.index(min(loads))
        if entry.hardlink >= 0:
            part = links.setdefault(entry.hardlink, part)
        parts[part].add(entry.path)
        loads[part] += FILE_COST + entry.size
    return [frozenset(part) for part in parts]


def _unpack(
    writer: QuickWriter, header: Header, head: bytes, file: BinaryIO, part: frozenset[str]
) -> list[tuple[str, str]]:
    """Write the content of these paths of one payload; (path, checksum) of each. In a child."""
    # The same open file by another descriptor: children that share one would share its position.
    with writer.started(), Path(f"/proc/self/fd/{file.fileno()}").open("rb") as own:
        found = [(e.path, get) for e, get in _write_files(writer, header, head, own, part)]
        return [(path, get()) for path, get in found]


def _write_tree(repo: Repo, header: Header, head: bytes, files: Sequence[tuple[str, str]]) -> Tree:
    tree = repo.open_tree(None)
    tree.put_dir("tree", repo.write_dirmeta(0o755))
    _write_dirs(repo, tree, header)
    for path, checksum in files:
        tree.put_file("tree" + path, checksum)
    tree.put_file("rpm", repo.write_file([head], len(head), 0o644))
    repo.write_tree(tree)
    return tree


def _commit(repo: Repo, package: Package, header: Header, head: bytes, tree: Tree) -> Imported:
    commit = repo.write_commit(
        tree,
        parent=None,
        timestamp=0,
        subject=str(header.nevra),
        metadata={
            "pkglayer.import": IMPORT_VERSION,
            "pkglayer.nevra": str(header.nevra),
            "pkglayer.key": package.key,
        },
    )
    if package.checksum.startswith("sha256:"):
        repo.set_transaction_ref(FILE_REF + package.checksum.removeprefix("sha256:"), commit)
    return Imported(replace(package, header_checksum=header.checksum), header, commit, head)


def is_plain(entry: FileEntry) -> bool:
    """Whether the entry is stored with its final owner, mode and capabilities."""
    return entry.user == "root" and entry.group == "root"


def _write_dirs(repo: Repo, tree: Tree, header: Header) -> None:
    plain = repo.write_dirmeta(0o755)
    metas: dict[str, str] = {}
    for entry in header.files:
        if stat.S_ISDIR(entry.mode):
            mode = stat.S_IMODE(entry.mode) if is_plain(entry) else entry.mode & 0o1777
            metas[entry.path] = repo.write_dirmeta(mode)
        if not (stat.S_ISDIR(entry.mode) and entry.flags & FileFlag.GHOST):
            for parent in _parents(entry.path):
                metas.setdefault(parent, plain)
    for path in sorted(metas):
        tree.put_dir("tree" + path, metas[path])


def _parents(path: str) -> Iterator[str]:
    while path := path.rpartition("/")[0]:
        yield path


def _write_files(
    writer: QuickWriter, header: Header, head: bytes, file: BinaryIO, part: frozenset[str]
) -> Iterator[tuple[FileEntry, Later]]:
    entries = {e.path: e for e in header.files}
    missing = {
        e.path
        for e in header.files
        if e.path in part and not e.flags & FileFlag.GHOST and not stat.S_ISDIR(e.mode)
    }
    algorithm = _DIGESTS.get(rpmlib.load_header(head)["filedigestalgo"] or 1, "")
    waiting: dict[int, list[FileEntry]] = {}
    for path, chunks in rpmlib.read_payload(file, head):
        entry = entries.get(path)
        if entry is None:
            raise PackageError(f"{header.nevra} has {path!r} in its payload but not in its header")
        if path not in part:
            continue
        missing.discard(path)
        if stat.S_ISLNK(entry.mode):
            yield entry, partial(str, writer.objects.write_symlink(entry.linkto))
        elif stat.S_ISREG(entry.mode):
            if chunks is None and entry.hardlink >= 0 and entry.size:
                waiting.setdefault(entry.hardlink, []).append(entry)
                continue
            write = partial(_write_content, writer.objects, header, entry, algorithm)
            later = writer.write(write, chunks or iter(()), entry.size)
            yield entry, later
            yield from ((same, later) for same in waiting.pop(entry.hardlink, ()))
        elif not stat.S_ISDIR(entry.mode):
            raise PackageError(
                f"{header.nevra} has the special file {path} "
                f"({stat.filemode(entry.mode)}), which an image cannot hold",
                hint="device nodes and FIFOs belong into tmpfiles.d; tell whoever made the package",
            )
    if missing or waiting:
        names = sorted(missing | {e.path for es in waiting.values() for e in es})
        raise PackageError(
            f"the payload of {header.nevra} lacks {names[0]} ({len(names)} in all)",
            hint="fetch the package again",
        )


def _write_content(
    writer: ObjectWriter, header: Header, entry: FileEntry, algorithm: str, chunks: Iterable[bytes]
) -> str:
    digest = hashlib.new(algorithm, usedforsecurity=False) if algorithm else None

    def hashed() -> Iterator[bytes]:
        for chunk in chunks:
            if digest:
                digest.update(chunk)
            yield chunk

    mode = entry.mode & 0o1777
    xattrs: Xattrs = ()
    if is_plain(entry):
        mode = entry.mode & 0o7777
        if entry.caps:
            xattrs = ((filecaps.XATTR.encode() + b"\0", filecaps.to_xattr(entry.caps)),)
    checksum = writer.write_file(hashed(), mode, xattrs)
    if digest and entry.digest and digest.hexdigest() != entry.digest:
        raise PackageError(
            f"{entry.path} of {header.nevra} does not have the digest its header says",
            hint="the package is damaged: fetch it again",
        )
    return checksum
