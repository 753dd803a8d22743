"""Holds and skips as a machine remembers them between two runs, in a file of its stateroot.

What they mean is `model.policy`'s; reading them is quick, since `status` does.
"""

import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from pkglayer.engine.session import Session
from pkglayer.model.errors import StateError
from pkglayer.model.plan import Plan
from pkglayer.model.policy import (
    Held,
    Standing,
    hold_on,
    is_overdue,
    join_fallbacks,
    move_on,
    notices,
    skipped_requests,
    standing_from,
    standing_json,
)
from pkglayer.system.statefiles import read_state, write_state


def standing_path(session: Session) -> Path:
    """Where holds and skips are remembered for this stateroot."""
    return session.sysroot.state_dir / "lib/pkglayer/standing.json"


def read_standing(session: Session) -> Standing:
    """What stands; nothing where the file is missing or of another version."""
    try:
        data = read_state(standing_path(session))
        return standing_from(data) if data else Standing()
    except StateError as e:
        session.progress.note(e.message)
        return Standing()


def remember_hold(session: Session, held: Held) -> Standing:
    """Note that the base is held back; returns what stands now."""
    standing = hold_on(read_standing(session), held, int(time.time()))
    if not session.options.dry_run:
        write_state(standing_path(session), standing_json(standing))
    return standing


def remember_plan(session: Session, plan: Plan, *, moved: bool, anew: bool = True) -> None:
    """Note what is skipped now and what came by a later step; a hold is over when the base `moved`.

    Unless versions were chosen `anew`, a package that stayed still has the reason it came by.
    """
    before = read_standing(session)
    specs = [s.want.spec for s in skipped_requests(plan)]
    after = move_on(
        before,
        specs,
        int(time.time()),
        moved=moved,
        fallbacks=join_fallbacks(() if anew else before.fallbacks, plan),
    )
    if after != before:
        write_state(standing_path(session), standing_json(after))


def standing_notices(session: Session) -> list[str]:
    """What `status` says about holds, skips and later steps than the newest version."""
    record = session.sysroot.newest.record
    there = {str(p.nevra) for p in record.plan.packages} if record else set()
    standing = read_standing(session)
    rows = tuple(f for f in standing.fallbacks if f.nevra in there)
    standing = replace(standing, fallbacks=rows)
    moments = [*standing.skipped.values(), *([standing.hold.since] if standing.hold else [])]
    days = {t: datetime.fromtimestamp(t, UTC).strftime("%Y-%m-%d") for t in moments}
    return notices(standing, session.settings.max_hold, int(time.time()), days)


def overdue(session: Session, standing: Standing) -> bool:
    """Whether a hold has lasted longer than the settings allow."""
    return is_overdue(standing, session.settings.max_hold, int(time.time()))
