"""Request -> plan: which packages, from where and why; nothing on the machine changes.

`resolve(sack, base, request, settings=, keep=, upgrade=)` -> `Plan`, or one Blocked that says
everything that is wrong; `Sight` has the sack. Here is the order of things: what is out of sight,
what requests mean, what of the base may change, and which steps are tried before a request is given
up. Solving is `system.job`'s, what stays at its version `system.keeping`'s.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from pkglayer.model.explain import Blocked, Clash
from pkglayer.model.offer import Offer
from pkglayer.model.package import Nevra, Package
from pkglayer.model.plan import Base, Inactive, Plan, Skipped
from pkglayer.model.request import INITRAMFS, REMOVE, Request, Want
from pkglayer.model.settings import Settings
from pkglayer.system.baseupdates import name_requests, open_updates
from pkglayer.system.blockers import Rank, by_spec, merged, unknown_error
from pkglayer.system.choices import Choice, choose, find_unwanted
from pkglayer.system.comps import Group, read_groups
from pkglayer.system.fallbacks import find_fallbacks
from pkglayer.system.following import tell_followed, tell_left
from pkglayer.system.job import Job, Outcome
from pkglayer.system.kernels import check_modules
from pkglayer.system.overriding import check_removals, choose_override, to_overrides
from pkglayer.system.sack import Sack
from pkglayer.system.sight import find_clashing, find_untouchable, find_unusable


@dataclass
class Sight:
    """The sack, loaded when it is first needed, and once more as soon as an answer hangs on a path.

    Metadata names few files by itself. Whole lists are many times its size, and hardly any
    request needs them: `load(filelists)` is asked for them only then, or if `filelists` is set.
    """

    load: Callable[[bool], Sack]
    filelists: bool = False
    _sack: Sack | None = field(default=None, init=False)

    @property
    def sack(self) -> Sack:
        if self._sack is None:
            self._sack = self.load(self.filelists)
        return self._sack

    def answer(self, ask: Callable[[Sack], Plan]) -> Plan:
        """What `ask` answers, with file lists if that makes a difference; raises Blocked."""
        try:
            plan = ask(self.sack)
        except Blocked as e:
            if self.filelists or not _names_path(e):
                raise
        else:
            paths = any(f.needs.startswith("/") for f in plan.fallbacks)
            if self.filelists or not (paths or plan.unseen):
                return plan
        self.filelists, self._sack = True, None
        return ask(self.sack)


def _names_path(blocked: Blocked) -> bool:
    """Whether the solver misses a path."""
    lines = blocked.data.get("solver", ())
    texts = map(str, lines) if isinstance(lines, list) else ()
    return any(re.search(r"nothing provides \(?/", text) for text in texts)


def needs_filelists(request: Request) -> bool:
    """Whether file lists are needed from the start: some request is a path."""
    return any(w.kind == "package" and w.spec.startswith(("/", "*/")) for w in request.wants)


def resolve(
    sack: Sack,
    base: Base,
    request: Request,
    *,
    settings: Settings,
    keep: Sequence[Package] = (),
    upgrade: bool = False,
    leave_out: Mapping[Want, str] | None = None,
    clashes: Sequence[Clash] = (),
    rank: Rank = by_spec,
) -> Plan:
    """Resolve `request` on the base whose rpmdb `sack` has loaded.

    `keep` are the packages of the state before. They stay at their version, and globs and groups
    keep their meaning, unless `upgrade` is set or a request cannot be met otherwise; with `upgrade`
    they only serve to have packages whose repository is gone. `leave_out` maps requests to skip to
    the reason; `clashes` are packages that cannot be there for their files. Raises Blocked with all
    requests in trouble; of those that do not go together the later by `rank` yields.
    """
    left_out = leave_out or {}
    wants = [w for w in request.wants if w not in left_out and w.kind != INITRAMFS]
    before = () if upgrade else tuple(keep)
    clashing = find_clashing(sack, clashes)
    unusable = find_unusable(sack, request.wants, keep) | clashing.keys()
    hidden = find_untouchable(sack) | unusable | find_unwanted(sack, wants)
    sack.hide(hidden)
    groups = read_groups(sack.repositories) if any(w.kind == "group" for w in wants) else []
    choices = [
        choose_override(sack, w, unusable) if w.is_override else choose(sack, w, groups, before)
        for w in wants
    ]
    active = tuple(c for c in choices if c.active)
    hidden = _apply_overrides(sack, active, hidden)
    job = Job(sack, active, frozenset(hidden), keep, settings, rank, clashing=clashing)
    _check_known(job, choices, groups)
    outcome = _run(job, before, unusable)
    plan = Plan(
        base=base,
        request=request,
        packages=_to_packages(sack, outcome),
        inactive=tuple(Inactive(c.want, c.provider, c.why) for c in choices if not c.active),
        skipped=(
            *(s for c in choices for s in c.skipped),
            *outcome.skipped,
            *(Skipped(w, left_out[w]) for w in request.wants if w in left_out),
            *_left_away(clashes, outcome),
        ),
        overrides=to_overrides(
            active, outcome.replaced, {o: r.requests for o, r in outcome.reasons.items()}
        ),
    )
    return _told(plan, job, outcome, wants, before)


def _told(
    plan: Plan, job: Job, outcome: Outcome, wants: Sequence[Want], before: Sequence[Package]
) -> Plan:
    """The plan with what there is to say of how it came about."""
    sack, chosen, stays = job.sack, list(outcome.reasons), {p.nevra for p in before}
    left = tell_left(sack, wants, [o for o in chosen if o.nevra not in stays])
    return replace(
        plan,
        fallbacks=(*find_fallbacks(job, outcome, before), *left),
        followed=tell_followed(sack, wants, chosen),
        unseen=check_modules(sack, outcome.reasons, outcome.replaced, sack.erased, wants),
    )


def _apply_overrides(sack: Sack, active: Sequence[Choice], hidden: set[Offer]) -> set[Offer]:
    """Bring replacements into sight and take removed packages away; returns what stays hidden."""
    hidden = hidden - {o for c in active if c.want.is_override for pick in c.picks for o in pick}
    sack.erase(())
    sack.hide(hidden)
    check_removals(sack, active)
    sack.erase(o for c in active if c.want.kind == REMOVE for o in c.changes)
    return hidden


def _left_away(clashes: Sequence[Clash], outcome: Outcome) -> list[Skipped]:
    """Packages that came for their recommendation alone, and do not for their files."""
    there = {o.nevra.name for o in outcome.reasons}
    gone = [(Nevra.parse(c.nevra).name, c) for c in clashes]
    return [
        Skipped(Want(name, source=c.requests[0]), c.words)
        for name, c in gone
        if name not in there and c.requests
    ]


def _check_known(job: Job, choices: Sequence[Choice], groups: Sequence[Group]) -> None:
    """Refuse what nothing in sight satisfies, and with it what else would be refused."""
    if unknown := [c.want for c in choices if c.unknown]:
        error = unknown_error(job.sack, unknown, groups)
        raise merged(error, blocked) if (blocked := job.find_blocked()) else error


def _run(job: Job, before: Sequence[Package], unusable: set[Offer]) -> Outcome:
    """The newest that fits the base as it is, older and cached versions included; only then with
    newer packages of the base, where requests allow it."""
    try:
        return job.run(before)
    except Blocked:
        updated = open_updates(job, unusable)
        if updated is None:
            raise
    return name_requests(updated, updated.run(before))


def _to_packages(sack: Sack, outcome: Outcome) -> tuple[Package, ...]:
    packages = []
    for offer, reason in outcome.reasons.items():
        head = sack.head(offer)
        checksum = head.header_checksum if head else ""
        packages.append(
            replace(
                sack.package(offer),
                reason=reason.kind,
                requests=reason.requests,
                header_checksum=checksum,
            )
        )
    return tuple(sorted(packages, key=lambda p: p.nevra))
