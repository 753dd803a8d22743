"""The settings `[sign]`: layered commits get the machine's own signature, `verify` checks it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from pkglayer.engine.session import Session, merge_root
from pkglayer.model.errors import ConfigError
from pkglayer.model.signature import VALID, SignatureState
from pkglayer.system.inroot import resolve_in
from pkglayer.system.privatedir import read_secret

if TYPE_CHECKING:
    from pkglayer.system.reposigning import Keys


def check_key(session: Session) -> None:
    """Before any work: the secret key is there, whole, and nobody else's. Raises ConfigError."""
    from pkglayer.system import reposigning

    if session.settings.sign_key:
        with reposigning.opened_keys(_read_key(session)):
            pass


def sign_state(session: Session, commit: str) -> None:
    """Sign a layered commit with the machine's key, if one is set and has not signed it yet."""
    from pkglayer.system import reposigning

    if not session.settings.sign_key:
        return
    with reposigning.opened_keys(_read_key(session)) as keys:
        there = reposigning.read_signatures(session.repo, commit, keys)
        if not any(s.status == VALID for s in there):
            reposigning.sign(session.repo, commit, keys)


def read_state(session: Session, commit: str) -> SignatureState:
    """The signatures of a commit, checked with the keys that the settings name."""
    from pkglayer.system import reposigning

    with _opened(session) as keys:
        return SignatureState(
            keys is not None, reposigning.read_signatures(session.repo, commit, keys)
        )


@contextmanager
def _opened(session: Session) -> Iterator["Keys | None"]:
    from pkglayer.system import reposigning

    settings = session.settings
    if not (settings.sign_key or settings.sign_trusted):
        yield None
        return
    trusted = [_read_public(session, path) for path in settings.sign_trusted]
    with reposigning.opened_keys(_read_key(session), trusted) as keys:
        yield keys


def _read_key(session: Session) -> bytes:
    path = session.settings.sign_key
    return read_secret(_place(session, path)) if path else b""


def _read_public(session: Session, path: str) -> bytes:
    try:
        return _place(session, path).read_bytes()
    except OSError as e:
        raise ConfigError(
            f"[sign] trusted: {path} cannot be read: {e.strerror}",
            hint="correct the path in /etc/pkglayer/pkglayer.toml",
        ) from e


def _place(session: Session, path: str) -> Path:
    """Where a file of the settings is: in the /etc that counts, or in the stateroot's /var."""
    inside = path.removeprefix("/var/")
    top = merge_root(session.sysroot) if inside == path else session.sysroot.state_dir
    found = resolve_in(top, inside)
    if found is None:
        raise ConfigError(f"[sign]: {path} leads from link to link", hint="name the file itself")
    return found
