"""Whose signatures count, and whether an RPM carries one: rpm's keyring and checks.

`load_keyring(root, gpgkeys)` -> `Keyring` of the deployment at `root`; `check_rpm(file, name,
keyring)` -> `SignatureReport`, or an error with the reason. The check always covers the header's
own digests and the digest of the payload. Nothing here uses the keys of the running system, and no
key is ever fetched from a network.
"""

import contextlib
import hashlib
import os
import struct
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import rpm

from pkglayer.log import log
from pkglayer.model.errors import ConfigError, PackageError, SignatureError
from pkglayer.model.openpgp import (
    PublicKey,
    SignatureInfo,
    parse_keys,
    parse_signature,
    why_unusable,
)
from pkglayer.system import rpmlib
from pkglayer.system.config import find_inside, read_inside

KEY_DIRECTORY = "/etc/pki/rpm-gpg"

_HEADER_SIGNATURES = (268, 267)
"""RPMSIGTAG_RSA and RPMSIGTAG_DSA: signatures of the main header, in the signature header."""

_PAYLOAD_DIGEST, _PAYLOAD_DIGEST_ALGORITHM = 5092, 5093
_DIGESTS = {8: "sha256", 9: "sha384", 10: "sha512"}

_WEAK_HASHES = frozenset({1, 2, 3})
"""MD5, SHA1, RIPEMD160: collisions can be made, so such a signature proves nothing."""


@dataclass(frozen=True)
class SignatureReport:
    """`status` is `valid` or `unsigned`; `fingerprint` (upper case hex) is the primary key's."""

    status: str
    fingerprint: str = ""
    algorithm: str = ""


@dataclass(frozen=True)
class Keyring:
    """Trusted keys. `problems` says which key files count for nothing, and why."""

    keys: Mapping[str, PublicKey] = field(default_factory=dict)
    problems: tuple[str, ...] = ()
    rpm_keyring: Any = field(default=None, repr=False, compare=False)

    def find(self, key_id: str) -> PublicKey | None:
        """The key or subkey of that id (16 hex digits)."""
        return self.keys.get(key_id)


def load_keyring(root: Path, gpgkeys: Iterable[str] = ()) -> Keyring:
    """The keys of `/etc/pki/rpm-gpg` in the deployment `root`, and these `gpgkey=` addresses.

    A `file:` address means a file of the deployment; other addresses are not followed but kept as
    a problem, told when a signature cannot be checked.
    """
    keys: dict[str, PublicKey] = {}
    problems: list[str] = []
    directory = find_inside(root, KEY_DIRECTORY)
    names = sorted(p.name for p in directory.iterdir()) if directory else []
    for path in [f"{KEY_DIRECTORY}/{name}" for name in names]:
        try:
            keys |= _read_keys(root, path)
        except (ValueError, OSError, ConfigError) as e:
            log.debug("%s holds no key: %s", path, e)
    for address in gpgkeys:
        if not address.startswith(("file:///", "/")):
            problems.append(f"the key {address} is not fetched from the network unseen")
            continue
        try:
            keys |= _read_keys(root, address.removeprefix("file://"))
        except FileNotFoundError:
            problems.append(f"the key {address} does not exist in the deployment")
        except (ValueError, OSError, ConfigError) as e:
            problems.append(f"the key {address} cannot be read: {e}")
    return Keyring(keys, tuple(problems), _to_rpm(keys.values()))


def _read_keys(root: Path, path: str) -> dict[str, PublicKey]:
    return {key.key_id: key for key in parse_keys(read_inside(root, path))}


def _to_rpm(keys: Iterable[PublicKey]) -> Any:
    """librpm's keyring; keys that are unusable now are not even known to it."""
    keyring = rpm.keyring()
    for key in keys:
        if why_unusable(key, time.time()):
            continue
        try:
            keyring.addKey(rpm.pubkey(key.block))
        except ValueError:
            # Some rpms take no subkey by itself; they find it through its primary key.
            log.debug("librpm does not take the key %s", key.fingerprint)
    return keyring


def check_rpm(
    file: BinaryIO, name: str, keyring: Keyring | None, *, source: str = ""
) -> SignatureReport:
    """Check digests of an open RPM and, with a keyring, demand a trusted signature.

    `name` is for the messages. `source` is the repository whose metadata had the file's checksum:
    unsigned, it may then be without digests of its own. Raises PackageError for a corrupt package;
    SignatureError for one that is unsigned, or signed by a key that is not trusted,
    expired or revoked, or whose signature is wrong.
    """
    head = rpmlib.read_head(file)
    _check_digests(file, head, name, known=bool(source) and keyring is None)
    return _check_signature(file, head, name, keyring, source)


def check_head(
    file: BinaryIO, name: str, keyring: Keyring, *, source: str = ""
) -> SignatureReport:
    """The same for a file of which only lead, signature and header are there.

    The signature covers the header, and the header has the digest of the payload. Raises as
    `check_rpm` does.
    """
    head = rpmlib.read_head(file)
    try:
        _read_with_rpm(file, rpm.RPMVSF_MASK_NOSIGNATURES, None)
    except rpm.error as e:
        raise _corrupt(name, f"its header is damaged ({e})") from e
    return _check_signature(file, head, name, keyring, source)


