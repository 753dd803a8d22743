"""A resolved request: what would be in the layer, why, and what would not.

A plan is a value: print it, compare it, store it, test it. Nothing in it touches the machine.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from pkglayer.model.package import Package
from pkglayer.model.request import Request, Want

LAYOUT_VERSION = 4
"""Raise it whenever the same inputs would give another tree; it is part of every digest."""


@dataclass(frozen=True)
class Base:
    """A base commit: `commit` is its checksum, `timestamp` seconds since 1970 (UTC)."""

    refspec: str
    commit: str
    version: str = ""
    timestamp: int = 0


@dataclass(frozen=True)
class Inactive:
    """A request that needs nothing now: the base has it already. `provider` is a NEVRA.

    `why` is the whole reason where "the base has it" is not all of it.
    """

    want: Want
    provider: str
    why: str = ""

    @property
    def reason(self) -> str:
        return self.why or f"the base has {self.provider}"


@dataclass(frozen=True)
class Skipped:
    """A request left out of this state, with the one sentence that says why."""

    want: Want
    why: str


@dataclass(frozen=True)
class Override:
    """A base package that is not as the base has it; `old` and `new` are NEVRAs.

    `kind` is `replace` or `remove` (asked for), or `update`: temporary, only because a layered
    package needs it, gone by itself as soon as the base is new enough. `requests` are the specs
    behind it.
    """

    kind: str
    old: str
    new: str = ""
    requests: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "requests", tuple(self.requests))


STEPS: Mapping[str, str] = {
    "older": "an older version of a repository",
    "cached": "the version that was layered already, from the import cache",
    "stale": "the same, because its repository is down",
    "base-update": "a newer package of the base, until the base has it itself",
    "local": "a file that was brought, though a repository has something newer",
}
"""What is tried, in this order, where the newest version of a package does not fit."""


@dataclass(frozen=True)
class Fallback:
    """A package that came by a later step than the newest version on offer.

    `nevra` is the one chosen; `how` is one of `STEPS`, `why` what was in the way of the step
    before; `requests` are the specs behind it; `needs` is the requirement that was not met.
    """

    nevra: str
    how: str
    why: str
    requests: tuple[str, ...] = ()
    needs: str = ""


@dataclass(frozen=True)
class Followed:
    """A local RPM (`local`, its NEVRA) in whose place a newer one (`nevra`) came, and why that is
    the same package: vendor or key."""

    local: str
    nevra: str
    why: str


@dataclass(frozen=True)
class Unseen:
    """Something about a package of the plan that cannot be told before it is downloaded."""

    nevra: str
    what: str


@dataclass(frozen=True)
class Plan:
    """The resolved request; `packages` are sorted by NEVRA.

    `fallbacks`, `followed` and `unseen` tell how the plan came about and are no part of the state:
    two machines that come to the same packages on different ways have the same state.
    """

    base: Base
    request: Request
    packages: tuple[Package, ...] = ()
    inactive: tuple[Inactive, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    overrides: tuple[Override, ...] = ()
    fallbacks: tuple[Fallback, ...] = field(default=(), compare=False)
    followed: tuple[Followed, ...] = field(default=(), compare=False)
    unseen: tuple[Unseen, ...] = field(default=(), compare=False)

    @property
    def layered(self) -> bool:
        """Whether the state differs from the bare base."""
        return bool(self.packages or self.request.wants)

    @property
    def install_size(self) -> int:
        return sum(p.install_size for p in self.packages)


def plan_digest(plan: Plan, policy: Mapping[str, Any]) -> str:
    """SHA-256 (hex) over everything that determines the layered tree.

    Every package must have its `header_checksum`; `policy` is what of the settings changes the
    tree (scriptlet rules and the like), as JSON values.
    """
    wants = [asdict(want) for want in plan.request.wants]  # all of it is in the record
    packages = [
        [str(p.nevra), p.header_checksum, p.checksum, p.repo, p.key, p.reason, list(p.requests)]
        for p in plan.packages
    ]
    inputs = {
        "layout": LAYOUT_VERSION,
        "base": [plan.base.refspec, plan.base.commit],
        "wants": wants,
        "packages": packages,
        "inactive": [[i.want.spec, i.provider, i.why] for i in plan.inactive],
        "skipped": [[s.want.spec, s.why] for s in plan.skipped],
        "overrides": [asdict(o) for o in plan.overrides],
        "policy": dict(policy),
        "rules": [asdict(r) for r in plan.request.rules],
        "documentation": plan.request.documentation,
    }
    if missing := [str(p.nevra) for p in plan.packages if not p.header_checksum]:
        raise ValueError(f"not imported yet: {missing}")
    return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()
