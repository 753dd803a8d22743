"""What the next base would do to the requests, before any of it is pulled.

`forecast` fetches the package database of a base alone, and resolves with the policy of unattended
runs; with `build` the base is pulled and the state built, but not deployed. The last forecast is
kept for `status`.
"""

import os
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

from pkglayer.engine import bases, pipeline, solving, space
from pkglayer.engine.clashes import plan_around
from pkglayer.engine.lastforecast import (
    BLOCKED,
    CLEAR,
    HELD,
    NOTHING,
    SKIPPED,
    forecast_path,
)
from pkglayer.engine.session import Session
from pkglayer.model.explain import Blocked, Detour, FilesClash, Trouble
from pkglayer.model.package import Package
from pkglayer.model.plan import Base, Plan
from pkglayer.model.policy import Held, fallback_words
from pkglayer.model.request import Request, Want
from pkglayer.model.space import Room, rooms_json
from pkglayer.system.rpmmd import Repository
from pkglayer.system.statefiles import write_state


@dataclass(frozen=True)
class Fate:
    """What becomes of one request: `what` is unchanged, updated, new, inactive, skipped, held or
    blocked; `text` says more."""

    spec: str
    what: str
    text: str = ""


@dataclass(frozen=True)
class Forecast:
    """`verdict` is one of `EXIT_CODES`; `base` is the base looked at, `current` the one in use;
    `commit` the state that was built, if one was; `rooms` the file systems and what it takes there.
    """

    verdict: str
    time: int
    current: Base
    base: Base
    fates: tuple[Fate, ...] = ()
    rooms: tuple[Room, ...] = ()
    commit: str = ""


def forecast(session: Session, on: str = "", *, build: bool = False) -> Forecast:
    """Rehearse the newest base of the branch, or of the ref `on`."""
    newest = session.sysroot.newest
    request = session.request_of(newest)
    refspec = on or request.refspec
    options = session.options
    session.options = replace(options, unattended=True, dry_run=not build)
    with bases.newest_base(session, refspec, full=build) as base:
        done = _rehearse(session, base, replace(request, refspec=refspec), build)
    session.options = options
    if os.geteuid() == 0 and not options.dry_run and not on:
        write_state(forecast_path(session), {"version": 1, **forecast_json(done)})
    return done


def _rehearse(session: Session, base: Base, request: Request, build: bool) -> Forecast:
    now, current = int(time.time()), session.sysroot.newest.base
    commit = ""
    replan = partial(_plan_on, session, base, request)
    try:
        if build:
            plan, commit, _, _ = pipeline.make_state(session, replan)
        else:
            _, plan, _ = plan_around(session, replan)
    except Held as e:
        return Forecast(HELD, now, current, base, _in_trouble(request, e.troubles, HELD))
    except (Blocked, FilesClash) as e:
        return Forecast(BLOCKED, now, current, base, _in_trouble(request, e.troubles, BLOCKED))
    before = session.recorded.plan if session.recorded else Plan(current, request)
    fates = tuple(_fate(want, plan, before) for want in plan.request.wants)
    verdict = CLEAR
    if any(f.what == SKIPPED for f in fates):
        verdict = SKIPPED
    elif base.commit == current.commit and _versions(plan) == _versions(before):
        verdict = NOTHING
    rooms = space.plan_rooms(session, plan)
    return Forecast(verdict, now, current, base, fates, rooms, commit)


def _plan_on(
    session: Session, base: Base, request: Request, detour: Detour
) -> tuple[Plan, list[Repository]]:
    return solving.make_plan(session, base, request, upgrade=True, detour=detour)


def _in_trouble(request: Request, troubles: Sequence[Trouble], what: str) -> tuple[Fate, ...]:
    return tuple(Fate(t.want.spec, what, t.sentence) for t in troubles)


def _versions(plan: Plan) -> set[str]:
    return {str(p.nevra) for p in plan.packages}


def _of(want: Want, plan: Plan) -> dict[str, Package]:
    return {p.nevra.name: p for p in plan.packages if want.spec in p.requests}


def _fate(want: Want, plan: Plan, before: Plan) -> Fate:
    for skip in plan.skipped:
        if skip.want == want:
            return Fate(want.spec, SKIPPED, skip.why)
    for gone in plan.inactive:
        if gone.want == want:
            return Fate(want.spec, "inactive", f"the base has {gone.provider}")
    old, new = _of(want, before), _of(want, plan)
    if not old:
        return Fate(want.spec, "new", ", ".join(str(p.nevra) for p in new.values()))
    moves = [
        f"{name} {old[name].nevra.evr} -> {p.nevra.evr}"
        for name, p in new.items()
        if name in old and old[name].nevra != p.nevra
    ]
    told = [fallback_words(f) for f in plan.fallbacks if want.spec in f.requests]
    return Fate(want.spec, "updated" if moves else "unchanged", "; ".join([*moves, *told]))


# The last one


def forecast_json(done: Forecast) -> dict[str, Any]:
    """As JSON values."""
    data = asdict(done)
    del data["rooms"]
    return {**data, "space": rooms_json(done.rooms)}
