"""Remembers file clashes between two builds, in a file of the stateroot that can be lost.

`remember` what a build met; `recall` tells a plan that it would meet the same, before anything is
fetched or built for it.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from pkglayer.engine.session import Session
from pkglayer.engine.states import Target, open_state
from pkglayer.model.clashmemory import BASE, Met, Owner, from_json, join, to_json
from pkglayer.model.errors import ConflictError, StateError
from pkglayer.model.plan import LAYOUT_VERSION, Base, Plan
from pkglayer.system import rpmquery
from pkglayer.system.statefiles import read_state, write_state


def clashes_path(session: Session) -> Path:
    """Where they are remembered for this stateroot."""
    return session.sysroot.state_dir / "lib/pkglayer/clashes.json"


def remember(session: Session, plan: Plan, error: ConflictError) -> None:
    """Note the clashes that building the plan met, of packages that can be told again."""
    fresh = list(_met(session, plan, error))
    if not fresh:
        return
    with suppress(OSError):  # it would only be met once more
        write_state(clashes_path(session), to_json(join(_read(session), fresh)))


def recall(session: Session, plan: Plan) -> ConflictError | None:
    """What building the plan would meet, by what is remembered; None for nothing known."""
    layered = _layered(plan)
    rows = [
        row for row in _read(session)
        if (row.documentation, row.layout) == (plan.request.documentation, LAYOUT_VERSION)
        and any(o.nevra in layered for o in (row.package, row.other))
    ]  # fmt: skip
    owners = _owners(session, plan, {o.nevra for row in rows for o in (row.package, row.other)})
    met = [row for row in rows if _is_there(row.package, owners) and _is_there(row.other, owners)]
    if not met:
        return None
    conflicts = [
        {"path": path, "package": row.package.nevra, "other": row.other.nevra}
        for row in met for path in row.paths
    ]  # fmt: skip
    lines = [f"{c['path']}: in {c['package']} and in {c['other']}" for c in conflicts[:8]]
    return ConflictError(
        "different content for the same path, as an earlier build met it:\n  " + "\n  ".join(lines),
        hint=f"leave out {met[0].package.nevra} or {met[0].other.nevra}",
        data={"conflicts": conflicts},
    )


def _is_there(owner: Owner, owners: Mapping[str, Owner]) -> bool:
    return owner.nevra in owners and owner.is_same(owners[owner.nevra])


def _met(session: Session, plan: Plan, error: ConflictError) -> Iterator[Met]:
    pairs: dict[tuple[str, str], list[str]] = {}
    rows = error.data.get("conflicts", ())
    assert isinstance(rows, Iterable)
    for row in rows:
        pairs.setdefault((row["package"], row["other"]), []).append(row["path"])
    owners = _owners(session, plan, {nevra for pair in pairs for nevra in pair})
    for (one, two), paths in pairs.items():
        if one in owners and two in owners:
            documentation = plan.request.documentation
            yield Met(owners[one], owners[two], tuple(sorted(paths)), documentation)


def _layered(plan: Plan) -> dict[str, Owner]:
    rows = [Owner(str(p.nevra), p.header_checksum, p.checksum) for p in plan.packages]
    return {row.nevra: row for row in rows}


def _owners(session: Session, plan: Plan, nevras: set[str]) -> dict[str, Owner]:
    """Who of these is in a state of that plan, layered or of the base."""
    layered = _layered(plan)
    found = {n: layered[n] for n in nevras if n in layered}
    if BASE in nevras:
        found[BASE] = Owner(BASE, plan.base.commit)
    rest = nevras - {*found, *(o.old for o in plan.overrides)}
    return found | (_of_base(session, plan.base, rest) if rest else {})


def _of_base(session: Session, base: Base, nevras: set[str]) -> dict[str, Owner]:
    try:
        with open_state(session, Target(base.commit, "the base")) as view:
            rows = rpmquery.read_installed(view.root, view.dbpath)
    except StateError:  # whatever reads it next says so
        return {}
    return {n: Owner(n, r.header_checksum) for r in rows if (n := str(r.nevra)) in nevras}


def _read(session: Session) -> list[Met]:
    try:
        return from_json(read_state(clashes_path(session)) or {})
    except StateError as e:
        session.progress.note(e.message)
        return []
