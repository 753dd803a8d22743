"""The most of a list that fits together: a pure search, whatever the things are."""

from collections.abc import Callable, Sequence
from typing import TypeVar

Thing = TypeVar("Thing")


def most_fitting(
    held: Sequence[Thing], more: Sequence[Thing], fits: Callable[[Sequence[Thing]], bool]
) -> tuple[Thing, ...]:
    """`held` and what fits of `more` beside it, the earlier before the later.

    `fits` is asked about whole lists, halving until single culprits are left out: with few
    culprits that is a few questions for each.
    """
    held, more = tuple(held), tuple(more)
    if not more or fits((*held, *more)):
        return (*held, *more)
    if len(more) == 1:
        return held
    half = len(more) // 2
    return most_fitting(most_fitting(held, more[:half], fits), more[half:], fits)
