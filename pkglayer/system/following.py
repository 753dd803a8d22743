"""Local RPMs and what repositories have newer of them: which may take a file's place, and why.

A request that follows goes along with what has the file's vendor or is signed by its key; the
others stay, and the plan says what they leave. Nothing is chosen or downloaded here.
"""

from collections.abc import Iterator, Sequence

from pkglayer.model.offer import LOCAL, Offer
from pkglayer.model.plan import Fallback, Followed
from pkglayer.model.request import Want
from pkglayer.system.needs import find_blocker
from pkglayer.system.sack import Sack


def find_newer(sack: Sack, local: Offer) -> list[Offer]:
    """Newer versions of a local RPM, of its name and architecture."""
    return [
        o
        for o in sack.find(local.nevra.name)
        if o.nevra.name == local.nevra.name
        and o.nevra.arch == local.nevra.arch
        and not o.installed
        and sack.newest([local, o]) != local
    ]


def find_followed(sack: Sack, want: Want, local: Offer) -> list[Offer]:
    """Those of them that the request may move to."""
    newer = find_newer(sack, local) if want.follow else []
    return [o for o in newer if why_same(sack, local, o)]


def find_unsigned(sack: Sack, wants: Sequence[Want]) -> list[Offer]:
    """Offers of repositories of which only the signer can tell whether a request follows them."""
    return [
        offer
        for want, local in _locals(sack, wants)
        if want.follow and sack.signer(local)
        for offer in find_newer(sack, local)
        if sack.head(offer) is None and not why_same(sack, local, offer)
    ]


def why_same(sack: Sack, local: Offer, offer: Offer) -> str:
    """In which way an offer is from where the file is from, "" for none that is known."""
    if (vendor := sack.vendor(local)) and sack.vendor(offer) == vendor:
        return f"the same vendor, {vendor}"
    if (key := sack.signer(local)) and sack.signer(offer) == key:
        return f"signed by the same key, {key}"
    return ""


def tell_followed(
    sack: Sack, wants: Sequence[Want], chosen: Sequence[Offer]
) -> tuple[Followed, ...]:
    """The files in whose place a plan has something newer."""
    return tuple(
        Followed(str(local.nevra), str(offer.nevra), why)
        for want, local in _locals(sack, wants)
        if want.follow
        for offer in find_newer(sack, local)
        if offer in chosen and (why := why_same(sack, local, offer))
    )


def tell_left(sack: Sack, wants: Sequence[Want], chosen: Sequence[Offer]) -> Iterator[Fallback]:
    """The files that stay though a repository has something newer, with the reason."""
    for want, local in _locals(sack, wants):
        newer = find_newer(sack, local) if local in chosen else []
        if newer:
            why = _why_left(sack, want, local, newer)
            yield Fallback(str(local.nevra), "local", why, (want.spec,))


def _why_left(sack: Sack, want: Want, local: Offer, newer: Sequence[Offer]) -> str:
    same = [o for o in newer if why_same(sack, local, o)]
    best = sack.newest(same or newer)
    offered = f"{best.repo} offers {best.nevra}"
    if not same:
        return f"{offered}, neither known to be of the same vendor nor signed by the same key"
    why = why_same(sack, local, best)
    if not want.follow:
        return f"{offered} ({why}); the file was not installed with --follow"
    blocker = find_blocker(sack, best)
    return f"{offered} ({why}): {blocker.words(sack) if blocker else 'it does not fit'}"


def _locals(sack: Sack, wants: Sequence[Want]) -> list[tuple[Want, Offer]]:
    files = {h.header_checksum: o for o, h in sack.cached() if h.package.repo == LOCAL}
    found = [(w, files.get(w.header_checksum)) for w in wants if w.kind == "local"]
    return [(want, offer) for want, offer in found if offer is not None]
