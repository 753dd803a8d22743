"""What of a sack must never be chosen for a request, however well it would fit.

`find_untouchable(sack)` guards the base, `find_unusable(sack, wants, keep)` guards against what
only this machine happens to have imported, `find_clashing(sack, clashes)` against what a build did
not go with. What requests keep out themselves is in `choices`.
"""

from collections.abc import Iterable, Sequence

from pkglayer.model.explain import Clash
from pkglayer.model.offer import LOCAL, Offer
from pkglayer.model.package import Nevra, Package
from pkglayer.model.request import Want
from pkglayer.system.sack import Sack


def find_untouchable(sack: Sack) -> set[Offer]:
    """Offers that would change the base: other versions of its packages, and obsoleters."""
    arches = sack.base_arches()
    found = set(sack.obsoleting_base())
    for offer in sack.available(sorted(arches)):
        there = arches[offer.nevra.name]
        if offer.nevra.arch in there or "noarch" in {offer.nevra.arch, *there}:
            found.add(offer)
    return found


def find_unusable(sack: Sack, wants: Iterable[Want], keep: Sequence[Package]) -> set[Offer]:
    """Imported packages that must not be chosen now, so that only the request decides.

    Usable is what the state before has, what a request names, and what comes from a repository
    that is configured but down.
    """
    kept = {p.header_checksum for p in keep if p.repo != LOCAL}
    wanted = {w.header_checksum for w in wants if w.header_checksum}
    down = {r.id for r in sack.repositories if not r.available}
    return {
        offer
        for offer, head in sack.cached()
        if head.header_checksum not in kept | wanted and head.package.repo not in down
    }


def find_clashing(sack: Sack, clashes: Sequence[Clash]) -> dict[Offer, str]:
    """Every offer of the packages that clash, with the reason in words."""
    words = {c.nevra: c.words for c in clashes}
    names = sorted({Nevra.parse(nevra).name for nevra in words})
    offers = sack.available(names) if names else []
    return {o: words[str(o.nevra)] for o in offers if str(o.nevra) in words}
