"""Why a package is there, and why one is not: answers as values, nothing is changed.

`why(session, spec, which)` reads a state's record and the headers of its packages;
`why_not(session, spec)` asks the solver as `install` would and keeps its reasons.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from pkglayer.engine import solving
from pkglayer.engine.session import Session, base_files
from pkglayer.engine.states import find_state, open_state
from pkglayer.model.errors import UsageError
from pkglayer.model.explain import Blocked, Trouble
from pkglayer.model.names import quoted
from pkglayer.model.offer import Offer
from pkglayer.model.package import Nevra, Package
from pkglayer.model.pkgdiff import matches
from pkglayer.model.plan import Plan
from pkglayer.model.request import FAIL, Want, parse_spec
from pkglayer.model.why import Link, Why, explain


def why(session: Session, spec: str, which: str = "") -> list[Why]:
    """The reasons of all packages that a name, NEVRA or glob means in a state.

    Raises UsageError when the state has none.
    """
    target = find_state(session, which)
    record = target.deployment.record if target.deployment else None
    plan = record.plan if record else None
    layered = [p for p in plan.packages if matches(p.nevra, spec)] if plan else []
    found = [_layered(session, p, plan) for p in layered if plan]
    known = {w.nevra for w in found}
    with open_state(session, target) as view:
        base = [n for n in view.packages(spec) if str(n) not in known]
    found += [Why(str(n), "base", f"{n} is a package of the base.") for n in base]
    if not found:
        raise UsageError(
            f"{target.label} has no package '{spec}'",
            hint=f"to see what is in its way: pkglayer why-not {quoted(spec)}",
        )
    return found


def _layered(session: Session, package: Package, plan: Plan) -> Why:
    chain = [Link(str(package.nevra))]
    if package.reason not in ("user", "group"):
        chain = _chain(session, package, plan.packages)
    return explain(package, plan.request.wants, plan.overrides, chain)


def _chain(session: Session, package: Package, every: Sequence[Package]) -> list[Link]:
    """The shortest way from a package that was asked for, by what the headers require."""
    starts = {p.nevra for p in every if p.reason in ("user", "group")}
    with (
        base_files(session, session.sysroot.newest.base) as tree,
        solving.cached_heads(session, ()) as heads,
    ):
        request = session.request_of(session.sysroot.newest)
        sack = solving.load_sack(session, request, tree, (), heads)
        ours = {p.header_checksum for p in every}
        offers = [o for o, h in sack.cached() if h.header_checksum in ours]
        hard, weak = sack.edges(offers)
    edges = {o: sorted(hard[o]) + sorted(weak[o] - hard[o]) for o in offers}
    way = _shortest([o for o in offers if o.nevra in starts], edges, package.nevra)
    if not way:
        return [Link(str(package.nevra))]
    verbs = ["needs" if b in hard[a] else "recommends" for a, b in pairwise(way)]
    return [Link(str(o.nevra), verb) for o, verb in zip(way, [*verbs, "needs"], strict=True)]


def _nothing_left(plan: Plan | None, want: Want) -> str:
    """The answer for a request that the solver would meet, skipped or not when it was built."""
    skipped = {s.want: s.why for s in plan.skipped} if plan else {}
    if want not in skipped:
        return f"Nothing: '{want.spec}' is requested and fits on this base."
    return (
        f"'{want.spec}' is skipped, and the packages by themselves would fit now. When the state "
        f"was built: {skipped[want]}. Each change tries again, and so does: pkglayer reconcile"
    )


def _shortest(
    starts: Sequence[Offer], edges: Mapping[Offer, Sequence[Offer]], goal: Nevra
) -> tuple[Offer, ...]:
    ways: dict[Offer, tuple[Offer, ...]] = {o: (o,) for o in starts}
    todo = list(starts)
    for here in todo:
        if here.nevra == goal:
            return ways[here]
        for there in edges.get(here, ()):
            if there not in ways:
                ways[there] = (*ways[here], there)
                todo.append(there)
    return ()


@dataclass(frozen=True)
class WhyNot:
    """`sentence` is the answer; `troubles` are empty when nothing is in the way."""

    spec: str
    sentence: str
    troubles: tuple[Trouble, ...] = ()
    solver: tuple[str, ...] = ()


def why_not(session: Session, spec: str) -> WhyNot:
    """What is in the way of a request, whether it is made already (and skipped) or not."""
    newest = session.sysroot.newest
    request = session.request_of(newest)
    known = request.find(spec)
    want = replace(known or parse_spec(spec), on_conflict=FAIL, allow_inactive=True)
    if want.kind == "local" and known is None:
        raise UsageError("a file is asked itself", hint=f"try: pkglayer install -n {spec}")
    wanted = request.with_wants([*(w for w in request.wants if w != known), want])
    session.options = replace(session.options, dry_run=True)
    try:
        plan, _ = solving.make_plan(session, newest.base, wanted, upgrade=True)
    except Blocked as e:
        mine = tuple(t for t in e.troubles if t.want.spec == want.spec) or e.troubles
        solver = e.data.get("solver", ())
        lines = tuple(map(str, solver)) if isinstance(solver, list) else ()
        return WhyNot(spec, "; ".join(t.sentence for t in mine), mine, lines)
    for gone in plan.inactive:
        if gone.want.spec == want.spec:
            text = f"'{spec}' is in the base already: {gone.provider}"
            return WhyNot(spec, f"{text}, so nothing is layered for it.")
    if known is not None:
        return WhyNot(spec, _nothing_left(newest.record.plan if newest.record else None, known))
    count = len([p for p in plan.packages if want.spec in p.requests])
    text = f"Nothing: pkglayer install {quoted(spec)} would layer it with {count} packages."
    return WhyNot(spec, text)
