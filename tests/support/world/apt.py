"""The distribution's own solver and downloader, asked in this process.

The solver starts from an empty system, so that a plan does not depend on what the machine has
installed. `apt_pkg` keeps its configuration in globals: open one `Apt` at a time.
"""

import hashlib
import subprocess
from collections.abc import Iterable
from pathlib import Path

import apt_pkg  # type: ignore[import-not-found,import-untyped,unused-ignore]  # Debian only

from tests.support.world.model import Deb, Plan, Profile, WorldError

# Packages of third-party sources that the machine may have must not get into the world.
_PREFERENCES = "Package: *\nPin: release o=Debian\nPin-Priority: 990\n"


class Apt:
    """apt over an empty system whose state lives in `directory`."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "status").write_text("")
        (directory / "preferences").write_text(_PREFERENCES)
        apt_pkg.init_config()
        for key, value in {
            "Dir::State::status": str(directory / "status"),
            "Dir::Etc::preferences": str(directory / "preferences"),
            "Dir::Etc::preferencesparts": "/dev/null",
            "Dir::Cache::pkgcache": "",
            "Dir::Cache::srcpkgcache": "",
            "APT::Install-Recommends": "false",
            "APT::Architecture": "amd64",
            # Downloads go where only root may write.
            "APT::Sandbox::User": "root",
        }.items():
            apt_pkg.config.set(key, value)
        apt_pkg.init_system()
        self._open()

    def _open(self) -> None:
        self._cache = apt_pkg.Cache(None)
        self._solver = apt_pkg.DepCache(self._cache)
        self._records = apt_pkg.PackageRecords(self._cache)
        self._sources = apt_pkg.SourceList()
        self._sources.read_main_list()

    def refresh(self) -> None:
        """Fetch the package lists anew."""
        subprocess.run(["apt-get", "-qq", "update"], check=True)
        self._open()

    @property
    def has_lists(self) -> bool:
        return "bash" in self._cache and bool(self._cache["bash"].has_versions)

    def plan(self, profile: Profile) -> Plan:
        if not self.has_lists:
            self.refresh()
        base = self._closure(profile.base)
        # Each on its own: a layer must be complete without the other layers.
        layers = {seed: self._closure((*profile.base, seed)) - base for seed in profile.layers}
        return Plan(
            base=tuple(sorted(base)),
            layers={seed: tuple(sorted(names)) for seed, names in layers.items()},
            debs=self._debs(base.union(*layers.values())),
        )

    def _closure(self, names: Iterable[str]) -> frozenset[str]:
        self._solver.init()
        names = list(names)
        for name in names:
            if name not in self._cache or not self._cache[name].has_versions:
                raise WorldError(f"the distribution has no package {name}")
            self._solver.mark_install(self._cache[name], True)
        if self._solver.broken_count:
            self._repair(names)
        return frozenset(
            package.name for package in self._cache.packages if self._solver.marked_install(package)
        )

    def _repair(self, names: Iterable[str]) -> None:
        resolver = apt_pkg.ProblemResolver(self._solver)
        for name in names:
            resolver.protect(self._cache[name])
        resolver.resolve(True)
        if self._solver.broken_count:
            raise WorldError(f"apt cannot install together: {' '.join(names)}")

    def _debs(self, names: Iterable[str]) -> dict[str, Deb]:
        found = (self._solver.get_candidate_ver(self._cache[name]) for name in names)
        candidates = [version for version in found if version]
        # In the order of the lists: these are compressed, and going back means starting over.
        candidates.sort(key=lambda version: (version.file_list[0][0].id, version.file_list[0][1]))
        return {version.parent_pkg.name: self._deb(version) for version in candidates}

    def _deb(self, version: "apt_pkg.Version") -> Deb:
        index_file, position = version.file_list[0]
        self._records.lookup((index_file, position))
        section = apt_pkg.TagSection(self._records.record)
        return Deb(
            name=version.parent_pkg.name,
            version=version.ver_str,
            size=version.size,
            sha256=section["SHA256"],
            uri=self._sources.find_index(index_file).archive_uri(self._records.filename),
            control={key: section[key] for key in section.keys()},  # noqa: SIM118 not a dict
        )


def download(debs: Iterable[Deb], directory: Path) -> None:
    """Bring the packages to `directory`; what is there already with the right digest stays."""
    directory.mkdir(parents=True, exist_ok=True)
    missing = [deb for deb in debs if not _is_there(deb, directory / deb.file_name)]
    queue = apt_pkg.Acquire()
    items = [_item(queue, deb, directory) for deb in missing]
    queue.run()
    del items
    for deb in missing:
        if not _is_there(deb, directory / deb.file_name):
            raise WorldError(f"{deb.file_name} could not be downloaded with the right digest")


def _item(queue: "apt_pkg.Acquire", deb: Deb, directory: Path) -> "apt_pkg.AcquireFile":
    return apt_pkg.AcquireFile(
        queue,
        deb.uri,
        hash=f"SHA256:{deb.sha256}",
        size=deb.size,
        descr=deb.name,
        short_descr=deb.name,
        destfile=str(directory / deb.file_name),
    )


def _is_there(deb: Deb, path: Path) -> bool:
    if not path.is_file() or path.stat().st_size != deb.size:
        return False
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() == deb.sha256
