"""A case through our own resolve stage: real metadata, a real rpmdb, the real libdnf."""

import fnmatch
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from xml.sax.saxutils import quoteattr

from pkglayer.engine.policy import plan_by_policy
from pkglayer.model.errors import PkglayerError
from pkglayer.model.offer import CachedHead
from pkglayer.model.package import Package
from pkglayer.model.plan import Base, Plan
from pkglayer.model.policy import Held, Rules
from pkglayer.model.request import Request, Want
from pkglayer.model.settings import Settings
from pkglayer.stages.resolve import Sight, needs_filelists, resolve
from pkglayer.system.rpmmd import Repository
from pkglayer.system.sack import Sack, load_sack
from tests.sim.textrepo import DBPATH, Pkg, cached_head, make_root, package_id, write_repo
from tests.solver.cases import Case, Group, short

BASE = Base("test/base", "0" * 64)


@dataclass(frozen=True)
class Answer:
    """What came out; `text` is the refusal, empty where there is a layer."""

    layer: frozenset[str] = frozenset()
    text: str = ""
    skipped: Mapping[str, str] = field(default_factory=dict)
    inactive: Mapping[str, str] = field(default_factory=dict)
    steps: Mapping[str, str] = field(default_factory=dict)
    origins: Mapping[str, str] = field(default_factory=dict)


@dataclass
class World:
    """A case on disk: below `place` the base in `root`, repositories and heads."""

    case: Case
    place: Path

    def root(self, packages: tuple[Pkg, ...], name: str) -> Path:
        """A tree with these in its rpmdb, made once for all cases that have the same."""
        kept = self.place.parent / f"root-{package_id(packages)}"
        if not kept.exists():
            make_root(kept, packages)
        shutil.copytree(kept, self.place / name)
        return self.place / name

    def repositories(self) -> list[Repository]:
        found = []
        for name, repo in self.case.repos.items():
            comps = to_comps(self.case.groups) if name == "r" and self.case.groups else ""
            made = write_repo(self.place / name, name, repo.packages, comps=comps)
            made.link.priority, made.link.cost = repo.priority, repo.cost
            found.append(
                replace(
                    made,
                    priority=repo.priority,
                    cost=repo.cost,
                    excludepkgs=repo.exclude,
                    includepkgs=repo.include,
                    enabled=repo.enabled,
                    available=not repo.down,
                    problem="no route to host" if repo.down else "",
                )
            )
        return sorted(found, key=lambda r: (r.priority, r.cost, r.id))


def run_ours(world: World) -> Answer:
    """Resolve the case under its policy."""
    case, every = world.case, world.repositories()
    root = world.root(case.base, "ours")
    before = tuple(_kept(world, p) for p in case.before)
    local = [_head(world, p, "@local") for p in case.local]
    heads = [*(h for h, _ in before), *local]
    wants = [
        *case.wants,
        *(Want(str(h.package.nevra), "local", header_checksum=h.header_checksum) for h in local),
    ]
    request = Request(BASE.refspec).with_wants(wants)
    cachedir = world.place / "cache"
    cachedir.mkdir(mode=0o700)

    def load(filelists: bool) -> Sack:
        return load_sack(
            root, DBPATH, [r for r in every if r.enabled], cached=heads,
            disabled=[r for r in every if not r.enabled], cachedir=cachedir, filelists=filelists,
        )  # fmt: skip

    sight = Sight(load, needs_filelists(request))
    rules = Rules(default=case.policy)

    def attempt(left_out: Mapping[Want, str]) -> Plan:
        return sight.answer(
            lambda sack: resolve(
                sack, BASE, request, settings=Settings(**case.settings),
                keep=[p for _, p in before], upgrade=case.upgrade, leave_out=left_out,
                rank=rules.rank,
            )
        )  # fmt: skip

    try:
        return _answer(plan_by_policy(attempt, rules, BASE))
    except Held as e:
        return Answer(text=f"held: {e.message}")
    except PkglayerError as e:
        return Answer(text=e.message)


def _head(world: World, pkg: Pkg, repo: str) -> CachedHead:
    package = Package(pkg.parsed, repo, f"sha256:{package_id(pkg)}")
    return cached_head(world.place, package, pkg)


def _kept(world: World, pkg: Pkg) -> tuple[CachedHead, Package]:
    """A package of the state before: its import, and the row it has in the record."""
    homes = [n for n, r in world.case.repos.items() if pkg.name in {p.name for p in r.packages}]
    head = _head(world, pkg, homes[0] if homes else "r")
    specs = [w.spec for w in world.case.wants]
    asked = tuple(s for s in specs if fnmatch.fnmatchcase(pkg.name, s))
    groups = tuple(s for s in specs if s.startswith("@"))
    reason = "user" if asked else "group" if groups else "dependency"
    package = replace(
        head.package, header_checksum=head.header_checksum, reason=reason, requests=asked or groups
    )
    return replace(head, package=package), package


def _answer(plan: Plan) -> Answer:
    names = {str(p.nevra): short(p.nevra.name, p.nevra.evr, p.nevra.arch) for p in plan.packages}
    going = {f"-{_shortened(o.old)}" for o in plan.overrides}
    return Answer(
        frozenset(names.values()) | going,
        skipped={s.want.spec: s.why for s in plan.skipped},
        inactive={i.want.spec: _shortened(i.provider) for i in plan.inactive},
        steps={names[f.nevra]: f.how for f in plan.fallbacks},
        origins={p.nevra.name: p.repo for p in plan.packages},
    )


def _shortened(nevra: str) -> str:
    return nevra.removesuffix(".noarch").removesuffix("-1")


def to_comps(groups: Mapping[str, Group]) -> str:
    """Groups as comps.xml has them."""
    texts = []
    for name, group in groups.items():
        rows = [f'<packagereq type="mandatory">{p}</packagereq>' for p in group.mandatory]
        rows += [f'<packagereq type="default">{p}</packagereq>' for p in group.default]
        rows += [
            f'<packagereq type="conditional" requires={quoteattr(other)}>{p}</packagereq>'
            for p, other in group.conditional.items()
        ]
        texts.append(
            f"<group><id>{name}</id><name>{name}</name><description/><default>true</default>"
            f"<uservisible>true</uservisible><packagelist>{''.join(rows)}</packagelist></group>"
        )
    return f"<comps>{''.join(texts)}</comps>"
