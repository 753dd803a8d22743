"""Turns .debs into RPMs: unpack, gather, write the spec, build. Chooses nothing: see `debian.py`.

Each package also gets a marker file with its version and release tag, so that two builds of the
same package differ in content and not only in their release.
"""

import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tests.support.world import facts
from tests.support.world.changelog import read_changelog
from tests.support.world.maintainer import Accounts, find_effects
from tests.support.world.model import Deb
from tests.support.world.payload import Entry, read_scripts, unpack
from tests.support.world.relations import Universe
from tests.support.world.rpmbuild import build_rpm
from tests.support.world.spec import Package, to_spec

JOBS = 2


@dataclass(frozen=True)
class Conversion:
    """What all conversions of one version of the world share."""

    debs: Path
    out: Path
    universe: Universe
    accounts: Accounts
    extra_preamble: Mapping[str, tuple[str, ...]]
    rebuilt_tag: str | None = None
    """Packages with this release tag get a changelog entry that says so."""


def convert_all(
    debs: Iterable[Deb], how: Conversion, done: Callable[[int], None] = lambda _: None
) -> dict[str, Path]:
    """RPMs by package name; `done` is told how many are ready."""
    how.out.mkdir(parents=True, exist_ok=True)
    # The largest first: a long one at the end would leave the other core idle.
    order = sorted(debs, key=lambda deb: -deb.size)
    rpms = {}
    with ThreadPoolExecutor(JOBS) as pool:
        for deb, rpm in zip(order, pool.map(lambda deb: convert(deb, how), order), strict=True):
            rpms[deb.name] = rpm
            done(len(rpms))
    return rpms


def convert(deb: Deb, how: Conversion) -> Path:
    work = Path(tempfile.mkdtemp(prefix=f"{deb.name}-", dir=how.out.parent))
    buildroot = work / "root"
    buildroot.mkdir()
    try:
        package = _gather(deb, how, buildroot)
        build_rpm(to_spec(package, how.universe, how.accounts), buildroot, how.out)
    finally:
        shutil.rmtree(work)
    evr = how.universe.built_evr(deb.name)
    arch = "noarch" if deb.is_noarch else "x86_64"
    return how.out / f"{deb.name}-{evr.version}-{evr.release}.{arch}.rpm"


def read_base_file(deb: Path, path: str) -> str:
    """The text of one file of a package."""
    data = subprocess.run(["dpkg-deb", "--fsys-tarfile", str(deb)], check=True, capture_output=True)
    tar = ["tar", "-xO", f"./{path}"]
    return subprocess.run(tar, input=data.stdout, check=True, capture_output=True).stdout.decode()


def _gather(deb: Deb, how: Conversion, buildroot: Path) -> Package:
    path = how.debs / deb.file_name
    scripts = read_scripts(path)
    entries = unpack(path, buildroot)
    effects = find_effects(deb.name, scripts, how.accounts, _declared_shells(buildroot))
    evr, tag = how.universe.built_evr(deb.name), how.universe.tags[deb.name]
    added = [_add(buildroot, f"usr/share/world/marker/{deb.name}", f"{deb.name} {evr} {tag}\n")]
    for directory, attributes in facts.DIRECTORIES.get(deb.name, {}).items():
        (buildroot / directory).mkdir(parents=True)
        added.append(Entry("dir", directory, *attributes))
    if effects.users:
        text = "".join(f"{line}\n" for line in effects.users)
        added.append(_add(buildroot, f"usr/lib/sysusers.d/{deb.name}-deb.conf", text))
    package = Package(
        deb=deb,
        entries=(*entries, *added),
        config_files=frozenset(
            line.split()[-1].lstrip("/")
            for line in scripts.get("conffiles", "").splitlines()
            if line.startswith("/")
        ),
        effects=effects,
        units=_installable_units(entries, buildroot),
        changelog=read_changelog(
            buildroot / "usr/share/doc" / deb.name, evr if tag == how.rebuilt_tag else None
        ),
        extra_preamble=how.extra_preamble.get(deb.name, ()),
    )
    for ghost in package.ghosts:
        (buildroot / ghost).touch()  # rpmbuild wants to see even what is only claimed
    return package


def _declared_shells(buildroot: Path) -> str:
    """Lines of the lists that debianutils' own trigger reads."""
    return "\n".join(
        path.read_text() for path in buildroot.glob("usr/share/debianutils/shells.d/*")
    )


def _add(buildroot: Path, path: str, text: str) -> Entry:
    target = buildroot / path
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text)
    return Entry("file", path, 0o644, "root", "root")


def _installable_units(entries: Iterable[Entry], buildroot: Path) -> tuple[str, ...]:
    kinds = {".service", ".socket", ".timer", ".path", ".target"}
    paths = (
        Path(entry.path)
        for entry in entries
        if entry.kind == "file" and entry.path.startswith("usr/lib/systemd/system/")
    )
    return tuple(
        path.name
        for path in paths
        if path.suffix in kinds
        and len(path.parts) == 5
        and "@" not in path.name
        and b"\n[Install]" in (buildroot / path).read_bytes()
    )
