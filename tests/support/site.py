"""A base's package database and configured repositories in a directory, without any OSTree.

For tests of everything from request to fetched packages. `Site` holds the places; its methods go
the same way as the engine does.
"""

import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from pkglayer.log import Quiet
from pkglayer.model.offer import CachedHead
from pkglayer.model.package import Package
from pkglayer.model.plan import Base, Plan
from pkglayer.model.request import Request, Want, parse_spec
from pkglayer.model.settings import Settings
from pkglayer.stages.fetch import FetchedRpm, fetch
from pkglayer.stages.resolve import Sight, needs_filelists, resolve
from pkglayer.system import rpmlib
from pkglayer.system.config import find_repo_files
from pkglayer.system.keyring import load_keyring
from pkglayer.system.rpmmd import (
    Repository,
    Sources,
    load_disabled,
    load_repositories,
    read_repositories,
)
from pkglayer.system.sack import Sack, load_sack
from tests.support.repos import make_repo, repo_file

DBPATH = "usr/lib/sysimage/rpm"
BASE = Base("test/base", "0" * 64)


@dataclass
class Site:
    """`root` is the deployment: `etc`, and the base's database below `usr`."""

    root: Path
    cachedir: Path
    cached: list[CachedHead] = field(default_factory=list)

    def add_repo(self, name: str, rpms: Iterable[Path], **options: str | int) -> Path:
        """Make a repository of these packages and configure it; returns its directory."""
        directory = make_repo(self.root.parent / f"repo-{name}", rpms)
        self.configure(name, repo_file(name, directory, **options))
        return directory

    def configure(self, name: str, text: str) -> Path:
        """Write `etc/yum.repos.d/NAME.repo`."""
        path = self.root / f"etc/yum.repos.d/{name}.repo"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def read(
        self, *, enable: Sequence[str] = (), disable: Sequence[str] = (), releasever: str = "1"
    ) -> list[Repository]:
        """All configured repositories."""
        sources = Sources(
            self.root,
            self.cachedir / "metadata",
            main=self.root / "etc/dnf/dnf.conf",
            variables={"releasever": releasever, "basearch": "x86_64"},
            enable=tuple(enable),
            disable=tuple(disable),
        )
        return read_repositories(find_repo_files(self.root / "etc", self.root / "usr"), sources)

    def load(
        self, *, offline: bool = False, refresh: bool = True, disable: Sequence[str] = ()
    ) -> list[Repository]:
        """The enabled repositories with their metadata; without `refresh` a second counts."""
        return load_repositories(self.read(disable=disable), offline=offline, refresh=refresh)

    def sack(
        self, repositories: Sequence[Repository] | None = None, *, filelists: bool = False
    ) -> Sack:
        """Base, repositories (those that `load` gives) and what is `cached`."""
        return load_sack(
            self.root,
            DBPATH,
            self.load() if repositories is None else repositories,
            cached=self.cached,
            disabled=load_disabled(self.read()),
            cachedir=self.cachedir / "solv",
            filelists=filelists,
        )

    def resolve(
        self,
        *specs: str | Want,
        keep: Sequence[Package] = (),
        upgrade: bool = False,
        repositories: Sequence[Repository] | None = None,
        settings: Settings | None = None,
    ) -> Plan:
        """Resolve a request for these specs."""
        wants = [parse_spec(s) if isinstance(s, str) else s for s in specs]
        request = Request(BASE.refspec).with_wants(wants)
        sight = Sight(lambda lists: self.sack(repositories, filelists=lists),
                      needs_filelists(request))  # fmt: skip
        settings = settings or Settings()
        return sight.answer(
            lambda sack: resolve(sack, BASE, request, settings=settings, keep=keep, upgrade=upgrade)
        )

    def fetch(
        self, packages: Sequence[Package], repositories: Sequence[Repository] | None = None
    ) -> list[FetchedRpm]:
        """Fetch packages with the deployment's keys."""
        repositories = self.load() if repositories is None else repositories
        keyring = load_keyring(self.root, [k for r in repositories for k in r.gpgkeys])
        cache = self.cachedir / "packages"
        return fetch(packages, repositories, cache=cache, keyring=keyring, progress=Quiet())

    def import_head(self, rpm: Path, package: Package) -> Package:
        """Make a package usable without its repository, as an import does; returns it as kept."""
        with rpm.open("rb") as file:
            head = rpmlib.read_head(file)
        checksum = rpmlib.header_checksum(head)
        path = self.cachedir / "heads" / f"{checksum}.rpm"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(head)
        known = replace(package, header_checksum=checksum)
        self.cached.append(CachedHead(path, checksum, known))
        return known

    def install(self, *rpms: Path) -> None:
        """Put packages into the base's database."""
        subprocess.run(
            ["rpm", f"--root={self.root}", f"--dbpath=/{DBPATH}", "--install", "--justdb",
             "--nodeps", "--noscripts", "--notriggers", "--ignorearch", *map(str, rpms)],
            check=True,
            capture_output=True,
        )  # fmt: skip


def make_site(tmp: Path, base: Iterable[Path] = ()) -> Site:
    """Make a site whose base has these packages; it must have one at least to be a base."""
    site = Site(tmp / "root", tmp / "cache")
    for directory in (site.root / DBPATH, site.root / "etc"):
        directory.mkdir(parents=True)
    site.cachedir.mkdir(mode=0o700)
    site.install(*base)
    return site


def names(plan: Plan) -> list[str]:
    """`name-version` of every package of a plan, in order."""
    return [f"{p.nevra.name}-{p.nevra.version}" for p in plan.packages]
