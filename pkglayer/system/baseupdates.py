"""The last step before a request is given up: the fewest newer packages of the base, for a time.

`open_updates(job, unusable)` -> the job with those in sight that requests which allow it cannot do
without. Older versions and what is cached were tried before: they are in every job's sight.
"""

from collections.abc import Collection, Sequence
from dataclasses import replace

from pkglayer.model.offer import Offer
from pkglayer.model.reasons import Reason
from pkglayer.system.choices import Choice
from pkglayer.system.job import Job, Outcome
from pkglayer.system.overriding import find_updates


def open_updates(job: Job, unusable: Collection[Offer]) -> Job | None:
    """The job with the base updates that are needed; None where none is allowed or helps."""
    allowing = [c for c in job.choices if job.allows_base_updates(c)]
    opened = find_updates(job.sack) - set(unusable) if allowing else set()
    needed: set[Offer] = set()
    # One by one first, so that a request beyond help takes nothing from the others.
    for group in ([[c] for c in allowing] + [allowing]) if opened else []:
        if not _fits(job, group, needed):
            needed |= _fewest(job, group, opened)
    return job.opening(needed) if needed else None


def name_requests(job: Job, outcome: Outcome) -> Outcome:
    """Base updates that no chosen package leads to are there for all requests that allow them."""
    allowing = tuple(c.want.spec for c in job.choices if job.allows_base_updates(c))
    unexplained = {new for _, new in outcome.replaced if not outcome.reasons[new].requests}
    reasons = {
        offer: Reason("dependency", allowing) if offer in unexplained else reason
        for offer, reason in outcome.reasons.items()
    }
    return replace(outcome, reasons=reasons)


def _fits(job: Job, group: Sequence[Choice], usable: set[Offer]) -> bool:
    """Whether these requests can be met beside the overrides, with `usable` in sight."""
    job.sack.hide(job.hidden - usable)
    return not job.sack.solve(_picks(job, group)).problems


def _picks(job: Job, group: Sequence[Choice]) -> list[tuple[Offer, ...]]:
    there = [c for c in job.choices if c in group or c.want.is_override]
    return [pick for c in there for pick in c.picks]


def _fewest(job: Job, group: Sequence[Choice], opened: set[Offer]) -> set[Offer]:
    """The part of `opened` that cannot be done without, all versions of a name together."""
    job.sack.hide(job.hidden - opened)
    first = job.sack.solve(_picks(job, group))
    names = {new.nevra.name for _, new in first.replaced}
    needed = {o for o in opened if o.nevra.name in names}
    for name in sorted(names):
        fewer = {o for o in needed if o.nevra.name != name}
        if _fits(job, group, fewer):
            needed = fewer
    return needed
