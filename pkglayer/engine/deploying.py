"""The step that every way to a new state ends with: a commit becomes the next boot.

What people are to know of it is kept in the session, the same way whatever verb it was.
"""

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from pkglayer.engine.etcfiles import find_kept
from pkglayer.engine.session import Session, identify
from pkglayer.engine.space import known_directories
from pkglayer.model.deployment import Deployment
from pkglayer.system.space import count_inodes

_LOOK_SECONDS = 0.2


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
    session.progress.start("Deploying", known_directories(session), "%")
    with session.timings.phase("deploy"), _watched(session):
        session.sysroot.deploy(
            checksum, origin,
            keep=session.settings.keep_states, instead_of=instead_of, kargs=kargs,
        )  # fmt: skip
    session.progress.done()
    session.kept = kept
    session.remarks += [f"{path} stays as edited on this machine" for path in kept]
    session.dropped |= bool(before - _present(session))


@contextmanager
def _watched(session: Session) -> Iterator[None]:
    """Show how far libostree is, which does not tell: files are links, directories take inodes."""
    place, over = session.repo.path, threading.Event()
    before = count_inodes(place)

    def watch() -> None:
        seen = 0
        while not over.wait(_LOOK_SECONDS):
            now = max(seen, count_inodes(place) - before)
            session.progress.advance(now - seen)
            seen = now

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join()


def _present(session: Session) -> set[str]:
    return {identify(d) for d in session.sysroot.deployments}
