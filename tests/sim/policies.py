"""A machine that follows the year's bases unattended, under one policy, with the real solver.

`follow(days, work)` runs all policies side by side, each day on one loaded sack; `Tally` counts.
"""

import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from pkglayer.engine.policy import plan_by_policy
from pkglayer.model.errors import PkglayerError
from pkglayer.model.explain import Blocked
from pkglayer.model.package import Package
from pkglayer.model.plan import Base, Plan
from pkglayer.model.policy import Rules, key_of
from pkglayer.model.request import FAIL, HOLD, SKIP, Request, Want
from pkglayer.model.settings import Settings
from pkglayer.stages.resolve import resolve
from pkglayer.system.rpmlib import header_checksum
from pkglayer.system.sack import Sack, load_sack
from tests.sim.textrepo import DBPATH, Pkg, cached_head, head_of, make_root, write_repo
from tests.sim.year import REQUESTS, Day

PEERS = "peers: any conflict stops"
REQUEST = Request("sim/base").with_wants(Want(f"app{n}") for n in range(REQUESTS))


@dataclass
class Tally:
    """One machine. `ages` has the age of its base in days, each day; `layer` what it has layered,
    `skipped` what it does without; `late` counts requests that were left out though they fitted."""

    policy: str
    base_day: int = -1
    layer: tuple[Package, ...] = ()
    skipped: frozenset[tuple[str, str]] = frozenset()
    ages: list[int] = field(default_factory=list)
    missing: list[int] = field(default_factory=list)
    blocked_days: int = 0
    late: int = 0

    @property
    def rules(self) -> Rules:
        default = FAIL if self.policy == PEERS else self.policy
        return Rules(default=default, skipped=self.skipped)

    def figures(self) -> dict[str, float]:
        """What the report has of it."""
        return {
            "days": len(self.ages),
            "blocked_days": self.blocked_days,
            "mean_base_age_days": round(sum(self.ages) / len(self.ages), 3),
            "missing_request_days": sum(self.missing),
            "late_return_days": self.late,
        }


def follow(days: Iterable[Day], work: Path) -> list[Tally]:
    """All policies through the same year."""
    tallies = [Tally(name) for name in (SKIP, HOLD, FAIL, PEERS)]
    known: dict[str, Pkg] = {}
    for day in days:
        known |= {p.nevra: p for p in day.repo}
        place = work / "day"
        sack = _load(day, tallies, known, place)
        for tally in tallies:
            _live(tally, day, sack, known)
        shutil.rmtree(place)
    return tallies


def _load(day: Day, tallies: Iterable[Tally], known: Mapping[str, Pkg], place: Path) -> Sack:
    root = make_root(place / "root", day.base)
    packages = {p.nevra: p for t in tallies for p in t.layer}
    (place / "heads").mkdir()
    heads = [cached_head(place / "heads", p, known[str(n)]) for n, p in packages.items()]
    repository = write_repo(place / "repo", "r", day.repo)
    cachedir = place / "cache"
    cachedir.mkdir(mode=0o700)
    return load_sack(root, DBPATH, [repository], cached=heads, cachedir=cachedir)


def _live(tally: Tally, day: Day, sack: Sack, known: Mapping[str, Pkg]) -> None:
    base = Base("sim/base", f"{day.number:064x}")
    # The peers solve anew from the repositories alone.
    keep = () if tally.policy == PEERS else tally.layer

    def attempt(left_out: Mapping[Want, str]) -> Plan:
        return resolve(
            sack, base, REQUEST, settings=Settings(), keep=keep, upgrade=True,
            leave_out=left_out, rank=tally.rules.rank,
        )  # fmt: skip

    try:
        plan = plan_by_policy(attempt, tally.rules, base)
    except PkglayerError:
        tally.blocked_days += 1
    else:
        tally.base_day = day.number
        tally.late += sum(_fits_after_all(attempt, plan, s.want) for s in plan.skipped)
        tally.layer = tuple(
            replace(p, header_checksum=header_checksum(head_of(known[str(p.nevra)])))
            for p in plan.packages
        )
        tally.skipped = frozenset(key_of(s.want) for s in plan.skipped)
    tally.ages.append(day.number - tally.base_day)
    tally.missing.append(len(tally.skipped))


def _fits_after_all(attempt: object, plan: Plan, want: Want) -> bool:
    """Whether a skipped request could have been had beside all the others."""
    assert callable(attempt)
    try:
        attempt({s.want: s.why for s in plan.skipped if s.want != want})
    except Blocked:
        return False
    return True
