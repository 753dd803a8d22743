"""Tells in one sentence why a request cannot be met on this base, and what to do.

`unknown_error(sack, wants, groups)` for what cannot be found, `blocked_error(sack, choices,
solution, rank)` for what the solver refuses. They ask the sack as the solver saw it and return the
error to raise, with every request that is in trouble; the solver's own text goes into
`data["solver"]`.
"""

from collections.abc import Callable, Sequence

from pkglayer.model.explain import Blocked, Trouble, Way
from pkglayer.model.fitting import most_fitting
from pkglayer.model.names import near_matches, quoted
from pkglayer.model.offer import CACHE, Offer, Solution
from pkglayer.model.request import Want
from pkglayer.system.choices import Choice, Pick
from pkglayer.system.comps import Group
from pkglayer.system.needs import Blocker, find_blocker, list_offers
from pkglayer.system.sack import Sack
from pkglayer.system.sackinfo import find_elsewhere
from pkglayer.system.together import clash_words

Rank = Callable[[Want], tuple[int, int, str]]


def by_spec(want: Want) -> tuple[int, int, str]:
    """The order in which requests are tried where no rules say otherwise."""
    return 0, 0, want.spec


def _down(sack: Sack) -> str:
    """The repositories that are out of sight, with reasons; empty if there are none."""
    texts = [f"{r.id} ({r.problem})" for r in sack.repositories if not r.available]
    return f"a repository that cannot be used now, {', '.join(texts)}," if texts else ""


def _nevras(offers: Sequence[Offer]) -> tuple[str, ...]:
    return tuple(str(o.nevra) for o in offers)


def _install(sack: Sack, spec: str, what: str, *, more: str = "") -> Way:
    """The way of asking for something else, with its cost where the solver can tell it."""
    command = f"pkglayer install {quoted(spec)}{more}"
    offers = [] if more else sack.find(spec)
    solution = sack.solve([offers]) if offers else Solution(problems=("",))
    if solution.problems or any(o.installed for o in offers):
        return Way(command, what)
    size = sum(sack.package(o).download_size for o in solution.offers)
    return Way(command, what, len(solution.offers), size)


# What cannot be found


def unknown_error(sack: Sack, wants: Sequence[Want], groups: Sequence[Group]) -> Blocked:
    """One error for all requests that nothing in sight satisfies, with near matches."""
    elsewhere = find_elsewhere(sack, [w.spec for w in wants if w.kind == "package"])
    rows = [_unknown(sack, w, groups, elsewhere.get(w.spec, [])) for w in wants]
    down = [r.id for r in sack.repositories if not r.available]
    hints = list(dict.fromkeys(r.hint for r in rows if r.hint))
    if down:
        hints.insert(0, f"{_down(sack)} may have it")
    return Blocked(
        rows,
        hint="; ".join(hints) or "look for names with: pkglayer search TERM",
        data={
            "unknown": [w.spec for w in wants],
            "near": {r.want.spec: list(r.near) for r in rows},
            "down": down,
        },
    )


def _unknown(sack: Sack, want: Want, groups: Sequence[Group], elsewhere: list[str]) -> Trouble:
    if want.kind == "group":
        ids = [f"^{g.id}" if g.environment else g.id for g in groups]
        near = near_matches(want.spec[1:], ids)
        known = f" (did you mean {', '.join('@' + n for n in near)}?)" if near else ""
        text = f"no repository has a group '{want.spec}'{known}"
        return Trouble(want, "group", text, near=tuple(near))
    hidden = [o for o in sack.find(want.spec, everything=True) if o.repo != CACHE]
    if hidden:
        return _kept_out(sack, want, hidden)
    if elsewhere:
        text = f"'{want.spec}' is only in the disabled repository {', '.join(elsewhere)}"
        more = f" --enablerepo={elsewhere[0]}"
        way = _install(sack, want.spec, "uses that repository once", more=more)
        hint = f"allow it with --enablerepo={elsewhere[0]}"
        return Trouble(want, "disabled", text, hint, offers=tuple(elsewhere), ways=(way,))
    if other := _other_versions(sack, want.spec):
        text = f"no version fits '{want.spec}'; there is {list_offers(sack, other)}"
        way = _install(sack, other[0].nevra.name, "takes the version that there is")
        return Trouble(want, "version", text, offers=_nevras(other), ways=(way,))
    near = near_matches(want.spec, sack.names())
    guess = f" (did you mean {', '.join(near)}?)" if near else ""
    ways = tuple(_install(sack, name, "in case that name was meant") for name in near)
    text = f"nothing provides '{want.spec}'{guess}"
    return Trouble(want, "missing", text, near=tuple(near), ways=ways)


