"""Why one package is in a state, in a sentence: from its row in the record and the chain to it.

`explain(package, wants, overrides, chain)` is pure; who needs whom is found by `engine.why`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from pkglayer.model.package import Package
from pkglayer.model.plan import Override
from pkglayer.model.request import SOURCE_PREFIX, Want


@dataclass(frozen=True)
class Link:
    """A package in a chain, and how it needs the next one: `needs` or `recommends`."""

    nevra: str
    verb: str = "needs"


@dataclass(frozen=True)
class Why:
    """Why one package is in a state: `chain` leads from the request's package to it, itself last;
    `sources` says who requests; both are empty for a package of the base."""

    nevra: str
    reason: str
    sentence: str
    requests: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    chain: tuple[str, ...] = ()


def explain(
    package: Package, wants: Iterable[Want], overrides: Iterable[Override], chain: Sequence[Link]
) -> Why:
    """The reason of a layered package; `chain` ends with it."""
    behind = [w for w in wants if w.spec in package.requests]
    nevra = str(package.nevra)
    place = next((o for o in overrides if o.new == nevra), None)
    if place is not None:
        sentence = _in_place(place, behind)
    elif package.reason == "user":
        sentence = f"{nevra} was requested {_asked(behind, package.nevra.name)}"
    elif package.reason == "group":
        groups = " and ".join(dict.fromkeys(w.spec for w in behind)) or "a group"
        verb = "which was" if len({w.spec for w in behind}) < 2 else "which were"
        sentence = f"{nevra} belongs to {groups}, {verb} requested {_asked(behind)}"
    else:
        sentence = _needed(nevra, behind, chain)
    sources = tuple(source_words(w) for w in behind)
    names = tuple(link.nevra for link in chain) or (nevra,)
    return Why(nevra, package.reason, f"{sentence}.", package.requests, sources, names)


def source_words(want: Want) -> str:
    """Who requests: `command` or `the layer NAME`."""
    if want.source.startswith(SOURCE_PREFIX):
        return f"the layer {want.source.removeprefix(SOURCE_PREFIX)}"
    return want.source


def _asked(behind: Sequence[Want], name: str = "") -> str:
    """`by command and by the layer x, as 'foo*'`, the words only where they are not the name."""
    whose = " and ".join(dict.fromkeys(f"by {source_words(w)}" for w in behind))
    words = [f"'{w.spec}'" for w in behind if w.kind == "package" and w.spec != name]
    as_typed = f", as {' and '.join(dict.fromkeys(words))}" if name and words else ""
    return f"{whose or 'by nobody any more'}{as_typed}"


def _in_place(place: Override, behind: Sequence[Want]) -> str:
    if place.kind == "update":
        return (
            f"{place.new} is in place of the base's {place.old} for as long as the base is older: "
            f"{' and '.join(place.requests)} cannot do without"
        )
    return f"{place.new} is in place of the base's {place.old}, as was requested {_asked(behind)}"


def _needed(nevra: str, behind: Sequence[Want], chain: Sequence[Link]) -> str:
    specs = " and ".join(dict.fromkeys(w.spec for w in behind))
    for_whom = f"for {specs}, requested {_asked(behind)}" if specs else "for no request any more"
    if len(chain) < 2:
        return f"{nevra} came along {for_whom}"
    steps = [f"{link.verb} {after.nevra}" for link, after in pairwise(chain)]
    return f"{nevra} came along {for_whom}: {chain[0].nevra} {', which '.join(steps)}"
