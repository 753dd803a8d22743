"""Tells in one sentence why a request cannot be met on this base, and what to do.

`unknown_error(sack, wants, groups)` for what cannot be found, `blocked_error(sack, choices,
solution)` for what the solver refuses. They ask the sack as the solver saw it and return the error
to raise; the solver's own text goes into `data["solver"]`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from pkglayer.model.errors import ResolveError
from pkglayer.model.names import near_matches
from pkglayer.model.offer import CACHE, Offer, Solution
from pkglayer.model.request import Want
from pkglayer.system.choices import Choice, Pick
from pkglayer.system.comps import Group
from pkglayer.system.sack import Sack
from pkglayer.system.sackinfo import find_elsewhere

_MAX_DEPTH = 12


def _list(offers: Sequence[Offer], limit: int = 3) -> str:
    """`foo-1-1.x86_64 from w, foo-2-1.x86_64 from w and 4 more`; the base's without `from`."""
    texts = [str(o.nevra) + ("" if o.installed else f" from {o.repo}") for o in offers]
    more = f" and {len(texts) - limit} more" if len(texts) > limit else ""
    return ", ".join(texts[:limit]) + more


def _down(sack: Sack) -> str:
    """The repositories that are out of sight, with reasons; empty if there are none."""
    texts = [f"{r.id} ({r.problem})" for r in sack.repositories if not r.available]
    return f"a repository that cannot be used now, {', '.join(texts)}," if texts else ""


# What cannot be found


def unknown_error(sack: Sack, wants: Sequence[Want], groups: Sequence[Group]) -> ResolveError:
    """One error for all requests that nothing in sight satisfies, with near matches."""
    elsewhere = find_elsewhere(sack, [w.spec for w in wants if w.kind == "package"])
    rows = [_unknown(sack, w, groups, elsewhere.get(w.spec, [])) for w in wants]
    down = [r.id for r in sack.repositories if not r.available]
    hints = list(dict.fromkeys(r.hint for r in rows if r.hint))
    if down:
        hints.insert(0, f"{_down(sack)} may have it")
    return ResolveError(
        "; ".join(r.text for r in rows),
        hint="; ".join(hints) or "look for names with: pkglayer search TERM",
        data={
            "unknown": [w.spec for w in wants],
            "near": {w.spec: list(r.near) for w, r in zip(wants, rows, strict=True)},
            "down": down,
        },
    )


@dataclass(frozen=True)
class _Unknown:
    text: str
    hint: str = ""
    near: tuple[str, ...] = ()


def _unknown(sack: Sack, want: Want, groups: Sequence[Group], elsewhere: list[str]) -> _Unknown:
    if want.kind == "group":
        near = near_matches(want.spec[1:], [g.id for g in groups])
        known = f" (did you mean {', '.join('@' + n for n in near)}?)" if near else ""
        return _Unknown(f"no repository has a group '{want.spec}'{known}", near=tuple(near))
    hidden = [o for o in sack.find(want.spec, everything=True) if o.repo != CACHE]
    if hidden:
        return _kept_out(sack, want.spec, hidden)
    if elsewhere:
        return _Unknown(
            f"'{want.spec}' is only in the disabled repository {', '.join(elsewhere)}",
            f"allow it with --enablerepo={elsewhere[0]}",
        )
    if other := _other_versions(sack, want.spec):
        return _Unknown(f"no version fits '{want.spec}'; there is {_list(other)}")
    near = near_matches(want.spec, sack.names())
    guess = f" (did you mean {', '.join(near)}?)" if near else ""
    return _Unknown(f"nothing provides '{want.spec}'{guess}", near=tuple(near))


def _kept_out(sack: Sack, spec: str, hidden: Sequence[Offer]) -> _Unknown:
    """It exists, but configuration or the base itself is against it."""
    if all(sack.is_excluded(o) for o in hidden):
        repos = ", ".join(sorted({o.repo for o in hidden}))
        return _Unknown(
            f"'{spec}' is kept out by excludepkgs or includepkgs of {repos}",
            "change those lines in the .repo file or dnf.conf if you want it",
        )
    base = [o for h in hidden for o in sack.named(h.nevra.name) if o.installed]
    if not base:
        base = [o for h in hidden for o in sack.obsoleted(h) if o.installed]
    return _Unknown(
        f"'{spec}' is {_list(hidden)}, and the base has {_list(list(dict.fromkeys(base)))} "
        "in its place, which does not change",
        "a newer base may have it: pkglayer upgrade --check",
    )


def _other_versions(sack: Sack, spec: str) -> list[Offer]:
    """For `foo >= 2` or `foo-2-1.x86_64`: the versions of foo that there are."""
    words = spec.split()
    name = words[0] if len(words) == 3 else ""
    found = sack.providers(name, everything=True) if name else []
    parts = spec.split("-")
    for end in range(len(parts) - 1, 0, -1):
        found = found or sack.named("-".join(parts[:end]))
    return [o for o in found if o.repo != CACHE]


# What does not fit


