"""What the benchmark works on: bases of three sizes, package repositories, and a large index.

Everything is made once into a directory that outlives the run (`PKGLAYER_BENCH_CACHE`, by default
below /var/cache); a directory is complete when it has its final name. Nothing is measured here.
"""

import os
import random
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.bench.index import write_index
from tests.bench.measure import run
from tests.support.ostree import Base, commit_base_update, make_base
from tests.support.repos import make_repo
from tests.support.rpms import BUILD_TIME, build_rpm
from tests.support.testos import testos_packages
from tests.support.trees import File, Node

FORMAT = 2
"""Part of the directory's name: another number makes everything anew."""
FILES_A_PACKAGE = 60
CHANGED_IN_BASE = 10
MANY, MANY_FILES, CHANGED_IN_LAYER = 50, 40, 10
BIG_FILES, BIG_BYTES = 5_000, 400_000_000
INDEXED = 70_000
HUGE_FILES, HUGE_BYTES = 8, 256_000_000
DISK_BYTES = 24_000_000_000
"""What the file system can take; it takes no more from the disk than what lies on it."""


@dataclass(frozen=True)
class BaseFixture:
    """A base repository with the commits `v1` and `v2` of one ref; `packages` are in its rpmdb."""

    files: int
    repo: Path
    ref: str
    v1: str
    v2: str
    packages: int


@dataclass(frozen=True)
class Fixtures:
    """`repos` has the directories `small`, `many`, `many-v2`, `big`, `index`, and `shell` for
    tools that start from nothing."""

    cache: Path
    repos: Path

    def base(self, files: int, say: Callable[[str], None]) -> BaseFixture:
        """The base of so many files, made now if it is not there."""
        target = self.cache / f"base-{files}"
        if not target.is_dir():
            say(f"making a base of {files} files (once)")
            with _made(target) as work:
                _in_child(_make_base, work, files)
        v1, v2, packages = (target / "commits").read_text().split()
        return BaseFixture(files, target / "base-repo", "test/base", v1, v2, int(packages))


@contextmanager
def mounted() -> Iterator[Path]:
    """The directory of the fixtures, on an ext4 of its own for the body; both are made if missing.

    The same file system on every machine, with a journal: ext4 without one looks at each inode that
    was freed just now before it gives one out, so that every run would slow the next ones down.
    """
    cache = Path(os.environ.get("PKGLAYER_BENCH_CACHE", "/var/cache/pkglayer-bench"))
    image, new, at = cache / "disk.ext4", cache / "disk.new", cache / "disk"
    at.mkdir(parents=True, exist_ok=True)
    if not image.exists():
        with new.open("wb") as file:
            file.truncate(DISK_BYTES)
        run("mkfs.ext4", "-q", "-F", "-m0", new)
        new.rename(image)
    run("mount", "-o", "loop,discard", image, at)
    try:
        yield at / f"v{FORMAT}"
    finally:
        run("umount", at)


def load(cache: Path, say: Callable[[str], None]) -> Fixtures:
    """The fixtures in a directory; repositories are made now where they are not there."""
    repos = cache / "repos"
    if not repos.is_dir():
        say("making package repositories (once)")
        with _made(repos) as work:
            _in_child(_make_repos, work)
    return Fixtures(cache, repos)


def _in_child(make: Callable[..., None], *args: object) -> None:
    """Make fixtures in a process of their own: the kernel tells the memory of whoever starts a
    command as that command's own, if it has more."""
    with ProcessPoolExecutor(1) as child:
        child.submit(make, *args).result()