def _kept_out(sack: Sack, want: Want, hidden: Sequence[Offer]) -> Trouble:
    """It exists, but configuration, the request itself or the base is against it."""
    spec = want.spec
    if all(sack.is_excluded(o) for o in hidden):
        repos = ", ".join(sorted({o.repo for o in hidden}))
        return Trouble(
            want,
            "excluded",
            f"'{spec}' is kept out by excludepkgs or includepkgs of {repos}",
            "change those lines in the .repo file or dnf.conf if you want it",
            offers=_nevras(hidden),
        )
    base = [o for h in hidden for o in sack.named(h.nevra.name) if o.installed]
    kind = "in-base" if base else "obsoletes"
    if not base:
        base = [o for h in hidden for o in sack.obsoleted(h) if o.installed]
    if not base:
        return _unpinned(sack, want, hidden)
    return Trouble(
        want,
        kind,
        f"'{spec}' is {list_offers(sack, hidden)}, and the base has "
        f"{list_offers(sack, list(dict.fromkeys(base)))} in its place, which does not change",
        "a newer base may have it: pkglayer upgrade --check",
        base=_nevras(base),
        offers=_nevras(hidden),
        ways=(Way("pkglayer forecast", "shows whether the next base has it, and changes nothing"),),
    )


def _unpinned(sack: Sack, want: Want, hidden: Sequence[Offer]) -> Trouble:
    """Only the request's own version or excludes keep it out."""
    limit = f"version {want.version}" if want.version else f"without {', '.join(want.exclude)}"
    return Trouble(
        want,
        "version",
        f"'{want.spec}' is wanted {'in ' if want.version else ''}{limit}; "
        f"there is {list_offers(sack, hidden)}",
        f"take any version: pkglayer unpin-version {quoted(want.spec)}",
        offers=_nevras(hidden),
        ways=(Way(f"pkglayer unpin-version {quoted(want.spec)}", "takes the newest that fits"),),
    )


def _other_versions(sack: Sack, spec: str) -> list[Offer]:
    """For `foo >= 2` or `foo-2-1.x86_64`: the versions of foo that there are."""
    words = spec.split()
    name = words[0] if len(words) == 3 else ""
    found = sack.providers(name, everything=True) if name else []
    parts = spec.split("-")
    for end in range(len(parts) - 1, 0, -1):
        if parts[end][:1].isdigit():  # a version begins here, so a name ends before
            found = found or sack.named("-".join(parts[:end]))
    return [o for o in found if o.repo != CACHE]


# What does not fit


def blocked_error(
    sack: Sack, choices: Sequence[Choice], solution: Solution, rank: Rank = by_spec
) -> Blocked:
    """The error for requests that the solver refused: each that fails alone, and each that yields.

    Of requests that do not go together the later by `rank` yields.
    """
    alone = [(c, p) for c in choices if (p := _failing_pick(sack, c))]
    troubles = [_alone(sack, c.want, p, solution) for c, p in alone]
    failing = [c for c, _ in alone]
    rest = sorted((c for c in choices if c not in failing), key=lambda c: rank(c.want))
    troubles += _yielding(sack, rest)
    if not troubles:
        specs = ", ".join(c.want.spec for c in choices)
        text = f"{specs} cannot be in one layer: {solution.problems[0]}"
        troubles = [Trouble(c.want, "other", text) for c in choices[:1]]
    first = troubles[0]
    facts = {"needs": first.needs, "base": list(first.base), "offers": list(first.offers)}
    specs_in_trouble = [s for t in troubles for s in (t.want.spec, *t.others)]
    return Blocked(
        troubles,
        data={
            "solver": list(solution.problems),
            "blocked": sorted(set(specs_in_trouble)),
            **(facts if alone else {}),
        },
    )


