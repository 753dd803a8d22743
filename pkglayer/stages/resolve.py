"""Request -> plan: which packages, from where and why; nothing on the machine changes.

`resolve(sack, base, request, settings=, keep=, upgrade=)` -> `Plan`, or one ResolveError that says
everything that is wrong. `needs_filelists(request)` tells how metadata must be loaded. Base
packages change here only where an override or a request says so. Solving itself is libsolv's; this
stage keeps what is layered at its version, chooses among equals, and tells reasons.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from pkglayer.model.errors import ResolveError
from pkglayer.model.explain import Blocked
from pkglayer.model.offer import CACHE, LOCAL, Offer, Solution
from pkglayer.model.package import Package
from pkglayer.model.plan import Base, Inactive, Plan, Skipped
from pkglayer.model.reasons import Reason, Root, find_reasons, reach
from pkglayer.model.request import INITRAMFS, REMOVE, Request, Want
from pkglayer.model.settings import Settings
from pkglayer.system.blockers import Rank, blocked_error, by_spec, merged, unknown_error
from pkglayer.system.choices import Choice, Pick, choose, find_unwanted
from pkglayer.system.comps import read_groups
from pkglayer.system.fallbacks import find_fallbacks
from pkglayer.system.overriding import (
    check_removals,
    choose_override,
    find_updates,
    to_overrides,
)
from pkglayer.system.sack import Sack

_MAX_ROUNDS = 20


def needs_filelists(request: Request) -> bool:
    """Whether the metadata must name every file: some request is a path."""
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
    rank: Rank = by_spec,
) -> Plan:
    """Resolve `request` on the base whose rpmdb `sack` has loaded.

    `keep` are the packages of the state before. They stay at their version, and globs and groups
    keep their meaning, unless `upgrade` is set or a request cannot be met otherwise; with `upgrade`
    they only serve to have packages whose repository is gone. `leave_out` maps requests to skip to
    the reason. Raises Blocked with all requests in trouble; of those that do not go together the
    later by `rank` yields.
    """
    left_out = leave_out or {}
    wants = [w for w in request.wants if w not in left_out and w.kind != INITRAMFS]
    unusable = _unusable_heads(sack, request, keep)
    hidden = _untouchable(sack) | unusable | find_unwanted(sack, wants)
    sack.hide(hidden)
    groups = read_groups(sack.repositories) if any(w.kind == "group" for w in wants) else []
    before = () if upgrade else tuple(keep)
    choices = [
        choose_override(sack, w, unusable) if w.is_override else choose(sack, w, groups, before)
        for w in wants
    ]
    active = tuple(c for c in choices if c.active)
    hidden = _apply_overrides(sack, active, hidden)
    movable = frozenset(o for c in active for o in c.changes)
    job = _Job(sack, active, frozenset(hidden), keep, settings, rank, movable)
    if unknown := [c.want for c in choices if c.unknown]:
        error = unknown_error(sack, unknown, groups)
        raise merged(error, blocked) if (blocked := job.find_blocked()) else error
    outcome = _run(job, before, unusable)
    packages = [_to_package(sack, o, r) for o, r in outcome.reasons.items()]
    return Plan(
        base=base,
        request=request,
        packages=tuple(sorted(packages, key=lambda p: p.nevra)),
        inactive=tuple(Inactive(c.want, c.provider, c.why) for c in choices if not c.active),
        skipped=(
            *(s for c in choices for s in c.skipped),
            *outcome.skipped,
            *(Skipped(w, left_out[w]) for w in request.wants if w in left_out),
        ),
        overrides=to_overrides(
            active, outcome.replaced, {o: r.requests for o, r in outcome.reasons.items()}
        ),
        fallbacks=find_fallbacks(sack, list(outcome.reasons)) if upgrade else (),
    )


def _to_package(sack: Sack, offer: Offer, reason: Reason) -> Package:
    head = sack.head(offer)
    return replace(
        sack.package(offer),
        reason=reason.kind,
        requests=reason.requests,
        header_checksum=head.header_checksum if head else "",
    )


# What stays out of sight


def _untouchable(sack: Sack) -> set[Offer]:
    """Offers that would change the base: other versions of its packages, and obsoleters."""
    arches: dict[str, set[str]] = {}
    for offer in sack.base():
        arches.setdefault(offer.nevra.name, set()).add(offer.nevra.arch)
    found = set(sack.obsoleting_base())
    for offer in sack.available(sorted(arches)):
        there = arches[offer.nevra.name]
        if offer.nevra.arch in there or "noarch" in {offer.nevra.arch, *there}:
            found.add(offer)
    return found


def _unusable_heads(sack: Sack, request: Request, keep: Sequence[Package]) -> set[Offer]:
    """Imported packages that must not be chosen now, so that only this request decides.

    Usable is what the state before has, what a request names, and what comes from a repository
    that is configured but down.
    """
    kept = {p.header_checksum for p in keep if p.repo != LOCAL}
    wanted = {w.header_checksum for w in request.wants if w.header_checksum}
    down = {r.id for r in sack.repositories if not r.available}
    return {
        offer
        for offer, head in sack.cached()
        if head.header_checksum not in kept | wanted and head.package.repo not in down
    }


# Base packages that may change


def _apply_overrides(sack: Sack, active: Sequence[Choice], hidden: set[Offer]) -> set[Offer]:
    """Bring replacements into sight and take removed packages away; returns what stays hidden."""
    hidden = hidden - {o for c in active if c.want.is_override for pick in c.picks for o in pick}
    sack.erase(())
    sack.hide(hidden)
    check_removals(sack, active)
    sack.erase(o for c in active if c.want.kind == REMOVE for o in c.changes)
    return hidden


def _run(job: "_Job", before: Sequence[Package], unusable: set[Offer]) -> "_Outcome":
    """Solve as the base is; else, where a request allows it, the fewest newer base packages."""
    try:
        return job.run(before)
    except Blocked:
        allowing = tuple(c.want.spec for c in job.choices if c.want.base_updates)
        opened = find_updates(job.sack) - unusable if allowing else set()
        needed = _fewest(job, opened)
        if not needed:
            raise
    names = {o.nevra.name for o in needed}
    movable = frozenset(o for o in job.sack.base() if o.nevra.name in names)
    job = replace(job, hidden=job.hidden - needed, movable=job.movable | movable)
    outcome = job.run(before)
    unexplained = {new for _, new in outcome.replaced if not outcome.reasons[new].requests}
    return replace(
        outcome,
        reasons={
            offer: Reason("dependency", allowing) if offer in unexplained else reason
            for offer, reason in outcome.reasons.items()
        },
    )


def _fewest(job: "_Job", opened: set[Offer]) -> set[Offer]:
    """The part of `opened` that cannot be done without, all versions of a name together."""

    def solve(usable: set[Offer]) -> Solution:
        job.sack.hide(job.hidden - usable)
        return job.sack.solve(job.picks)

    first = solve(opened) if opened else Solution(problems=("nothing newer",))
    if first.problems:
        job.sack.hide(job.hidden)
        return set()
    names = {new.nevra.name for _, new in first.replaced}
    needed = {o for o in opened if o.nevra.name in names}
    for name in sorted(names):
        fewer = {o for o in needed if o.nevra.name != name}
        if not solve(fewer).problems:
            needed = fewer
    return needed


# Solving


@dataclass(frozen=True)
class _Outcome:
    reasons: dict[Offer, Reason] = field(default_factory=dict)
    skipped: tuple[Skipped, ...] = ()
    replaced: tuple[tuple[Offer, Offer], ...] = ()


@dataclass(frozen=True)
class _Job:
    """One request on its way through the solver; `hidden` must never be chosen; `movable` are the
    base's packages that may go or give way."""

    sack: Sack
    choices: tuple[Choice, ...]
    hidden: frozenset[Offer]
    keep: Sequence[Package]
    settings: Settings
    rank: Rank = by_spec
    movable: frozenset[Offer] = frozenset()

    @property
    def picks(self) -> list[Pick]:
        return [pick for c in self.choices for pick in c.picks]

    @property
    def weak(self) -> bool:
        return self.settings.recommends and any(c.want.recommends for c in self.choices)

    def run(self, before: Sequence[Package]) -> _Outcome:
        """Solve, and solve again until nothing about the solution is to be bettered."""
        if not self.choices:
            return _Outcome()
        hidden = set(self.hidden) | self._locks(before)
        not_weak: set[Offer] = set()
        optional = [pick for c in self.choices for pick in c.optional]
        for _ in range(_MAX_ROUNDS):
            solution = self._solve(hidden, optional, not_weak)
            roots = [self._root(c, solution) for c in self.choices]
            hard, weak = self.sack.edges(solution.offers)
            worse = self._worse_twins(solution, hidden)
            unasked = set(solution.offers).difference(
                *(reach(r.nodes, hard, weak if r.weak else None) for r in roots)
            )
            due = [p for p in self._due(solution) if p not in optional]
            if not worse and not due and unasked <= not_weak:
                reasons = find_reasons(solution.offers, roots, hard, weak)
                return _Outcome(reasons, tuple(self._left_out(solution)), solution.replaced)
            hidden |= worse
            not_weak |= unasked
            optional += due
        raise ResolveError("the solver does not come to rest", hint="please report this request")

    def find_blocked(self) -> Blocked | None:
        """What the solver would refuse of these choices, without choosing anything."""
        self.sack.hide(self.hidden)
        solution = self.sack.solve(self.picks)
        if not self.picks or not solution.problems:
            return None
        return blocked_error(self.sack, self.choices, solution, self.rank)

    def _solve(
        self, hidden: set[Offer], optional: Sequence[Pick], not_weak: set[Offer]
    ) -> Solution:
        self.sack.hide(hidden)
        solution = self.sack.solve(self.picks, optional=optional, weak=self.weak, not_weak=not_weak)
        if solution.problems:
            raise blocked_error(self.sack, self.choices, solution, self.rank)
        going = {*(old for old, _ in solution.replaced), *solution.removed}
        if changed := sorted(str(o.nevra) for o in going - self.movable):
            raise ResolveError(
                f"the request would change packages of the base: {', '.join(changed)}",
                hint="base packages change only with the base, or by name: pkglayer override",
                data={"base": changed},
            )
        return solution

    def _root(self, choice: Choice, solution: Solution) -> Root[Offer]:
        picks = (*choice.picks, *choice.optional, *(p for _, p in choice.conditional))
        chosen = {o for pick in picks for o in pick} & set(solution.offers)
        return Root(
            choice.want.spec,
            tuple(sorted(chosen)),
            group=choice.want.kind == "group",
            weak=self.settings.recommends and choice.want.recommends,
        )

    def _due(self, solution: Solution) -> list[Pick]:
        """Conditional members of groups whose other package is there."""
        names = {o.nevra.name for o in (*solution.offers, *self.sack.base())}
        return [p for c in self.choices for other, p in c.conditional if other in names]

    def _left_out(self, solution: Solution) -> list[Skipped]:
        """Optional members of groups that did not fit."""
        chosen = set(solution.offers)
        return [
            Skipped(
                Want(pick[0].nevra.name, source=choice.want.spec),
                f"the group {choice.want.spec} suggests it, it does not fit on this base",
            )
            for choice in self.choices
            for pick in choice.optional
            if not chosen & set(pick)
        ]

    def _worse_twins(self, solution: Solution, hidden: set[Offer]) -> set[Offer]:
        """Chosen offers whose NEVRA is to be had from a better place."""
        worse = set()
        for offer in solution.offers:
            twins = [
                t
                for t in self.sack.same(offer.nevra)
                if t not in hidden and not self.sack.is_excluded(t)
            ]
            if min(twins, key=self._twin_rank) != offer:
                worse.add(offer)
        return worse

    def _twin_rank(self, offer: Offer) -> tuple[int, int, Offer]:
        """Of one NEVRA: what is layered now, then local files, then the better repository."""
        head = self.sack.head(offer)
        if head and any(p.header_checksum == head.header_checksum for p in self.keep):
            return (0, *self.sack.rank(offer))
        if head and head.package.repo == LOCAL:
            return (1, *self.sack.rank(offer))
        return (2, *self.sack.rank(offer))

    # Keeping versions

    def _locks(self, before: Sequence[Package]) -> set[Offer]:
        """Offers to hide so that as many packages as possible stay what they are.

        Imported packages that are not kept give way to what repositories have of them: libsolv by
        itself would prefer them to any repository.
        """
        rivals = {str(p.nevra): r for p in before if (r := self._rivals(p))}
        kept = {p.header_checksum for p in before}
        for offer, head in self.sack.cached():
            if head.header_checksum not in kept and head.package.repo != LOCAL:
                rivals[f"@{offer.nevra}"] = {offer} if self._is_superseded(offer) else set()

        def fits(names: Sequence[str]) -> bool:
            self.sack.hide(self.hidden.union(*(rivals[n] for n in names)))
            return not self.sack.solve(self.picks, weak=self.weak).problems

        def most(held: tuple[str, ...], names: tuple[str, ...]) -> tuple[str, ...]:
            """Add what fits of `names` to `held`, halving until single culprits are left out."""
            if not names or fits((*held, *names)):
                return (*held, *names)
            if len(names) == 1:
                return held
            half = len(names) // 2
            return most(most(held, names[:half]), names[half:])

        names = tuple(sorted(n for n in rivals if rivals[n]))
        if not names or not fits(()):
            return set()
        return set().union(*(rivals[n] for n in most((), names)))

    def _is_superseded(self, cached: Offer) -> bool:
        """Whether a repository has the same package or a newer one."""
        offers = [
            o
            for o in self.sack.available([cached.nevra.name])
            if o.repo != CACHE
            and o.nevra.arch == cached.nevra.arch
            and o not in self.hidden
            and not self.sack.is_excluded(o)
        ]
        return bool(offers) and self.sack.newest([*offers, cached]).repo != CACHE

    def _rivals(self, package: Package) -> set[Offer]:
        """Everything else of that name and architecture, if the package itself is to be had."""
        offers = [
            o
            for o in self.sack.available([package.nevra.name])
            if o.nevra.arch == package.nevra.arch and o not in self.hidden
        ]
        same = [o for o in offers if o.nevra == package.nevra and not self.sack.is_excluded(o)]
        exact = [o for o in same if self._is_same_file(o, package)] or same
        return set(offers) - set(exact) if exact else set()

    def _is_same_file(self, offer: Offer, package: Package) -> bool:
        if offer.repo == CACHE:
            head = self.sack.head(offer)
            return head is not None and head.header_checksum == package.header_checksum
        return self.sack.package(offer).checksum == package.checksum
