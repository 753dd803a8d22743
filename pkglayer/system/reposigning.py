"""Signs commits with the machine's own OpenPGP key, and checks such signatures.

A signature is detached metadata: the commit and its checksum stay what they are. It is libostree's
GPG, which all distributions build; its ed25519 is missing from Debian's. The secret key is unpacked
for the time of use into a directory in memory that only root can enter.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import gi

gi.require_version("OSTree", "1.0")
from gi.repository import Gio, GLib, OSTree  # noqa: E402  (require_version must come first)

from pkglayer.model.errors import ConfigError, PkglayerError, SignatureError  # noqa: E402
from pkglayer.model.signature import (  # noqa: E402
    BAD,
    EXPIRED,
    OTHER_KEY,
    REVOKED,
    VALID,
    Checked,
)
from pkglayer.system.become import CLEAN_ENV  # noqa: E402
from pkglayer.system.repo import Repo  # noqa: E402
from pkglayer.system.repoerrors import ostree_errors  # noqa: E402
from pkglayer.system.run import run  # noqa: E402
from pkglayer.system.scratch import scratch  # noqa: E402

_KEY = "ostree.gpgsigs"
_ATTRIBUTES = OSTree.GpgSignatureAttr


@dataclass(frozen=True)
class Keys:
    """An opened GnuPG home; `signer` is the secret key's fingerprint, "" without one; `ring` the
    public keys in one file."""

    home: Path
    signer: str
    ring: Path


@contextmanager
def opened_keys(secret: bytes, public: Sequence[bytes] = ()) -> Iterator[Keys]:
    """Unpack keys for the body; raises ConfigError for what is no OpenPGP key."""
    memory = Path("/run") if os.access("/run", os.W_OK) else None
    with scratch("sign", memory) as home:
        try:
            for data in filter(None, (secret, *public)):
                _import(home, data)
            ring = home / "ring.gpg"
            ring.write_bytes(_gpg(home, "--export"))
            signer = _secret_fingerprint(home) if secret else ""
            yield Keys(home, signer, ring)
        finally:
            run(["gpgconf", "--kill", "gpg-agent"], env=_environment(home), check=False)


def sign(repo: Repo, commit: str, keys: Keys) -> None:
    """Add the signer's signature; raises SignatureError when the key cannot be used."""
    with ostree_errors(
        f"the commit {commit[:12]} cannot be signed with the key {keys.signer}", SignatureError,
        hint="the key must not have expired or been revoked, and must have no passphrase",
    ):  # fmt: skip
        repo.handle.sign_commit(commit, keys.signer, str(keys.home), None)


def read_signatures(repo: Repo, commit: str, keys: Keys | None) -> tuple[Checked, ...]:
    """All signatures of a commit, checked with these keys alone; none without keys is checked."""
    with ostree_errors("cannot read the signatures", SignatureError):
        _, metadata = repo.handle.read_commit_detached_metadata(commit, None)
    found = metadata.lookup_value(_KEY, GLib.VariantType("aay")) if metadata else None
    if found is None or not found.n_children():
        return ()
    if keys is None:
        return tuple(Checked(OTHER_KEY) for _ in range(found.n_children()))
    nothing = keys.home / "no-keyrings"  # in place of the system's own, which are the bases'
    nothing.mkdir(exist_ok=True)
    places = [Gio.File.new_for_path(str(path)) for path in (nothing, keys.ring)]
    with ostree_errors("cannot check the signatures", SignatureError):
        result = repo.handle.verify_commit_ext(commit, *places, None)
    return tuple(_checked(result, number) for number in range(result.count_all()))


def _checked(result: Any, number: int) -> Checked:
    def get(attribute: Any) -> Any:
        return result.get(number, [attribute]).get_child_value(0).unpack()

    key = get(_ATTRIBUTES.FINGERPRINT_PRIMARY) or get(_ATTRIBUTES.FINGERPRINT)
    for status, attribute in (
        (OTHER_KEY, _ATTRIBUTES.KEY_MISSING),
        (REVOKED, _ATTRIBUTES.KEY_REVOKED),
        (EXPIRED, _ATTRIBUTES.KEY_EXPIRED),
        (EXPIRED, _ATTRIBUTES.SIG_EXPIRED),
    ):
        if get(attribute):
            return Checked(status, key)
    return Checked(VALID if get(_ATTRIBUTES.VALID) else BAD, key)


def _import(home: Path, data: bytes) -> None:
    try:
        _gpg(home, "--import", stdin=data)
    except PkglayerError as e:
        raise ConfigError(
            f"[sign]: a key cannot be read: {e.message}",
            hint="write it with gpg --export-secret-keys (key) or gpg --export (trusted)",
        ) from e


def _secret_fingerprint(home: Path) -> str:
    rows = [line.split(":") for line in _gpg(home, "--list-secret-keys").decode().splitlines()]
    keys = [r[9] for before, r in pairwise(rows) if before[0] == "sec" and r[0] == "fpr"]
    if len(keys) != 1:
        raise ConfigError(
            f"[sign] key: the file has {len(keys)} secret keys, and one is needed",
            hint="export one: gpg --export-secret-keys FINGERPRINT",
        )
    return keys[0]


def _gpg(home: Path, *words: str, stdin: bytes | None = None) -> bytes:
    command = ["gpg", "--batch", "--quiet", "--no-autostart", "--with-colons", *words]
    if stdin is not None:
        command.remove("--no-autostart")  # a secret key is the agent's to keep
    return run(command, env=_environment(home), stdin=stdin).stdout


def _environment(home: Path) -> dict[str, str]:
    return {**CLEAN_ENV, "HOME": str(home), "GNUPGHOME": str(home)}
