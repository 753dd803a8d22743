"""The step that every way to a new state ends with: a commit becomes the next boot.

What people are to know of it is kept in the session, the same way whatever verb it was.
"""

from collections.abc import Mapping, Sequence

from pkglayer.engine.etcfiles import find_kept
from pkglayer.engine.session import Session, identify
from pkglayer.model.deployment import Deployment


def deploy(
    session: Session, checksum: str, origin: Mapping[str, Mapping[str, str]], *,
    instead_of: Deployment | None = None, kargs: Sequence[str] | None = None,
) -> None:  # fmt: skip
    """Make a commit the next boot; see `Sysroot.deploy`.

    Adds to the session's `kept` and `remarks` the files of /etc that stay as the machine has them,
    and sets `dropped` when a state made room. Raises DeployError; nothing has changed then.
    """
    kept = find_kept(session, checksum)
    before = _present(session)
    session.progress.start("Deploying")
    with session.timings.phase("deploy"):
        session.sysroot.deploy(
            checksum, origin,
            keep=session.settings.keep_states, instead_of=instead_of, kargs=kargs,
        )  # fmt: skip
    session.progress.done()
    session.kept = kept
    session.remarks += [f"{path} stays as edited on this machine" for path in kept]
    session.dropped |= bool(before - _present(session))


def _present(session: Session) -> set[str]:
    return {identify(d) for d in session.sysroot.deployments}