def _check_signature(
    file: BinaryIO, head: bytes, name: str, keyring: Keyring | None, source: str
) -> SignatureReport:
    found = [(tag, v) for tag, v in _signature_tags(head) if tag in _HEADER_SIGNATURES]
    packets = [v for _, v in found]
    if keyring is None:
        return SignatureReport("unsigned" if not packets else "unchecked")
    where = f"{name} from {source}" if source else name
    if not packets:
        raise SignatureError(
            f"{where} is not signed",
            hint="ask its maker for a signed one, or allow it: gpgcheck=0 in the .repo file for a "
            "repository, --no-gpg-check FILE for a local file",
            data={"package": name, "status": "unsigned"},
        )
    if len(dict(found)) != len(found):
        raise SignatureError(f"{where} has several signatures of one kind, which rpm never makes")
    try:
        signature = parse_signature(packets[0])
    except ValueError as e:
        raise SignatureError(f"{where} has a signature that cannot be read: {e}") from e
    key = _trusted_key(where, signature, keyring)
    _verify(file, where, keyring, key)
    return SignatureReport("valid", key.primary, signature.algorithms)


def _trusted_key(where: str, signature: SignatureInfo, keyring: Keyring) -> PublicKey:
    key = keyring.find(signature.key_id)
    data = {"key": signature.key_id}
    if key is None:
        reasons = "".join(f"; {p}" for p in keyring.problems)
        raise SignatureError(
            f"{where} is signed by the key {signature.key_id}, which is not trusted{reasons}",
            hint=f"if you trust that key, put its file into {KEY_DIRECTORY} and name it as "
            "gpgkey=file:///... in the .repo file",
            data={**data, "status": "untrusted"},
        )
    if why := why_unusable(key, time.time()):
        raise SignatureError(
            f"{where} is signed by the key {key.primary}, which {why}",
            hint="get the key's newer version from its owner, or set the clock right",
            data={**data, "status": "unusable"},
        )
    if signature.hash_algorithm in _WEAK_HASHES:
        raise SignatureError(
            f"{where} has a signature of the kind {signature.algorithms}, which can be forged",
            hint="ask its maker to sign it with SHA256",
            data={**data, "status": "weak"},
        )
    return key


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """librpm prints what it finds to stderr; we say it ourselves."""
    rpm.setVerbosity(rpm.RPMLOG_CRIT)
    try:
        yield
    finally:
        rpm.setVerbosity(rpm.RPMLOG_NOTICE)


def _verify(file: BinaryIO, where: str, keyring: Keyring, key: PublicKey) -> None:
    # A librpm that ignores the signature would also be content without any key.
    with contextlib.suppress(rpm.error):
        _read_with_rpm(file, 0, None)
        raise SignatureError(f"{where} has a signature that librpm does not look at")
    try:
        _read_with_rpm(file, 0, keyring.rpm_keyring)
    except rpm.error as e:
        raise SignatureError(
            f"{where} has a wrong signature (key {key.primary}): {e}",
            hint="do not install it; fetch it again, and tell its maker if it stays so",
            data={"key": key.key_id, "status": "bad"},
        ) from e


def _read_with_rpm(file: BinaryIO, flags: int, keyring: Any) -> Any:
    """Let librpm read and verify the header; `flags` says what not to check."""
    with _quiet():
        ts = rpm.TransactionSet()
        ts.setVSFlags(flags)
        # Without one, librpm would open the running system's database to look for keys.
        ts.setKeyring(rpm.keyring() if keyring is None else keyring)
        os.lseek(file.fileno(), 0, os.SEEK_SET)
        return ts.hdrFromFdno(file.fileno())


def _check_digests(file: BinaryIO, head: bytes, name: str, *, known: bool) -> None:
    try:
        header = _read_with_rpm(file, rpm.RPMVSF_MASK_NOSIGNATURES, None)
    except rpm.error as e:
        raise _corrupt(name, f"its header is damaged ({e})") from e
    wanted = header[_PAYLOAD_DIGEST]
    algorithm = _DIGESTS.get(header[_PAYLOAD_DIGEST_ALGORITHM] or 0)
    if not wanted and known:
        return
    if not wanted or not algorithm:
        raise PackageError(
            f"{name} has no digest of its payload; nothing would protect its files",
            hint="have it built again by rpm 4.14 or newer",
        )
    if _hash_rest(file, len(head), algorithm) != wanted[0]:
        raise _corrupt(name, "its payload is not what its header says")


def _corrupt(name: str, why: str) -> PackageError:
    return PackageError(
        f"{name} is corrupt: {why}", hint="fetch it again: pkglayer cleanup --cache",
        data={"package": name},
    )  # fmt: skip


def _hash_rest(file: BinaryIO, start: int, algorithm: str) -> str:
    digest = hashlib.new(algorithm)
    file.seek(start)
    while data := file.read(1 << 20):
        digest.update(data)
    return digest.hexdigest()


def _signature_tags(head: bytes) -> Iterator[tuple[int, bytes]]:
    """Binary entries of the signature header itself.

    librpm copies them into the header it returns; there a tag could just as well come from the
    main header, which an attacker writes, so presence is judged here.
    """
    start = rpmlib.LEAD_SIZE + 16
    entries, size = struct.unpack_from(">II", head, rpmlib.LEAD_SIZE + 8)
    store = head[start + 16 * entries : start + 16 * entries + size]
    for number in range(entries):
        tag, kind, offset, count = struct.unpack_from(">IIiI", head, start + 16 * number)
        if kind == 7 and 0 <= offset <= len(store) - count:
            yield tag, store[offset : offset + count]
