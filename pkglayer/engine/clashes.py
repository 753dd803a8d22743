"""File conflicts that a build met: which packages and requests they are about, and what is next.

`plan_around` plans without what earlier builds met. `find_detour` first does without the packages
alone, so that an older version or the one layered already can come, or a weak dependency stay away;
only then requests fall under their policy.
"""

from collections.abc import Callable, Iterable, Sequence

from pkglayer.engine import clashmemory, policy
from pkglayer.engine.session import Session
from pkglayer.engine.solving import DIRECT
from pkglayer.model.errors import ConflictError, PkglayerError
from pkglayer.model.explain import Clash, Detour, FilesClash, Trouble
from pkglayer.model.plan import Plan
from pkglayer.model.policy import Rules, skipped_requests
from pkglayer.model.request import Want
from pkglayer.system.rpmmd import Repository

Replan = Callable[[Detour], Plan]
Offered = Callable[[Detour], tuple[Plan, list[Repository]]]


def plan_around(
    session: Session, replan: Offered, detour: Detour = DIRECT
) -> tuple[Detour, Plan, list[Repository]]:
    """The way to a plan that meets nothing that is remembered, the plan, and its repositories.

    Raises as `find_detour` does.
    """
    while True:
        plan, repositories = replan(detour)
        error = clashmemory.recall(session, plan)
        if error is None:
            return detour, plan, repositories
        detour = turn(session, error, plan, detour, replan)


def turn(
    session: Session, error: ConflictError, plan: Plan, detour: Detour, replan: Offered
) -> Detour:
    """The way around a conflict of that plan, by this machine's policy; see `find_detour`."""
    before = session.recorded.plan if session.recorded else None
    rules = policy.rules_for(session, plan.request)
    return find_detour(error, plan, before, rules, detour, lambda way: replan(way)[0])


def find_detour(
    error: ConflictError, plan: Plan, before: Plan | None, rules: Rules, detour: Detour,
    replan: Replan,
) -> Detour:  # fmt: skip
    """The way around a conflict that building `plan` met on the way of `detour`.

    Raises FilesClash where a request must not be left out, Held where one wants the base to wait,
    and the error itself where no request is behind it.
    """
    clashes = find_clashes(error, plan, rules)
    known = {c.nevra for c in detour.clashes}
    wider = Detour((*detour.clashes, *clashes), detour.left_out)
    if any(c.nevra not in known for c in clashes) and _keeps_all(replan, wider, plan):
        return wider
    troubles = [t for t in to_troubles(clashes, plan) if t.want not in detour.left_out]
    if not troubles:
        raise error
    left_out = policy.decide(troubles, rules, plan.base)
    if left_out is None:
        told = [policy.ways_of(t, rules, before) for t in troubles]
        raise FilesClash(told, data=error.data) from error
    return Detour(detour.clashes, {**detour.left_out, **left_out})


def _keeps_all(replan: Replan, detour: Detour, plan: Plan) -> bool:
    """Whether every request of the plan is still met that way."""
    try:
        other = replan(detour)
    except PkglayerError:
        return False
    lost = {s.want for s in skipped_requests(other)}
    return lost <= {s.want for s in skipped_requests(plan)}


def find_clashes(error: ConflictError, plan: Plan, rules: Rules) -> list[Clash]:
    """The conflicts by pairs of owners; of two layered packages the one named first yields."""
    rows = error.data.get("conflicts", ())
    assert isinstance(rows, Iterable)
    owners = {str(p.nevra): p.requests for p in plan.packages}
    pairs: dict[tuple[str, str], set[str]] = {}
    for row in rows:
        mine, other = _in_order(row["package"], row["other"], owners, plan, rules)
        pairs.setdefault((mine, other), set()).add(row["path"])
    return [
        Clash(mine, other, tuple(sorted(paths)), owners[mine], owners.get(other, ()))
        for (mine, other), paths in sorted(pairs.items())
        if mine in owners
    ]


def _in_order(
    one: str, two: str, owners: dict[str, tuple[str, ...]], plan: Plan, rules: Rules
) -> tuple[str, str]:
    """The package that yields, then the other: the base never does, then the later request."""
    if one not in owners or two not in owners:
        return (one, two) if one in owners else (two, one)

    def earliest(nevra: str) -> tuple[tuple[int, int, str], str]:
        ranks = [rules.rank(w) for w in _wants(owners[nevra], plan)]
        return min(ranks, default=(9, 9, "")), nevra

    other, mine = sorted((one, two), key=earliest)
    return mine, other


def _wants(specs: Sequence[str], plan: Plan) -> list[Want]:
    return [w for w in plan.request.wants if w.spec in specs]


def to_troubles(clashes: Sequence[Clash], plan: Plan) -> list[Trouble]:
    """One for each request behind a clash, with all that is in its way."""
    behind: dict[Want, list[Clash]] = {}
    for clash in clashes:
        for want in _wants(clash.requests, plan):
            behind.setdefault(want, []).append(clash)
    return [_trouble(want, rows) for want, rows in behind.items()]


def _trouble(want: Want, clashes: Sequence[Clash]) -> Trouble:
    others = tuple(sorted({s for c in clashes for s in c.others} - {want.spec}))
    start = f"{want.spec} cannot be layered on this base"
    if others:
        start = f"{' and '.join(sorted([want.spec, *others]))} cannot be in one layer"
    return Trouble(
        want,
        "file-conflict",
        f"{start}: {'; '.join(c.words for c in clashes)}",
        chain=tuple(c.nevra for c in clashes),
        base=tuple(c.other for c in clashes if not c.others),
        others=others,
    )