@contextmanager
def _made(target: Path) -> Iterator[Path]:
    target.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        yield work
        work.rename(target)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _make_base(work: Path, files: int) -> None:
    rpms = _build_owners(work / "rpms", files, "1", range(max(1, files // FILES_A_PACKAGE)))
    base = make_base(work, packages=rpms, mode="bare")
    changed = _build_owners(work / "rpms2", files, "2", range(CHANGED_IN_BASE))
    second: Base = commit_base_update(base, "2", packages=changed)
    (work / "commits").write_text(f"{base.commit} {second.commit} {len(rpms)}\n")
    for name in ("rpms", "rpms2", "base-root", "base-rpms"):
        shutil.rmtree(work / name)


def _build_owners(out: Path, files: int, version: str, numbers: Sequence[int]) -> list[Path]:
    """The packages that own the base's files, out of one spec file: one rpmbuild for all."""
    each = -(-files // max(1, files // FILES_A_PACKAGE))
    source = out / "source"
    for number in numbers:
        _write_files(source / f"usr/share/owner{number:04d}", each, f"{version}-{number}")
    spec = out / "base.spec"
    spec.write_text(_owners_spec(version, numbers, source))
    _rpmbuild(spec, out)
    shutil.rmtree(source)
    return sorted((out / "top/RPMS").rglob("owner*.rpm"))


def _write_files(top: Path, count: int, seed: str) -> None:
    """Files of 200 bytes to 50 kB, most of them small, about twelve in a directory."""
    numbers = random.Random(seed)
    for number in range(count):
        where = top / f"d{number // 12}"
        where.mkdir(parents=True, exist_ok=True)
        size = 200 + numbers.randrange(100) ** 3 // 20
        (where / f"f{number}").write_bytes(numbers.randbytes(size))


def _owners_spec(version: str, numbers: Sequence[int], source: Path) -> str:
    head = ["Name: owners", f"Version: {version}", "Release: 1", "BuildArch: noarch"]
    head += ["Summary: Owners of a base's files", "License: LGPL-2.1-or-later", "AutoReqProv: no"]
    parts = []
    for number in numbers:
        name = f"owner{number:04d}"
        parts += [f"%package -n {name}", "Summary: Owner", "AutoReqProv: no"]
        parts += [f"%description -n {name}", "Made for a measurement.", f"%files -n {name}"]
        parts += [f"/usr/share/{name}"]
    install = f"mkdir -p %{{buildroot}} && cp -al {source}/. %{{buildroot}}/"
    return "\n".join([*head, "%description", "None.", "%install", install, *parts, ""])


def build_huge(out: Path) -> Path:
    """An RPM of 2 GB, in eight files that no compressor makes smaller; not kept between runs."""
    where = out / "source/usr/share/owner0000"
    where.mkdir(parents=True)
    numbers = random.Random("huge")
    for number in range(HUGE_FILES):
        with (where / f"f{number}").open("wb") as file:
            for _ in range(HUGE_BYTES // 1_000_000):
                file.write(numbers.randbytes(1_000_000))
    spec = out / "huge.spec"
    spec.write_text(_owners_spec("1", [0], out / "source"))
    _rpmbuild(spec, out, payload="w1.zstdio")
    shutil.rmtree(out / "source")
    [found] = (out / "top/RPMS").rglob("owner0000*.rpm")
    return found


def _rpmbuild(spec: Path, out: Path, payload: str = "w0.gzdio") -> None:
    macros = {
        "_topdir": str(out / "top"),
        "_binary_payload": payload,
        "_build_id_links": "none",
        "__spec_install_pre": "%{nil}",
        "__spec_install_post": "%{nil}",
        "_buildhost": "localhost",
        "use_source_date_epoch_as_buildtime": "1",
        "clamp_mtime_to_source_date_epoch": "1",
        "build_mtime_policy": "clamp_to_source_date_epoch",
    }
    defines = [f"--define={name} {value}" for name, value in macros.items()]
    subprocess.run(
        ["rpmbuild", "-bb", "--quiet", *defines, str(spec)],
        env={"PATH": os.environ["PATH"], "HOME": str(out), "SOURCE_DATE_EPOCH": str(BUILD_TIME)},
        check=True,
        capture_output=True,
    )


def _make_repos(work: Path) -> None:
    rpms = work / "rpms"
    small = build_rpm(rpms, "small", files=_layer_files("small", 5, 10_000))
    many = [_build_many(rpms, number, "1") for number in range(MANY)]
    newer = [_build_many(rpms, number, "2") for number in range(CHANGED_IN_LAYER)]
    size = BIG_BYTES // BIG_FILES
    big = build_rpm(rpms, "big", files=_layer_files("big", BIG_FILES, size, text=True))
    make_repo(work / "small", [small])
    make_repo(work / "many", many)
    make_repo(work / "many-v2", [*many, *newer])
    make_repo(work / "big", [big])
    make_repo(work / "shell", testos_packages(rpms / "testos", "1")[:1])
    write_index(work / "index", INDEXED)
    shutil.rmtree(rpms)


def _build_many(rpms: Path, number: int, version: str) -> Path:
    """One of the fifty; every fifth has a scriptlet."""
    name = f"many{number:02d}"
    scripts = {} if number % 5 else {"post": "test -d /usr/share"}
    files = _layer_files(name, MANY_FILES, 8_000, seed=version)
    return build_rpm(rpms, name, version=version, files=files, scripts=scripts)


def _layer_files(
    name: str, count: int, size: int, *, text: bool = False, seed: str = ""
) -> dict[str, Node]:
    """Files of one size; `text` is hexadecimal, which a compressor brings to about one half.

    Their names are their own: librpm reads the header of every package that has a file of the same
    name, and all packages of a base have files of the same names here.
    """
    numbers = random.Random(name + seed)

    def content() -> str | bytes:
        return numbers.randbytes(size // 2).hex() if text else numbers.randbytes(size)

    return {
        f"usr/share/{name}/d{number // 40}/{name}-{number}": File(content())
        for number in range(count)
    }
