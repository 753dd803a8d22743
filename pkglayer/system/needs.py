"""Walks from a package down its requirements to the one that nothing in sight meets.

`find_blocker(sack, offer)` -> `Blocker`, which can say itself in words. The sack is asked as the
solver saw it; what requests mean and which of them yields is for `blockers`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from pkglayer.model.offer import CACHE, Offer
from pkglayer.system.sack import Sack
from pkglayer.system.sackinfo import find_elsewhere

_MAX_DEPTH = 12
_SHOWN = 3


@dataclass(frozen=True)
class Blocker:
    """`chain` leads from the request's package to the one that has the trouble.

    Either `needs` cannot be met (`base` and `offers` have other versions of it, `elsewhere` are
    disabled repositories that have it), or the package clashes with `base`.
    """

    kind: str
    chain: tuple[Offer, ...]
    needs: str = ""
    base: tuple[Offer, ...] = ()
    offers: tuple[Offer, ...] = ()
    elsewhere: tuple[str, ...] = ()

    def words(self, sack: Sack) -> str:
        """The trouble in plain words, beginning with the request's package."""
        first, *rest = [str(o.nevra) for o in self.chain]
        start = f"{first} needs {', which needs '.join(rest)}, which" if rest else first
        if self.kind == "conflicts":
            return f"{start} conflicts with {list_offers(sack, self.base)} of the base"
        have = []
        if self.base:
            have.append(f"the base has {list_offers(sack, self.base)}, which does not change")
        if self.kind == "excluded-need":
            offers = list_offers(sack, self.offers)
            have.append(f"excludepkgs or includepkgs keep {offers} out")
        elif self.elsewhere:
            have.append(f"only the disabled repository {', '.join(self.elsewhere)} has it")
        elif self.offers:
            have.append(f"the repositories offer it only with {list_offers(sack, self.offers)}")
        else:
            have.append("no repository in sight offers it")
        return f"{start} needs {self.needs}; {', and '.join(have)}"


def list_offers(sack: Sack, offers: Sequence[Offer]) -> str:
    """`foo-1-1.x86_64 from w since 2026-11-20 and 4 more`; the base's by name alone."""
    texts = [_text(sack, o) for o in offers]
    more = f" and {len(texts) - _SHOWN} more" if len(texts) > _SHOWN else ""
    return ", ".join(texts[:_SHOWN]) + more


def _text(sack: Sack, offer: Offer) -> str:
    if offer.installed:
        return str(offer.nevra)
    built = sack.built(offer)
    since = f" since {datetime.fromtimestamp(built, UTC):%Y-%m-%d}" if built else ""
    return f"{offer.nevra} from {offer.repo}{since}"


def find_blocker(sack: Sack, offer: Offer, chain: tuple[Offer, ...] = ()) -> Blocker | None:
    """Walk down the requirements to the first that nothing in sight meets."""
    chain = (*chain, offer)
    if clashes := sack.clashes(offer):
        return Blocker("conflicts", chain, base=tuple(clashes))
    required = sack.requires(offer)
    met = {r: sack.providers(r) for r in required if not r.startswith("(")}
    for requirement, providers in met.items():
        if not providers:
            return _missing(sack, chain, requirement)
    if len(chain) >= _MAX_DEPTH:
        return None
    for providers in met.values():
        inside = any(o.installed or o in chain for o in providers)
        if not inside and sack.solve([providers]).problems:
            return find_blocker(sack, sack.newest(providers), chain)
    rich = [r for r in required if r.startswith("(")]
    if len(rich) == 1:
        return _rich(sack, chain, rich[0])
    return None


def _missing(sack: Sack, chain: tuple[Offer, ...], requirement: str) -> Blocker:
    others = _named(sack, requirement.split()[0])
    base = tuple(o for o in others if o.installed)
    exact = [o for o in sack.providers(requirement, everything=True) if o.repo != CACHE]
    offers = tuple(o for o in exact if not o.installed)
    elsewhere: tuple[str, ...] = ()
    if offers and all(sack.is_excluded(o) for o in offers):
        kind = "excluded-need"
    elif not offers and (elsewhere := tuple(find_elsewhere(sack, [requirement])[requirement])):
        kind = "disabled-need"
    else:
        kind = "base-version" if base else "requires"
    return Blocker(kind, chain, requirement, base, offers, elsewhere)


def _named(sack: Sack, capability: str) -> list[Offer]:
    return [o for o in sack.providers(capability, everything=True) if o.repo != CACHE]


def _rich(sack: Sack, chain: tuple[Offer, ...], requirement: str) -> Blocker:
    """A condition such as `(a or b)`: what the base has of its parts is what decides."""
    names = [w for w in requirement.replace("(", " ").replace(")", " ").split() if w[0].isalpha()]
    words = [n for n in names if n not in ("and", "or", "if", "else", "unless", "with", "without")]
    base = tuple(o for n in dict.fromkeys(words) for o in _named(sack, n) if o.installed)
    return Blocker("requires", chain, requirement, base)
