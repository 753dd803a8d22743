"""Which of several files at one path is there: rpm's rule of colours.

A colour is the class of a program: 1 for 32 bits, 2 for 64, 0 for all that is no program. Where
packages bring different colours to one path, the preferred one is there, and that is no conflict.
"""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Claim:
    """A file that wants to be at a path: of the package at `package` among those that come, the
    file at `index` of its header; both are -1 for a package that is there."""

    colour: int
    package: int = -1
    index: int = -1


@dataclass(frozen=True)
class Colours:
    """rpm's macros: the colours that `count` here (0: none), and the one `preferred`."""

    count: int
    preferred: int


def find_losers(claims: Sequence[Claim], colours: Colours) -> list[Claim]:
    """The claims on one path that come and give way; librpm's handleColorConflict()."""
    seen = {c.colour & colours.count for c in claims} - {0}
    if len(seen) < 2 or not any(colour & colours.preferred for colour in seen):
        return []
    return [
        c
        for c in claims
        if c.package >= 0 and c.colour & colours.count and not c.colour & colours.preferred
    ]
