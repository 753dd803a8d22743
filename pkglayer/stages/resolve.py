"""Request -> plan: which packages, from where and why; nothing on the machine changes.

`resolve(sack, base, request, keep=, settings=, upgrade=)` -> `Plan`, or one ResolveError that says
everything that is wrong. Base packages never change here. Solving itself is libsolv's; this stage
says what a request means, keeps what is layered at its version, and tells reasons.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from pkglayer.model.errors import ResolveError
from pkglayer.model.offer import CACHE, LOCAL, Offer, Solution
from pkglayer.model.package import Package
from pkglayer.model.plan import Base, Inactive, Plan, Skipped
from pkglayer.model.reasons import Reason, Root, find_reasons, reach
from pkglayer.model.request import Request, Want
from pkglayer.model.settings import Settings
from pkglayer.system.blockers import blocked_error, unknown_error
from pkglayer.system.sack import Sack

_MAX_ROUNDS = 20


@dataclass(frozen=True)
class Choice:
    """What one want means here: of each of `picks` one offer must be there.

    `provider` is the base package that makes it inactive; neither picks nor provider: unknown.
    """

    want: Want
    picks: tuple[tuple[Offer, ...], ...] = ()
    provider: str = ""
    skipped: tuple[Skipped, ...] = ()


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
) -> Plan:
    """Resolve `request` on the base whose rpmdb `sack` has loaded.

    `keep` are the packages of the state before, which stay at their version unless `upgrade` is
    set or a request cannot be met otherwise.
    """
    hidden = _untouchable(sack) | _unusable_heads(sack, request, keep)
    sack.hide(hidden)
    choices = [_choose(sack, want, settings) for want in request.wants]
    if unknown := [c.want for c in choices if not c.picks and not c.provider]:
        raise unknown_error(sack, unknown)
    active = [c for c in choices if c.picks]
    solution, reasons = _solve(sack, active, hidden, () if upgrade else keep, settings)
    packages = sorted(
        (_to_package(sack, o, reasons[o]) for o in solution.offers), key=lambda p: p.nevra
    )
    return Plan(
        base=base,
        request=request,
        packages=tuple(packages),
        inactive=tuple(Inactive(c.want, c.provider) for c in choices if not c.picks),
        skipped=tuple(s for c in choices for s in c.skipped),
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
    wanted = {w.header_checksum for w in request.wants if w.kind == "local"}
    down = {r.id for r in sack.repositories if not r.available}
    return {
        offer
        for offer, head in sack.cached()
        if head.header_checksum not in kept | wanted and head.package.repo not in down
    }


# What a request means


def _choose(sack: Sack, want: Want, settings: Settings) -> Choice:
    if want.kind == "local":
        offers = [o for o, h in sack.cached() if h.header_checksum == want.header_checksum]
        if not offers:
            raise ResolveError(
                f"the imported copy of the local package {want.spec} is gone",
                hint=f"install it from its file again, or: pkglayer uninstall {want.spec}",
            )
        names = {b.nevra: b for b in sack.base()}
        same = names.get(offers[0].nevra)
        return Choice(want, provider=str(same.nevra)) if same else Choice(want, (tuple(offers),))
    if want.kind == "group":
        return _choose_group(sack, want)
    offers = sack.find(want.spec)
    if _is_glob(want.spec):
        return _choose_glob(want, offers)
    if there := [o for o in offers if o.installed]:
        return Choice(want, provider=str(there[-1].nevra))
    return Choice(want, (tuple(offers),) if offers else ())


def _is_glob(spec: str) -> bool:
    return any(c in spec for c in "*?[")


def _choose_glob(want: Want, offers: Iterable[Offer]) -> Choice:
    """Every name that the glob matches; those in the base are there already."""
    by_name: dict[str, list[Offer]] = {}
    for offer in offers:
        by_name.setdefault(offer.nevra.name, []).append(offer)
    there = [str(o.nevra) for group in by_name.values() for o in group if o.installed]
    picks = tuple(tuple(g) for g in by_name.values() if not any(o.installed for o in g))
    return Choice(want, picks, "" if picks else ", ".join(there))


def _choose_group(sack: Sack, want: Want) -> Choice:
    return Choice(want)


# Solving


def _solve(
    sack: Sack,
    choices: Sequence[Choice],
    hidden: set[Offer],
    keep: Sequence[Package],
    settings: Settings,
) -> tuple[Solution, dict[Offer, Reason]]:
    picks = [pick for c in choices for pick in c.picks]
    if not picks:
        return Solution(), {}
    weak = settings.recommends and any(c.want.recommends for c in choices)
    hidden = hidden | _locks(sack, picks, hidden, keep, weak)
    not_weak: set[Offer] = set()
    for _ in range(_MAX_ROUNDS):
        sack.hide(hidden)
        solution = sack.solve(picks, weak=weak, not_weak=not_weak)
        if solution.problems:
            raise blocked_error(sack, [(c.want, c.picks) for c in choices], solution)
        _check_base(solution)
        worse = _worse_twins(sack, solution, hidden, keep)
        roots = [_root(c, solution, settings) for c in choices]
        hard, soft = sack.edges(solution.offers)
        unasked = set(solution.offers) - set().union(
            *(reach(r.nodes, hard, soft if r.weak else None) for r in roots)
        )
        if not worse and unasked <= not_weak:
            return solution, find_reasons(solution.offers, roots, hard, soft)
        hidden |= worse
        not_weak |= unasked
    raise ResolveError("the solver does not come to rest", hint="please report this request")


def _root(choice: Choice, solution: Solution, settings: Settings) -> Root[Offer]:
    chosen = {o for pick in choice.picks for o in pick} & set(solution.offers)
    return Root(
        choice.want.spec,
        tuple(sorted(chosen)),
        group=choice.want.kind == "group",
        weak=settings.recommends and choice.want.recommends,
    )


def _check_base(solution: Solution) -> None:
    """Whatever was hidden or locked: nothing of the base may move."""
    if solution.changed:
        raise ResolveError(
            f"the request would change packages of the base: {', '.join(solution.changed)}",
            hint="base packages change only with the base itself",
            data={"base": list(solution.changed)},
        )


def _worse_twins(
    sack: Sack, solution: Solution, hidden: set[Offer], keep: Sequence[Package]
) -> set[Offer]:
    """Chosen offers whose NEVRA is to be had from a better place."""
    out = set()
    for offer in solution.offers:
        twins = [t for t in sack.same(offer.nevra) if t not in hidden and not sack.is_excluded(t)]
        best = min(twins, key=lambda t: _twin_rank(sack, t, keep))
        out.update({offer} - {best})
    return out


def _twin_rank(sack: Sack, offer: Offer, keep: Sequence[Package]) -> tuple[int, int, Offer]:
    """Of one NEVRA: what is layered now, then local files, then the better repository."""
    head = sack.head(offer)
    if head and any(p.header_checksum == head.header_checksum for p in keep):
        return (0, *sack.rank(offer))
    if head and head.package.repo == LOCAL:
        return (1, *sack.rank(offer))
    return (2, *sack.rank(offer))


# Keeping versions


def _locks(
    sack: Sack,
    picks: Sequence[Sequence[Offer]],
    hidden: set[Offer],
    keep: Sequence[Package],
    weak: bool,
) -> set[Offer]:
    """Offers to hide so that as many packages as possible stay what they are."""
    rivals = {p.nevra.name: r for p in keep if (r := _rivals(sack, p, hidden))}

    def fits(names: Sequence[str]) -> bool:
        sack.hide(hidden.union(*(rivals[n] for n in names)))
        return not sack.solve(picks, weak=weak).problems

    def most(held: tuple[str, ...], names: tuple[str, ...]) -> tuple[str, ...]:
        """Add what fits of `names` to `held`, halving until single culprits are left out."""
        if not names or fits((*held, *names)):
            return (*held, *names)
        if len(names) == 1:
            return held
        half = len(names) // 2
        return most(most(held, names[:half]), names[half:])

    names = tuple(sorted(rivals))
    if not names or not fits(()):
        return set()
    return set().union(*(rivals[n] for n in most((), names)))


def _rivals(sack: Sack, package: Package, hidden: set[Offer]) -> set[Offer]:
    """Everything else of that name and architecture, if the package itself is to be had."""
    offers = [
        o
        for o in sack.available([package.nevra.name])
        if o.nevra.arch == package.nevra.arch and o not in hidden
    ]
    same = [o for o in offers if o.nevra == package.nevra and not sack.is_excluded(o)]
    exact = [o for o in same if _is_same_file(sack, o, package)] or same
    return set(offers) - set(exact) if exact else set()


def _is_same_file(sack: Sack, offer: Offer, package: Package) -> bool:
    if offer.repo == CACHE:
        head = sack.head(offer)
        return head is not None and head.header_checksum == package.header_checksum
    return sack.package(offer).checksum == package.checksum
