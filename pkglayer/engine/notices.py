"""What a person should know of the machine as it is: whole sentences, shown by `status`."""

from pkglayer.engine.lastforecast import forecast_notices
from pkglayer.engine.policy import standing_notices
from pkglayer.engine.session import Session
from pkglayer.model.errors import StateError


def find_notices(session: Session) -> list[str]:
    """The notices of now; empty when all is as it was asked for."""
    return [*_unapplied(session), *standing_notices(session), *forecast_notices(session)]


def _unapplied(session: Session) -> list[str]:
    deployments = session.sysroot.deployments
    if not deployments or deployments[0].problem or deployments[0].record is not None:
        return []
    try:
        wants = session.request_of(deployments[0]).wants
    except StateError:
        return []
    if not wants:
        return []
    names = ", ".join(w.spec for w in wants)
    text = f"The next boot is a bare base, though {names} is requested: run pkglayer reconcile"
    return [f"{text} (the systemd unit pkglayer-reconcile.path does that by itself)."]