@dataclass(frozen=True)
class _Blocker:
    """`chain` leads from the request's package to the one that has the trouble.

    Either `needs` cannot be met (`base` and `offers` have other versions of it), or the package
    clashes with `base`.
    """

    chain: tuple[Offer, ...]
    needs: str = ""
    base: tuple[Offer, ...] = ()
    offers: tuple[Offer, ...] = ()


def blocked_error(sack: Sack, choices: Sequence[Choice], solution: Solution) -> ResolveError:
    """The error for requests that the solver refused, blamed on as few of them as possible."""
    data: dict[str, object] = {"solver": list(solution.problems)}
    alone = [(c, p) for c in choices if (p := _failing_pick(sack, c))]
    if not alone:
        specs = [c.want.spec for c in _least_clash(sack, choices)]
        return ResolveError(
            f"{' and '.join(specs)} cannot be in one layer: {solution.problems[0]}",
            hint="leave one of them out, or try: pkglayer upgrade",
            data=data | {"blocked": specs},
        )
    texts, hints = [], []
    for choice, pick in alone:
        if all(sack.is_hidden(o) for o in pick):
            kept_out = _kept_out(sack, choice.want.spec, pick)
            texts.append(kept_out.text)
            hints.append(kept_out.hint)
            continue
        blocker = _find_blocker(sack, sack.newest(pick))
        texts.append(_sentence(choice.want.spec, blocker, solution))
        hints.append(_way_out(sack, choice.want.spec, blocker))
    if blocker := _find_blocker(sack, sack.newest(alone[0][1])):
        data |= {
            "needs": blocker.needs,
            "base": [str(o.nevra) for o in blocker.base],
            "offers": [str(o.nevra) for o in blocker.offers],
        }
    return ResolveError(
        "; ".join(dict.fromkeys(texts)),
        hint="; ".join(dict.fromkeys(hints)),
        data=data | {"blocked": [c.want.spec for c, _ in alone]},
    )


def _failing_pick(sack: Sack, choice: Choice) -> Pick:
    return next((p for p in choice.picks if sack.solve([p]).problems), ())


def _least_clash(sack: Sack, choices: Sequence[Choice]) -> list[Choice]:
    """As few requests as possible that still do not fit together."""
    left = [c for c in choices if c.picks]
    for choice in list(left):
        fewer = [c for c in left if c is not choice]
        if sack.solve([p for c in fewer for p in c.picks]).problems:
            left = fewer
    return left


def _find_blocker(sack: Sack, offer: Offer, chain: tuple[Offer, ...] = ()) -> _Blocker | None:
    """Walk down the requirements to the first that nothing in sight meets."""
    chain = (*chain, offer)
    if clashes := sack.clashes(offer):
        return _Blocker(chain, base=tuple(clashes))
    met = {r: sack.providers(r) for r in sack.requires(offer) if not r.startswith("(")}
    for requirement, providers in met.items():
        if not providers:
            return _missing(sack, chain, requirement)
    if len(chain) >= _MAX_DEPTH:
        return None
    for providers in met.values():
        inside = any(o.installed or o in chain for o in providers)
        if not inside and sack.solve([providers]).problems:
            return _find_blocker(sack, sack.newest(providers), chain)
    return None


def _missing(sack: Sack, chain: tuple[Offer, ...], requirement: str) -> _Blocker:
    name = requirement.split()[0]
    others = [o for o in sack.providers(name, everything=True) if o.repo != CACHE]
    exact = [o for o in sack.providers(requirement, everything=True) if o.repo != CACHE]
    return _Blocker(
        chain,
        requirement,
        tuple(o for o in others if o.installed),
        tuple(o for o in exact if not o.installed),
    )


def _sentence(spec: str, blocker: _Blocker | None, solution: Solution) -> str:
    if blocker is None:
        return f"{spec} cannot be layered on this base: {solution.problems[0]}"
    first, *rest = [str(o.nevra) for o in blocker.chain]
    chain = f"{first} needs {', which needs '.join(rest)}, which" if rest else first
    start = f"{spec} cannot be layered on this base: {chain}"
    if not blocker.needs:
        return f"{start} conflicts with {_list(blocker.base)} of the base"
    have = []
    if blocker.base:
        have.append(f"the base has {_list(blocker.base)}, which does not change")
    if blocker.offers:
        have.append(f"the repositories offer it only with {_list(blocker.offers)}")
    else:
        have.append("no repository in sight offers it")
    return f"{start} needs {blocker.needs}; {', and '.join(have)}"


def _way_out(sack: Sack, spec: str, blocker: _Blocker | None) -> str:
    if down := _down(sack):
        return f"{down} may have what is missing; try again when it can be used"
    if blocker and blocker.offers and all(sack.is_excluded(o) for o in blocker.offers):
        return (
            "excludepkgs or includepkgs of the repository keep it out: change them if you want it"
        )
    if blocker and blocker.base:
        return f"upgrade the base first (pkglayer upgrade --check), or do without {spec}"
    return f"enable the repository that has it (--enablerepo=ID), or do without {spec}"
