"""All packages in sight, base and repositories, as hawkey has them, and the solver on top.

`load_sack(root, dbpath, repositories, ...)` -> `Sack`; its verbs take and return the values of
`model.offer`, so that hawkey's objects stay in here. `detect_arch()`, `base_arch(arch)` give
dnf's `$arch` and `$basearch`. What a request means and how a failure is told is `stages.resolve`.
"""

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import hawkey

from pkglayer.model.errors import RepositoryError, StateError
from pkglayer.model.offer import BASE, CACHE, CachedHead, Offer, Solution
from pkglayer.model.package import Nevra, Package
from pkglayer.system.rpmconfig import database_path
from pkglayer.system.rpmmd import Repository

_DATABASES = frozenset({"rpmdb.sqlite", "Packages", "Packages.db"})

Edges = dict[Offer, set[Offer]]

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


@dataclass
class Sack:
    """The loaded packages.

    `heads` maps the location of a cached head to what it is; `disabled` repositories are looked
    into only to tell where a missing package would be.
    """

    hawkey_sack: Any
    repositories: tuple[Repository, ...] = ()
    heads: Mapping[str, CachedHead] = field(default_factory=dict)
    disabled: tuple[Repository, ...] = ()
    cachedir: Path = Path()
    root: Path = Path()
    arch: str = ""

    def __post_init__(self) -> None:
        self.objects: dict[Offer, Any] = {}
        self._order = {r.id: n for n, r in enumerate(self.repositories)}
        self._configured = self._configured_excludes()
        self._hidden: set[Offer] = set()

    # Queries

    def query(self, *, everything: bool = False) -> Any:
        """A hawkey query over what is in sight, or over `everything` (for `sackinfo`)."""
        flags = hawkey.IGNORE_EXCLUDES if everything else hawkey.APPLY_EXCLUDES
        return hawkey.Query(self.hawkey_sack, flags=flags)

    def offers(self, objects: Iterable[Any]) -> list[Offer]:
        """hawkey's packages as values; `objects` leads back."""
        return sorted(self.offer(o) for o in objects)

    def offer(self, obj: Any) -> Offer:
        nevra = Nevra(obj.name, obj.epoch, obj.version, obj.release, obj.arch)
        repo = CACHE if obj.reponame == hawkey.CMDLINE_REPO_NAME else obj.reponame
        offer = Offer(nevra, repo, "" if repo == BASE else obj.location)
        self.objects.setdefault(offer, obj)
        return offer

    def base(self) -> list[Offer]:
        """The base's packages."""
        return self.offers(self.query(everything=True).installed())

    def find(self, spec: str, *, everything: bool = False) -> list[Offer]:
        """What a SPEC (name, NEVRA form, glob, capability, path, comparison) means.

        `everything` includes what is excluded or hidden. Base packages are among the results.
        """
        try:
            best = hawkey.Subject(spec).get_best_solution(
                self.hawkey_sack, with_src=False, query=self.query(everything=everything)
            )
        except hawkey.Exception:
            return []
        return self.offers(best["query"])

    def providers(self, capability: str, *, everything: bool = False) -> list[Offer]:
        """Everything that satisfies one requirement, as headers write it."""
        query = self.query(everything=everything)
        try:
            found = list(query.filter(provides=hawkey.Reldep(self.hawkey_sack, capability)))
        except hawkey.Exception:
            found = []
        if not found and capability.startswith("/"):
            found = list(query.filter(file=capability))
        return self.offers(found)

    def requires(self, offer: Offer) -> list[str]:
        """Hard requirements, `rpmlib()` features left out."""
        found = {str(r) for r in self.objects[offer].requires}
        return sorted(r for r in found if not r.startswith("rpmlib("))

    def edges(self, offers: Iterable[Offer]) -> tuple[Edges, Edges]:
        """Who needs whom among `offers`: hard requirements, and weak ones of either direction."""
        offers = list(offers)
        objects = {o: self.objects[o] for o in offers}
        among = self.query(everything=True).filter(pkg=list(objects.values()))
        found: dict[str, set[Offer]] = {}

        def resolve(dependency: Any) -> set[Offer]:
            text = str(dependency)
            if text not in found:
                hits = among.filter(provides=dependency)
                if text.startswith("/") and not hits:
                    hits = among.filter(file=text)
                found[text] = set(self.offers(hits))
            return found[text]

        hard = {o: {n for r in p.requires for n in resolve(r)} - {o} for o, p in objects.items()}
        weak = {o: {n for r in p.recommends for n in resolve(r)} - {o} for o, p in objects.items()}
        for offer, obj in objects.items():
            for supplement in obj.supplements:
                for other in resolve(supplement) - {offer}:
                    weak[other].add(offer)
        return hard, weak

    def clashes(self, offer: Offer) -> list[Offer]:
        """Base packages that this offer cannot stand beside: Conflicts of either side."""
        base = self.query(everything=True).installed()
        found = set(self.offers(base.filter(conflicts=[self.objects[offer]])))
        for conflict in self.objects[offer].conflicts:
            found.update(self.offers(base.filter(provides=conflict)))
        return sorted(found)

    def newest(self, offers: Sequence[Offer]) -> Offer:
        """The one of highest version (of several names: of the first name)."""
        objects = [self.objects[o] for o in offers]
        return self.offers(self.query(everything=True).filter(pkg=objects).latest())[0]

    def names(self) -> set[str]:
        """All package names in sight."""
        return {o.name for o in self.query(everything=True)}

    def named(self, name: str) -> list[Offer]:
        """Every version of one name, excluded ones too."""
        return self.offers(self.query(everything=True).filter(name=name))

    def same(self, nevra: Nevra) -> list[Offer]:
        """All offers (not the base's) of exactly this NEVRA, best repository first."""
        found = self.query(everything=True).filter(
            name=nevra.name, epoch=nevra.epoch, version=nevra.version, release=nevra.release,
            arch=nevra.arch,
        )  # fmt: skip
        return sorted((o for o in self.offers(found) if not o.installed), key=self.rank)

    def rank(self, offer: Offer) -> tuple[int, Offer]:
        """Order among equals: repositories by priority, cost and id; then what is cached."""
        return self._order.get(offer.repo, len(self._order)), offer

    # Excludes

    def _configured_excludes(self) -> set[Offer]:
        """What `excludepkgs` and `includepkgs` of the configuration keep out."""
        out: set[Offer] = set()
        for repository in self.repositories:
            mine = self.query(everything=True).filter(reponame=repository.id)
            for pattern in repository.excludepkgs:
                out.update(self.offers(self._by_nevra(pattern, mine)))
            if repository.includepkgs:
                kept: set[Offer] = set()
                for pattern in repository.includepkgs:
                    kept.update(self.offers(self._by_nevra(pattern, mine)))
                out.update(set(self.offers(mine)) - kept)
        return out

    def _by_nevra(self, pattern: str, query: Any) -> Any:
        subject = hawkey.Subject(pattern)
        return subject.get_best_query(
            self.hawkey_sack, with_provides=False, with_filenames=False, query=query
        )

    def is_excluded(self, offer: Offer) -> bool:
        """Whether the repository configuration keeps it out."""
        return offer in self._configured

    def hide(self, offers: Iterable[Offer]) -> None:
        """Take exactly these (and what configuration excludes) out of sight."""
        self._hidden = set(offers)
        objects = [self.objects[o] for o in sorted(self._hidden | self._configured)]
        self.hawkey_sack.set_excludes(self.query(everything=True).filter(pkg=objects))

    def obsoleting_base(self) -> list[Offer]:
        """Offers that would replace a base package by Obsoletes."""
        everything = self.query(everything=True)
        found = everything.available().filter(obsoletes=everything.installed())
        return self.offers(found)

    def obsoleted(self, offer: Offer) -> list[Offer]:
        """What the offer's Obsoletes mean, base packages among it."""
        everything = self.query(everything=True)
        found = [p for o in self.objects[offer].obsoletes for p in everything.filter(provides=o)]
        return self.offers(found)

    def available(self, names: Sequence[str]) -> list[Offer]:
        """Offers of these names, excluded ones too, the base's own not."""
        return self.offers(self.query(everything=True).available().filter(name=list(names)))

    # Solving

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
        `not_weak`.
        """
        goal = hawkey.Goal(self.hawkey_sack)
        for pick, only_if_fitting in [*((p, False) for p in picks), *((p, True) for p in optional)]:
            selector = hawkey.Selector(self.hawkey_sack)
            selector.set(pkg=[self.objects[o] for o in pick])
            goal.install(select=selector, optional=only_if_fitting)
        if barred := [self.objects[o] for o in not_weak]:
            goal.add_exclude_from_weak(self.query().filter(pkg=barred))
        if not goal.run(ignore_weak_deps=not weak):
            problems = [line for rules in goal.problem_rules() for line in rules]
            return Solution(problems=tuple(dict.fromkeys(problems)) or ("no reason given",))
        moved = [
            *goal.list_erasures(), *goal.list_upgrades(), *goal.list_downgrades(),
            *goal.list_obsoleted(), *goal.list_reinstalls(),
        ]  # fmt: skip
        return Solution(
            offers=tuple(self.offers(goal.list_installs())),
            changed=tuple(sorted({str(o) for o in moved})),
        )

    # Values

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
    cachedir: Path,
    filelists: bool = False,
    arch: str = "",
) -> Sack:
    """Load the base's rpmdb, what the repositories offer and what is imported already.

    `root` is a directory that has the base's database at `dbpath`; `cachedir` keeps parsed
    metadata between runs. Raises StateError for an unreadable database, RepositoryError for
    metadata that cannot be parsed, naming it.
    """
    sack = new_sack(cachedir, root, arch)
    _load_base(sack, root, dbpath)
    usable = [r for r in repositories if r.available and r.enabled]
    for repository in usable:
        try:
            sack.load_repo(repository.link, build_cache=True, load_filelists=filelists)
        except (hawkey.Exception, OSError) as e:
            raise RepositoryError(
                f"the metadata of repository {repository.id} cannot be read: {e}",
                hint=f"leave it out with --disablerepo={repository.id}, or try again later",
            ) from e
    heads = {}
    for head in sorted(cached, key=lambda h: str(h.path)):
        with contextlib.suppress(OSError):
            heads[sack.add_cmdline_package(str(head.path)).location] = head
    return Sack(
        sack,
        tuple(r for r in repositories if r.enabled),
        heads,
        disabled=tuple(r for r in repositories if not r.enabled),
        cachedir=cachedir,
        root=root,
        arch=arch,
    )


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
    with database_path(dbpath):
        try:
            sack.load_system_repo(build_cache=False)
        except (hawkey.Exception, OSError) as e:
            raise StateError(f"the base's package database cannot be read: {e}") from e
    if not len(sack):
        raise StateError(
            f"the base's package database ({files[0].name}) is empty or cannot be read",
            hint="check it with: rpm --dbpath DIR -qa",
        )
