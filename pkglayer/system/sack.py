"""All packages in sight, base and repositories, as hawkey has them, and the solver on top.

`load_sack(root, dbpath, repositories, ...)` -> `Sack`; its verbs (more in `sackview`) take and
return the values of `model.offer`, so that hawkey's objects stay behind this border.
`detect_arch()`, `base_arch(arch)` give dnf's `$arch` and `$basearch`. What a request means and how
a failure is told is for `stages.resolve`.
"""

import contextlib
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import hawkey

from pkglayer.model.errors import RepositoryError, StateError
from pkglayer.model.offer import CACHE, CachedHead, Offer, Solution
from pkglayer.model.package import Package
from pkglayer.system.privatedir import open_private
from pkglayer.system.rpmconfig import database_path
from pkglayer.system.rpmmd import Repository
from pkglayer.system.rpmquery import complaints
from pkglayer.system.sackcache import is_parsed, parse_apart
from pkglayer.system.sackview import View

_DATABASES = frozenset({"rpmdb.sqlite", "Packages", "Packages.db"})

_BASE_ARCHES = {
    "aarch64": ("aarch64",),
    "armhfp": ("armv7hl", "armv7hnl", "armv8hl"),
    "i386": ("i386", "i486", "i586", "i686", "athlon", "geode"),
    "loongarch64": ("loongarch64",),
    "ppc64le": ("ppc64le",),
    "riscv64": ("riscv64",),
    "s390x": ("s390x",),
    "x86_64": ("x86_64", "x86_64_v2", "x86_64_v3", "x86_64_v4", "amd64", "ia32e"),
}


def detect_arch() -> str:
    """rpm's name of this machine's architecture, dnf's `$arch`."""
    return str(hawkey.detect_arch())


def base_arch(arch: str) -> str:
    """dnf's `$basearch`: the repository directory that serves `arch`."""
    return next((base for base, arches in _BASE_ARCHES.items() if arch in arches), arch)


class Sack(View):
    """The loaded packages, and the solver."""

    def solve(
        self,
        picks: Sequence[Sequence[Offer]],
        *,
        optional: Sequence[Sequence[Offer]] = (),
        weak: bool = False,
        not_weak: Iterable[Offer] = (),
    ) -> Solution:
        """Find packages such that one offer of every pick is there.

        Of `optional` picks only those that fit; `weak` pulls weak dependencies in, except those of
        `not_weak`. That another package of the base needs one that is `erased` is a problem.
        """
        goal = self._goal(self.erased, picks, optional)
        if barred := [self.objects[o] for o in not_weak]:
            goal.add_exclude_from_weak(self.query().filter(pkg=barred))
        if not goal.run(ignore_weak_deps=not weak):
            problems = [line for rules in goal.problem_rules() for line in rules]
            return Solution(problems=tuple(dict.fromkeys(problems)) or ("no reason given",))
        moved = [*goal.list_upgrades(), *goal.list_downgrades(), *goal.list_reinstalls()]
        come = [*goal.list_installs(), *moved]
        pairs = [
            (self.offer(old), self.offer(new))
            for new in come
            for old in goal.obsoleted_by_package(new)
        ]
        return Solution(
            offers=tuple(self.offers(come)),
            replaced=tuple(sorted(pairs)),
            removed=tuple(self.offers(goal.list_erasures())),
        )

    def dependents(self, gone: Sequence[Offer], picks: Sequence[Sequence[Offer]]) -> list[Offer]:
        """Packages of the base that would have to go with `gone`, once `picks` are there."""
        goal = self._goal(gone, picks, ())
        if not goal.run(allow_uninstall=True, ignore_weak_deps=True):
            return []
        return [o for o in self.offers(goal.list_erasures()) if o not in gone]

    def _goal(
        self,
        erase: Iterable[Offer],
        picks: Sequence[Sequence[Offer]],
        optional: Sequence[Sequence[Offer]],
    ) -> Any:
        goal = hawkey.Goal(self.hawkey_sack)
        for offer in erase:
            goal.erase(self.objects[offer])
        for pick, only_if_fitting in [*((p, False) for p in picks), *((p, True) for p in optional)]:
            selector = hawkey.Selector(self.hawkey_sack)
            selector.set(pkg=[self.objects[o] for o in pick])
            goal.install(select=selector, optional=only_if_fitting)
        return goal

    def package(self, offer: Offer) -> Package:
        """The offer as a plan has it; a cached one keeps what is known from its import."""
        if offer.repo == CACHE:
            head = self.heads[offer.location]
            return head.package
        obj = self.objects[offer]
        kind, digest = obj.chksum or (0, b"")
        return Package(
            nevra=offer.nevra,
            repo=offer.repo,
            checksum=f"{hawkey.chksum_name(kind)}:{digest.hex()}" if digest else "",
            download_size=obj.downloadsize,
            install_size=obj.installsize,
            location=f"{obj.baseurl.rstrip('/')}/{obj.location}" if obj.baseurl else obj.location,
        )

    def cached(self) -> list[tuple[Offer, CachedHead]]:
        """The imported packages, each with where it came from."""
        objects = self.query(everything=True).filter(reponame=hawkey.CMDLINE_REPO_NAME)
        return [(o, self.heads[o.location]) for o in self.offers(objects)]

    def head(self, offer: Offer) -> CachedHead | None:
        return self.heads.get(offer.location) if offer.repo == CACHE else None


