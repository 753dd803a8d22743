"""One request on its way through the solver, until nothing about the solution is to be bettered.

`Job.run(before)` -> `Outcome`: the offers with their reasons. What requests mean was found before,
and what must stay out of sight; a `Job` is a value, so that the next try is one with other fields.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from pkglayer.model.errors import ResolveError
from pkglayer.model.explain import Blocked
from pkglayer.model.offer import Offer, Solution
from pkglayer.model.package import Package
from pkglayer.model.plan import Skipped
from pkglayer.model.reasons import Reason, Root, find_reasons, reach
from pkglayer.model.request import Want
from pkglayer.model.settings import Settings
from pkglayer.system.blockers import Rank, blocked_error, by_spec
from pkglayer.system.choices import Choice, Pick
from pkglayer.system.keeping import Keeping
from pkglayer.system.sack import Sack

_MAX_ROUNDS = 20


@dataclass(frozen=True)
class Outcome:
    """What was chosen and why; `replaced` are base packages with what comes in their place."""

    reasons: dict[Offer, Reason] = field(default_factory=dict)
    skipped: tuple[Skipped, ...] = ()
    replaced: tuple[tuple[Offer, Offer], ...] = ()


@dataclass(frozen=True)
class Job:
    """`hidden` must never be chosen; `keep` is what the state before has; `opened` are newer
    packages of the base that may come; `clashing` are hidden for their files, with the reason."""

    sack: Sack
    choices: tuple[Choice, ...]
    hidden: frozenset[Offer]
    keep: Sequence[Package]
    settings: Settings
    rank: Rank = by_spec
    opened: frozenset[Offer] = frozenset()
    clashing: Mapping[Offer, str] = field(default_factory=dict)

    @property
    def picks(self) -> list[Pick]:
        return [pick for c in self.choices for pick in c.picks]

    @property
    def keeping(self) -> Keeping:
        return Keeping(self.sack, self.keep, self.hidden)

    def allows_base_updates(self, choice: Choice) -> bool:
        """Whether newer base packages may come for the sake of this request."""
        allowed = choice.want.base_updates or self.settings.base_updates
        return allowed and not choice.want.is_override

    def opening(self, offers: set[Offer]) -> "Job":
        """The same with these in sight, each in the place of the base's package of its name."""
        return replace(self, hidden=self.hidden - offers, opened=self.opened | offers)

    def fits(self, hidden: set[Offer]) -> bool:
        """Whether there is a solution without these too."""
        self.sack.hide(self.hidden | hidden)
        return not self.sack.solve(self.picks, weak=self._weak).problems

    def find_blocked(self) -> Blocked | None:
        """What the solver would refuse of these choices, without choosing anything."""
        self.sack.hide(self.hidden)
        solution = self.sack.solve(self.picks)
        if not self.picks or not solution.problems:
            return None
        return blocked_error(self.sack, self.choices, solution, self.rank)

    def run(self, before: Sequence[Package]) -> Outcome:
        """Solve, and solve again until the solution is at rest; `before` stays at its versions.

        Raises Blocked with all requests in trouble.
        """
        if not self.choices:
            return Outcome()
        hidden = set(self.hidden) | self.keeping.locks(before, self.fits)
        not_weak: set[Offer] = set()
        optional = [pick for c in self.choices for pick in c.optional]
        for _ in range(_MAX_ROUNDS):
            solution = self._solve(hidden, optional, not_weak)
            roots = [self._root(c, solution) for c in self.choices]
            hard, weak = self.sack.edges(solution.offers)
            worse = self.keeping.worse_twins(solution.offers, hidden)
            unasked = set(solution.offers).difference(
                *(reach(r.nodes, hard, weak if r.weak else None) for r in roots)
            )
            due = [p for p in self._due(solution) if p not in optional]
            if not worse and not due and unasked <= not_weak:
                reasons = find_reasons(solution.offers, roots, hard, weak)
                return Outcome(reasons, tuple(self._left_out(solution)), solution.replaced)
            hidden |= worse
            not_weak |= unasked
            optional += due
        raise ResolveError("the solver does not come to rest", hint="please report this request")

    @property
    def _weak(self) -> bool:
        return self.settings.recommends and any(c.want.recommends for c in self.choices)

    def _solve(
        self, hidden: set[Offer], optional: Sequence[Pick], not_weak: set[Offer]
    ) -> Solution:
        self.sack.hide(hidden)
        solution = self.sack.solve(
            self.picks, optional=optional, weak=self._weak, not_weak=not_weak
        )
        if solution.problems:
            raise blocked_error(self.sack, self.choices, solution, self.rank)
        going = {*(old for old, _ in solution.replaced), *solution.removed}
        if changed := sorted(str(o.nevra) for o in going if not self._may_go(o)):
            raise ResolveError(
                f"the request would change packages of the base: {', '.join(changed)}",
                hint="base packages change only with the base, or by name: pkglayer override",
                data={"base": changed},
            )
        return solution

    def _may_go(self, offer: Offer) -> bool:
        """Whether a package of the base may go or give way: a request names it, or an opened one
        has its name."""
        named = any(offer in c.changes for c in self.choices)
        return named or offer.nevra.name in {o.nevra.name for o in self.opened}

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
        names = {*self.sack.base_arches(), *(o.nevra.name for o in solution.offers)}
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
