"""Which of two packages is newer, as librpm has it."""

import rpm

from pkglayer.model.package import Nevra


def evr_compare(a: Nevra, b: Nevra) -> int:
    """Below, equal to or above 0 as `a`'s EVR is older than, the same as or newer than `b`'s."""
    order: int = rpm.labelCompare(
        (str(a.epoch), a.version, a.release), (str(b.epoch), b.version, b.release)
    )
    return order
