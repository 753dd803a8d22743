"""Which states stay to roll back to when a new one is deployed: the setting `[states] keep`."""

from collections.abc import Sequence

from pkglayer.model.deployment import Deployment


def plan_kept(deployments: Sequence[Deployment], keep: int) -> list[Deployment]:
    """Of what is behind the state in use, the pinned ones and as many others as `keep` leaves.

    `deployments` are those that a new state comes in front of, the next boot first. Where one is
    booted, that one is the first to roll back to from then on, and pending ones are replaced.
    """
    booted = next((d for d in deployments if d.booted), None)
    behind = [d for d in deployments if booted is None or d.index > booted.index]
    loose = [d for d in behind if not d.pinned][: keep if booted is None else keep - 1]
    return [d for d in behind if d.pinned or d in loose]
