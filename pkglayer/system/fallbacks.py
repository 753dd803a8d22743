"""Which step each chosen package that is not simply the newest on offer came by, and why.

`find_fallbacks(job, outcome, before)` asks the sack as the solver saw it and chooses nothing.
"""

from collections.abc import Sequence
from datetime import UTC, datetime

from pkglayer.model.offer import CACHE, LOCAL, Offer
from pkglayer.model.package import Package
from pkglayer.model.plan import Fallback
from pkglayer.system.job import Job, Outcome
from pkglayer.system.needs import find_blocker, list_offers
from pkglayer.system.sack import Sack


def find_fallbacks(job: Job, outcome: Outcome, before: Sequence[Package]) -> tuple[Fallback, ...]:
    """One row for each package that is older than what repositories have, only cached, or a newer
    package of the base; what simply stays at its version, being among `before`, has none."""
    stays = {p.nevra for p in before}
    updates = {new: old for old, new in outcome.replaced if old not in _asked(job)}
    rows = []
    for offer, reason in outcome.reasons.items():
        if offer in updates:
            specs = ", ".join(reason.requests)
            why = f"{specs} does not fit on the base's {updates[offer].nevra}"
            rows.append(Fallback(str(offer.nevra), "base-update", why, reason.requests))
        elif offer.nevra not in stays and (how := _how(job, outcome, offer)):
            rows.append(Fallback(str(offer.nevra), *how[:2], reason.requests, how[2]))
    return tuple(sorted(rows, key=lambda row: row.nevra))


def _asked(job: Job) -> set[Offer]:
    """Base packages that requests themselves replace."""
    return {o for c in job.choices for o in c.changes}


def _how(job: Job, outcome: Outcome, offer: Offer) -> tuple[str, str, str] | None:
    """The step, why, and the requirement that was in the way of the newest."""
    sack, head = job.sack, job.sack.head(offer)
    if head and head.package.repo == LOCAL:
        return None
    rivals = _rivals(job, offer)
    if rivals and (newest := sack.newest([*rivals, offer])).nevra != offer.nevra:
        return ("cached" if head else "older", *_in_the_way(job, outcome, offer, newest))
    if head and not any(o.nevra == offer.nevra for o in rivals):
        return (*_why_cached(sack, head.package.repo, rivals), "")
    return None


def _rivals(job: Job, offer: Offer) -> list[Offer]:
    """What repositories offer in its place: not of worse priority, and not against the request."""
    sack, worst = job.sack, _priority(job.sack, offer)
    picks = [p for p in job.picks if offer in p]
    return [
        o
        for o in sack.available([offer.nevra.name])
        if o.repo != CACHE
        and o.nevra.arch == offer.nevra.arch
        and (o in job.clashing or not sack.is_hidden(o))
        and not sack.is_excluded(o)
        and _priority(sack, o) <= worst
        and all(o in pick or o in job.clashing for pick in picks)
    ]


def _priority(sack: Sack, offer: Offer) -> int:
    head = sack.head(offer)
    repo = head.package.repo if head else offer.repo
    return next((r.priority for r in sack.repositories if r.id == repo), 99)


def _in_the_way(job: Job, outcome: Outcome, offer: Offer, newest: Offer) -> tuple[str, str]:
    sack = job.sack
    if newest in job.clashing:
        return job.clashing[newest], ""
    if blocker := find_blocker(sack, newest):
        return blocker.words(sack), blocker.needs
    for other in outcome.reasons:
        for requirement in sack.requires(other):
            there = sack.providers(requirement)
            if offer in there and newest not in there and other != offer:
                return f"{other.nevra} needs {requirement}", ""
    return f"{newest.nevra} does not go together with the rest", ""


def _why_cached(sack: Sack, repo: str, rivals: Sequence[Offer]) -> tuple[str, str]:
    for repository in sack.repositories:
        if repository.id == repo and not repository.available:
            date = f"{datetime.fromtimestamp(repository.timestamp, UTC):%Y-%m-%d}"
            when = f"; its metadata is of {date}" if repository.timestamp else ""
            return "stale", f"{repo} cannot be used now ({repository.problem}){when}"
    if rivals:
        return "cached", f"the repositories have only {list_offers(sack, rivals)}"
    return "cached", "no repository has it any more"
