"""The keys that count for a change: of the deployment whose /etc counts, never of the program."""

from collections.abc import Iterable

from pkglayer.engine.session import Session, merge_root
from pkglayer.system.keyring import Keyring, load_keyring
from pkglayer.system.rpmmd import Repository


def load_keys(session: Session, repositories: Iterable[Repository] = ()) -> Keyring:
    """The keys of the merge deployment, and those that these repositories name."""
    return load_keyring(merge_root(session.sysroot), [k for r in repositories for k in r.gpgkeys])
