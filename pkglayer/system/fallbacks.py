"""Which chosen packages are not the newest on offer, and why: what was fallen back on.

`find_fallbacks(sack, offers)` asks the sack as the solver saw it and chooses nothing.
"""

from collections.abc import Sequence
from datetime import UTC, datetime

from pkglayer.model.offer import CACHE, LOCAL, Offer
from pkglayer.model.plan import Fallback
from pkglayer.system.needs import find_blocker, list_offers
from pkglayer.system.sack import Sack


def find_fallbacks(sack: Sack, chosen: Sequence[Offer]) -> tuple[Fallback, ...]:
    """One row for each package that is older than what repositories have, or only cached."""
    rows = (_fallback(sack, offer) for offer in chosen)
    return tuple(row for row in rows if row)


def _fallback(sack: Sack, offer: Offer) -> Fallback | None:
    head = sack.head(offer)
    if head and head.package.repo == LOCAL:
        return None
    rivals = [
        o
        for o in sack.available([offer.nevra.name])
        if o.repo != CACHE
        and o.nevra.arch == offer.nevra.arch
        and not sack.is_hidden(o)
        and not sack.is_excluded(o)
    ]
    if rivals and (newest := sack.newest([*rivals, offer])).nevra != offer.nevra:
        blocker = find_blocker(sack, newest)
        reason = blocker.words(sack) if blocker else f"{newest.nevra} does not fit"
        return Fallback(str(offer.nevra), "cached" if head else "older", reason)
    if head and not any(o.nevra == offer.nevra for o in rivals):
        return Fallback(str(offer.nevra), *_why_cached(sack, head.package.repo, rivals))
    return None


def _why_cached(sack: Sack, repo: str, rivals: Sequence[Offer]) -> tuple[str, str]:
    for repository in sack.repositories:
        if repository.id == repo and not repository.available:
            date = f"{datetime.fromtimestamp(repository.timestamp, UTC):%Y-%m-%d}"
            when = f"; its metadata is of {date}" if repository.timestamp else ""
            return "stale", f"{repo} cannot be used now ({repository.problem}){when}"
    if rivals:
        return "cached", f"the repositories have only {list_offers(sack, rivals)}"
    return "cached", "no repository has it any more"
