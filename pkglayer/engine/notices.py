"""What a person should know of the machine as it is: whole sentences, shown by `status`."""

from datetime import UTC, datetime

from pkglayer.engine.lastforecast import forecast_notices
from pkglayer.engine.session import Session
from pkglayer.engine.standing import standing_notices
from pkglayer.model.errors import StateError
from pkglayer.system.awaited import find_lost


def find_notices(session: Session) -> list[str]:
    """The notices of now; empty when all is as it was asked for."""
    own = [*lost_notices(session), *_unapplied(session)]
    return [*own, *standing_notices(session), *forecast_notices(session)]


def lost_notices(session: Session) -> list[str]:
    """That a staged state was never put in place, with the command that asks for it again."""
    lost = find_lost(session.sysroot)
    if lost is None:
        return []
    when = datetime.fromtimestamp(lost.time, UTC).strftime("%Y-%m-%d %H:%M UTC")
    text = (
        f"The state {lost.commit[:12]}, staged on {when}, was not put in place: the machine went "
        "down without a whole shutdown (a power cut, a crash), or its last step failed (perhaps "
        "/boot is full: journalctl -b -1 -u ostree-finalize-staged.service). The state before it "
        f"is as it was. To ask for it again: {lost.command}"
    )
    return [text]


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
