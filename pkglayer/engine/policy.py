"""The conflict policy at work: from requests in trouble to a plan, a hold or a refusal.

`plan_by_policy` tries, and leaves out what may be skipped; `rules_for` collects what was said about
each request; the standing file remembers holds and skips between runs. What a plan is made from is
`solving`'s.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from pkglayer.engine.session import Session
from pkglayer.log import to_size
from pkglayer.model.explain import Blocked, Trouble, Way, sentences
from pkglayer.model.names import quoted
from pkglayer.model.plan import Base, Plan
from pkglayer.model.policy import Held, Rules, key_of
from pkglayer.model.request import FAIL, HOLD, Request, Want

Attempt = Callable[[Mapping[Want, str]], Plan]
"""Makes a plan without some requests, each with the reason; raises Blocked."""


def plan_by_policy(
    attempt: Attempt, rules: Rules, base: Base, without: Mapping[Want, str] | None = None
) -> Plan:
    """The plan with as many requests as their policies demand, `without` some from the start.

    Raises Blocked with all troubles when a request in trouble must not be left out, Held when one
    wants the base to wait for it.
    """
    left_out = dict(without or {})
    while True:
        try:
            return attempt(left_out)
        except Blocked as e:
            verdict = decide(e.troubles, rules, base)
            fresh = {w: s for w, s in (verdict or {}).items() if w not in left_out}
            if not fresh:
                raise
            left_out |= fresh


def decide(troubles: Sequence[Trouble], rules: Rules, base: Base) -> dict[Want, str] | None:
    """What to leave out, with the reasons; None where a request must not be.

    Raises Held when one wants the base to wait for it.
    """
    verdicts = {rules.of(t.want) for t in troubles}
    if FAIL in verdicts:
        return None
    if HOLD in verdicts:
        raise Held(base, troubles)
    return sentences(troubles)


def rules_for(session: Session, request: Request) -> Rules:
    """The rules for a request on this machine, now.

    Fresh is what is requested by command and was not before; what the state before skips already
    goes on being skipped.
    """
    options, settings, record = session.options, session.settings, session.recorded
    before = {key_of(w) for w in session.request_of(session.sysroot.newest).commanded}
    sources: dict[str, set[str]] = {}
    for package in record.plan.packages if record else ():
        for spec in package.requests:
            sources.setdefault(spec, set()).add(package.repo)
    skipped = {key_of(s.want) for s in record.plan.skipped} if record else set()
    return Rules(
        default=settings.unattended if options.unattended else settings.on_conflict,
        repositories=settings.repository_policy,
        sources={spec: frozenset(repos) for spec, repos in sources.items()},
        fresh=frozenset(key_of(w) for w in request.commanded) - before,
        skipped=frozenset(skipped),
        skip_broken=options.skip_broken,
    )


def with_ways(blocked: Blocked, rules: Rules, before: Plan | None) -> Blocked:
    """The refusal with the ways out that are always there, each with what it costs."""
    troubles = [ways_of(t, rules, before) for t in blocked.troubles]
    data = {k: v for k, v in blocked.data.items() if k != "blockers"}
    ways = dict.fromkeys(to_words(way) for t in troubles for way in t.ways)
    return Blocked(troubles, hint="; or ".join(filter(None, (blocked.hint, *ways))), data=data)


def to_words(way: Way) -> str:
    """A way out in one line: the command, what it does, what it costs."""
    size = f", {to_size(way.size)} to download" if way.size > 0 else ""
    plural = "" if way.packages == 1 else "s"
    cost = f"; {way.packages} package{plural}{size}" if way.packages >= 0 else ""
    return f"{way.command} ({way.cost}{cost})"


def ways_of(trouble: Trouble, rules: Rules, before: Plan | None) -> Trouble:
    """One trouble with the ways out that are always there."""
    want, ways = trouble.want, list(trouble.ways)
    if key_of(want) in rules.fresh:
        skip = f"pkglayer install {quoted(want.spec)} --on-conflict skip"
        ways.append(Way(skip, "records the wish; it comes by itself once it fits", 0, 0))
    else:
        gone = [p for p in before.packages if p.requests == (want.spec,)] if before else []
        cost = f"goes on without {want.spec} until it fits again"
        ways.append(Way("pkglayer upgrade --skip-broken", cost, len(gone), 0))
        if want.source == "command":
            drop = f"pkglayer uninstall {quoted(want.spec)}"
            ways.append(Way(drop, "drops the request for good", len(gone), 0))
    return replace(trouble, ways=tuple(ways))


def keep_words(plan: Plan, before: Plan | None) -> Plan:
    """The plan, with the reasons of the state before where nothing but words differs.

    A reason is part of the state; that repositories moved on is none for building it again.
    """
    if before is None or (before.base, before.request) != (plan.base, plan.request):
        return plan
    old, new = _content(before), _content(plan)
    return replace(plan, skipped=before.skipped) if old == new else plan


def _content(plan: Plan) -> object:
    packages = [(p.nevra, p.checksum, p.reason, p.requests) for p in plan.packages]
    return packages, plan.inactive, sorted(key_of(s.want) for s in plan.skipped)