def _failing_pick(sack: Sack, choice: Choice) -> Pick:
    return next((p for p in choice.picks if sack.solve([p]).problems), ())


def _alone(sack: Sack, want: Want, pick: Pick, solution: Solution) -> Trouble:
    if all(sack.is_hidden(o) for o in pick):
        return _kept_out(sack, want, pick)
    newest = sack.newest(pick)
    own = sack.solve([pick]).problems or solution.problems
    # libsolv alone knows which processors run what; there is no other way to ask it.
    if any("compatible architecture" in line for line in own):
        arches = ", ".join(sorted({o.nevra.arch for o in pick}))
        text = f"'{want.spec}' exists only for {arches}, which this machine does not run"
        return Trouble(want, "architecture", text, offers=_nevras(pick))
    blocker = find_blocker(sack, newest)
    start = f"{want.spec} cannot be layered on this base: "
    if blocker is None:
        return Trouble(want, "other", start + own[0], _way_out(sack, want.spec, None))
    return Trouble(
        want,
        blocker.kind,
        start + blocker.words(sack),
        _way_out(sack, want.spec, blocker),
        needs=blocker.needs,
        chain=_nevras(blocker.chain),
        base=_nevras(blocker.base),
        offers=_nevras(blocker.offers),
        ways=_ways(want.spec, blocker),
    )


def _way_out(sack: Sack, spec: str, blocker: Blocker | None) -> str:
    if down := _down(sack):
        return f"{down} may have what is missing; try again when it can be used"
    if blocker and blocker.kind == "excluded-need":
        return (
            "excludepkgs or includepkgs of the repository keep it out: change them if you want it"
        )
    if blocker and blocker.kind == "disabled-need":
        return f"allow it with --enablerepo={blocker.elsewhere[0]}, or do without {spec}"
    if blocker and blocker.base:
        return (
            "upgrade the base first (pkglayer upgrade --check), let newer base packages in with "
            f"--allow-base-updates, or do without {spec}"
        )
    return f"enable the repository that has it (--enablerepo=ID), or do without {spec}"


def _ways(spec: str, blocker: Blocker) -> tuple[Way, ...]:
    ways = []
    if blocker.elsewhere:
        command = f"pkglayer install {quoted(spec)} --enablerepo={blocker.elsewhere[0]}"
        ways.append(Way(command, "uses that repository once"))
    if blocker.base:
        ways.append(
            Way("pkglayer forecast", "shows whether it fits on the next base, and changes nothing")
        )
    return tuple(ways)


def _yielding(sack: Sack, rest: Sequence[Choice]) -> list[Trouble]:
    """Each choice fits by itself; those that do not go together with the ones before them."""
    kept = most_fitting((), rest, lambda choices: _fits(sack, choices))
    return [_against(sack, c, kept) for c in rest if c not in kept]


def _fits(sack: Sack, choices: Sequence[Choice]) -> bool:
    return not sack.solve([p for c in choices for p in c.picks]).problems


def _against(sack: Sack, choice: Choice, kept: Sequence[Choice]) -> Trouble:
    """Name the fewest others that stand against a choice."""
    others = [c for c in kept if c.picks]
    for other in list(others):
        fewer = [c for c in others if c is not other]
        if not _fits(sack, [choice, *fewer]):
            others = fewer
    specs = [choice.want.spec, *(c.want.spec for c in others)]
    ordered = sorted(specs)
    words = clash_words(sack, choice, others)
    return Trouble(
        choice.want,
        "together",
        f"{' and '.join(ordered)} cannot be in one layer: {words}",
        "leave one of them out, or try: pkglayer upgrade",
        others=tuple(specs[1:]),
        ways=tuple(
            Way(f"pkglayer uninstall {quoted(c.want.spec)}", f"makes room for {choice.want.spec}")
            for c in others
            if c.want.source == "command"
        ),
    )


def merged(first: Blocked, second: Blocked) -> Blocked:
    """Both at once, so that nobody has to come back for the second."""
    data = {k: v for k, v in {**second.data, **first.data}.items() if k != "blockers"}
    hint = "; ".join(dict.fromkeys(h for h in (first.hint, second.hint) if h))
    return Blocked((*first.troubles, *second.troubles), hint=hint, data=data)
