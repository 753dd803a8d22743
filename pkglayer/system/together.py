"""Says in words why two requests do not go together, from what each of them would bring.

`clash_words(sack, choice, others)`; the requests are known to fit one by one.
"""

from collections.abc import Iterable, Sequence

from pkglayer.model.offer import Offer
from pkglayer.system.choices import Choice
from pkglayer.system.sack import Sack


def clash_words(sack: Sack, choice: Choice, others: Sequence[Choice]) -> str:
    """The first thing found: a conflict between two packages, or two versions of one."""
    mine = _brought(sack, [choice])
    theirs = _brought(sack, others)
    for a in mine:
        for b in theirs:
            if a.nevra.name == b.nevra.name and a.nevra != b.nevra:
                one, two = sorted([(choice.want.spec, a), (_whose(sack, others, b), b)])
                return f"{one[0]} brings {one[1].nevra}, and {two[0]} brings {two[1].nevra}"
    for a in mine:
        if hits := sack.conflicting(a, theirs):
            return f"{a.nevra} conflicts with {hits[0].nevra}"
    problems = sack.solve([p for c in (choice, *others) for p in c.picks]).problems
    return problems[0] if problems else "no solution was found"


def _brought(sack: Sack, choices: Iterable[Choice]) -> tuple[Offer, ...]:
    return sack.solve([p for c in choices for p in c.picks]).offers


def _whose(sack: Sack, others: Sequence[Choice], offer: Offer) -> str:
    return next((c.want.spec for c in others if offer in _brought(sack, [c])), others[0].want.spec)