def load_sack(
    root: Path,
    dbpath: str,
    repositories: Sequence[Repository],
    *,
    cached: Sequence[CachedHead] = (),
    disabled: Sequence[Repository] = (),
    cachedir: Path,
    filelists: bool = False,
    arch: str = "",
) -> Sack:
    """Load the base's rpmdb, what the repositories offer and what is imported already.

    `root` is a directory that has the base's database at `dbpath`; `cachedir` keeps parsed
    metadata between runs, whatever the base; `disabled` (from `rpmmd.load_disabled`) help to tell
    where a missing package would be. A repository whose metadata is broken counts as down: see
    the result's `repositories`. Raises StateError for an unreadable database.
    """
    cachedir = open_private(cachedir)
    if filelists:
        # libsolv's cache files say which paths were looked for, not in which lists.
        cachedir = open_private(cachedir / "filelists")
    sack = new_sack(cachedir, root, arch)
    _load_base(sack, root, dbpath)
    known = [_load_repository(sack, r, cachedir, root, arch, filelists) for r in repositories]
    heads = {}
    for head in sorted(cached, key=lambda h: str(h.path)):
        with contextlib.suppress(OSError):
            heads[sack.add_cmdline_package(str(head.path)).location] = head
    return Sack(
        sack,
        tuple(known),
        heads,
        disabled=tuple(disabled),
        cachedir=cachedir,
        root=root,
        arch=arch,
        filelists=filelists,
    )


def parse_metadata(repository: Repository, cachedir: Path, root: Path, filelists: bool = False,
                   arch: str = "") -> None:  # fmt: skip
    """Make libsolv's cache files of a repository's metadata, unless they are there.

    To be called in a child process with limits; `load_sack` loads them then.
    """
    if is_parsed(repository, cachedir, filelists):
        return
    sack = new_sack(open_private(cachedir), root, arch)
    sack.load_repo(repository.link, build_cache=True, load_filelists=filelists)


def _load_repository(
    sack: Any, repository: Repository, cachedir: Path, root: Path, arch: str, filelists: bool
) -> Repository:
    """Load one repository; one whose metadata is broken counts as down, with the reason."""
    if not repository.available:
        return repository
    try:
        parse = partial(parse_metadata, repository, cachedir, root, filelists, arch)
        parse_apart(repository, cachedir, filelists, parse)
        sack.load_repo(repository.link, build_cache=True, load_filelists=filelists)
    except RepositoryError as e:
        return replace(repository, available=False, problem=e.message)
    except (hawkey.Exception, OSError) as e:
        return replace(repository, available=False, problem=f"its metadata cannot be read: {e}")
    return repository


def new_sack(cachedir: Path, root: Path, arch: str) -> Any:
    """An empty hawkey sack."""
    extra = {"arch": arch} if arch else {}
    return hawkey.Sack(
        cachedir=str(cachedir), rootdir=str(root), make_cache_dir=True, logfile="/dev/null", **extra
    )


def _load_base(sack: Any, root: Path, dbpath: str) -> None:
    where = root / dbpath.strip("/")
    files = [p for p in where.iterdir() if p.name in _DATABASES] if where.is_dir() else []
    if not files:
        raise StateError(
            f"the base has no package database at /{dbpath.strip('/')}",
            hint="pkglayer needs a base that was composed from RPMs",
        )
    name = f"the base's package database (/{dbpath.strip('/')}/{files[0].name})"
    hint = "stay on the base there is, or take another: pkglayer deploy VERSION"
    with database_path(dbpath), complaints() as said:
        try:
            sack.load_system_repo(build_cache=False)
        except (hawkey.Exception, OSError) as e:
            why = said()[0] if said() else str(e)
            raise StateError(f"{name} cannot be read: {why}", hint=hint) from e
    if not len(sack):
        raise StateError(f"{name} is empty or cannot be read", hint=hint)
