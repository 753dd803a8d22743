"""Which states stay when a new one comes: the setting `keep`, pins, the running state."""

from collections.abc import Sequence

import pytest

from pkglayer.model.deployment import Deployment
from pkglayer.model.keeping import plan_kept
from pkglayer.model.plan import Base


def states(text: str) -> list[Deployment]:
    """`B` is booted, `s` staged, `p` pinned, `r` none of these."""
    return [
        Deployment(n, "test", f"{n}", 0, "", Base("", ""), c == "B", c == "s", c == "p")
        for n, c in enumerate(text)
    ]


@pytest.mark.parametrize(
    ("before", "number", "kept"),
    [
        ("r", 1, [0]),
        ("rr", 1, [0]),
        ("rrr", 2, [0, 1]),
        ("rprp", 1, [0, 1, 3]),
        ("pr", 1, [0, 1]),
        ("B", 1, []),
        ("Br", 1, []),
        ("Brr", 2, [1]),
        ("sBrr", 2, [2]),
        ("rBrrr", 3, [2, 3]),
        ("sBprr", 2, [2, 3]),
        ("sBprp", 1, [2, 4]),
    ],
)
def test_who_stays(before: str, number: int, kept: Sequence[int]) -> None:
    """On a booted machine the running state itself is the first to go back to."""
    assert [d.index for d in plan_kept(states(before), number)] == kept
