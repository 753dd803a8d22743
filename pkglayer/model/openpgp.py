"""Reads what OpenPGP keys and signatures say of themselves (RFC 4880): who, when, until when.

No cryptography: librpm verifies signatures, but its own parser neither looks at a key's expiry and
revocation nor at its subkeys, so that is read here. Key files are the administrator's own, hence
self-signatures are taken at their word. Only version 4 keys are known.
"""

import base64
import hashlib
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

PUBLIC_KEY, PUBLIC_SUBKEY, SIGNATURE = 6, 14, 2

PUBLIC_KEY_ALGORITHMS = {1: "RSA", 3: "RSA", 17: "DSA", 19: "ECDSA", 22: "EdDSA", 27: "Ed25519"}
HASH_ALGORITHMS = {
    1: "MD5", 2: "SHA1", 3: "RIPEMD160", 8: "SHA256", 9: "SHA384", 10: "SHA512", 11: "SHA224",
    12: "SHA3-256", 14: "SHA3-512",
}  # fmt: skip

_ARMOR = re.compile(
    rb"-----BEGIN PGP [A-Z ]+-----\r?\n(?:[^\r\n]+:[^\r\n]*\r?\n)*\s*\n(.*?)-----END PGP", re.DOTALL
)

_BINDINGS = frozenset({0x10, 0x11, 0x12, 0x13, 0x18, 0x1F})
_REVOCATIONS = frozenset({0x20, 0x28})


@dataclass(frozen=True)
class SignatureInfo:
    """One signature packet; `key_id` is the signer's, 16 hex digits in upper case."""

    kind: int
    key_id: str
    created: int
    algorithm: int
    hash_algorithm: int
    lifetime: int = 0

    @property
    def algorithms(self) -> str:
        """Such as `RSA/SHA256`."""
        public = PUBLIC_KEY_ALGORITHMS.get(self.algorithm, str(self.algorithm))
        return f"{public}/{HASH_ALGORITHMS.get(self.hash_algorithm, str(self.hash_algorithm))}"


@dataclass(frozen=True)
class PublicKey:
    """A primary key or subkey; times in seconds since 1970, `expires` 0 for never.

    `primary` is the fingerprint of the key that it belongs to (its own for a primary key); `block`
    the armoured key alone, as librpm takes it.
    """

    fingerprint: str
    created: int
    expires: int = 0
    revoked: bool = False
    primary: str = ""
    block: bytes = field(default=b"", repr=False)

    @property
    def key_id(self) -> str:
        return self.fingerprint[-16:]


def why_unusable(key: PublicKey, now: float) -> str:
    """Why a key counts for nothing at `now` (seconds since 1970); empty if it counts."""
    if key.revoked:
        return "was revoked by its owner"
    if key.expires and key.expires <= now:
        return f"expired on {_day(key.expires)} (the clock here says {_day(now)})"
    if key.created > now + 86400:
        return f"was made on {_day(key.created)}, and the clock here says {_day(now)}"
    return ""


def _day(seconds: float) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(seconds))


def parse_keys(data: bytes) -> list[PublicKey]:
    """All keys of a file, armoured or not, each primary before its subkeys.

    Raises ValueError for what is no OpenPGP key file.
    """
    keys: list[PublicKey] = []
    for certificate in _certificates(packets(dearmor(data))):
        keys.extend(_certificate_keys(certificate))
    if not keys:
        raise ValueError("no OpenPGP public key of version 4 in it")
    return keys


def parse_signature(data: bytes) -> SignatureInfo:
    """The first signature packet of `data`; raises ValueError for anything else."""
    for tag, body in packets(data):
        if tag == SIGNATURE:
            return _signature(body)
    raise ValueError("no OpenPGP signature")


def dearmor(data: bytes) -> bytes:
    """The packets inside ASCII armour (several blocks are joined); other data as it is."""
    if b"-----BEGIN PGP" not in data:
        return data
    blocks = _ARMOR.findall(data)
    lines = [line.strip() for block in blocks for line in block.splitlines()]
    chunks: list[bytes] = []
    for line in lines:
        if line and not (line.startswith(b"=") and len(line) == 5):
            chunks.append(base64.b64decode(line, validate=True))
    return b"".join(chunks)


def armor(data: bytes) -> bytes:
    """A public key block in ASCII armour."""
    checksum = base64.b64encode(_crc24(data).to_bytes(3, "big"))
    return (
        b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n" + base64.encodebytes(data)
        + b"=" + checksum + b"\n-----END PGP PUBLIC KEY BLOCK-----\n"
    )  # fmt: skip


def _crc24(data: bytes) -> int:
    crc = 0xB704CE
    for byte in data:
        crc ^= byte << 16
        for _ in range(8):
            crc = (crc << 1) ^ (0x1864CFB if crc & 0x800000 else 0)
    return crc & 0xFFFFFF


def packets(data: bytes) -> Iterator[tuple[int, bytes]]:
    """(tag, body) of each packet; raises ValueError where the framing is broken."""
    at = 0
    while at < len(data):
        first, at = data[at], at + 1
        if not first & 0x80:
            raise ValueError("not OpenPGP data")
        if first & 0x40:
            tag = first & 0x3F
            length, at = _new_length(data, at)
        else:
            tag, width = first >> 2 & 0xF, 1 << (first & 3)
            if width == 8:
                raise ValueError("a packet without length")
            length, at = int.from_bytes(data[at : at + width], "big"), at + width
        if at + length > len(data):
            raise ValueError("truncated OpenPGP data")
        yield tag, data[at : at + length]
        at += length


def _new_length(data: bytes, at: int) -> tuple[int, int]:
    """A length of one, two or five bytes (RFC 4880, 4.2.2), and where it ends."""
    if at >= len(data):
        raise ValueError("truncated OpenPGP data")
    first = data[at]
    if first < 192:
        return first, at + 1
    if first < 224:
        return ((first - 192) << 8) + int.from_bytes(data[at + 1 : at + 2], "big") + 192, at + 2
    if first == 255:
        return int.from_bytes(data[at + 1 : at + 5], "big"), at + 5
    raise ValueError("a packet of partial length")


def _certificates(
    stream: Iterator[tuple[int, bytes]],
) -> Iterator[list[tuple[int, bytes]]]:
    current: list[tuple[int, bytes]] = []
    for tag, body in stream:
        if tag == PUBLIC_KEY and current:
            yield current
            current = []
        if current or tag == PUBLIC_KEY:
            current.append((tag, body))
    if current:
        yield current


def _certificate_keys(certificate: list[tuple[int, bytes]]) -> list[PublicKey]:
    keys: list[PublicKey] = []
    newest = 0
    for tag, body in certificate:
        if tag in (PUBLIC_KEY, PUBLIC_SUBKEY):
            if body[:1] != b"\x04":
                continue
            keys.append(_public_key(body, keys[0].fingerprint if keys else ""))
            newest = 0
        elif tag == SIGNATURE and keys:
            signature = _signature(body)
            key = keys[-1]
            if signature.key_id != key.primary[-16:]:
                continue  # somebody else's certification
            if signature.kind in _REVOCATIONS:
                keys[-1] = replace(key, revoked=True)
            elif signature.kind in _BINDINGS and signature.created >= newest:
                newest = signature.created
                expires = key.created + signature.lifetime if signature.lifetime else 0
                keys[-1] = replace(key, expires=expires)
    whole = b"".join(_packet(tag, body) for tag, body in certificate)
    return _inherit([replace(keys[0], block=armor(whole)), *keys[1:]] if keys else [])


def _inherit(keys: list[PublicKey]) -> list[PublicKey]:
    """A subkey is worth no more than its primary key."""
    return [
        replace(
            key,
            revoked=key.revoked or keys[0].revoked,
            expires=min((e for e in (key.expires, keys[0].expires) if e), default=0),
        )
        for key in keys
    ]


def _public_key(body: bytes, primary: str) -> PublicKey:
    framed = b"\x99" + len(body).to_bytes(2, "big") + body
    fingerprint = hashlib.sha1(framed, usedforsecurity=False).hexdigest().upper()
    # A subkey framed as a primary key has the same id: so librpm finds it without its certificate.
    block = armor(_packet(PUBLIC_KEY, body))
    created = int.from_bytes(body[1:5], "big")
    return PublicKey(fingerprint, created, primary=primary or fingerprint, block=block)


def _packet(tag: int, body: bytes) -> bytes:
    return bytes([0x80 | tag << 2 | 2]) + len(body).to_bytes(4, "big") + body


def _signature(body: bytes) -> SignatureInfo:
    if body[:1] == b"\x03" and len(body) >= 17:
        created, key_id = int.from_bytes(body[3:7], "big"), body[7:15].hex().upper()
        return SignatureInfo(body[2], key_id, created, body[15], body[16])
    if body[:1] != b"\x04" or len(body) < 10:
        raise ValueError("a signature of unknown version")
    kind, algorithm, hash_algorithm = body[1:4]
    hashed, rest = _area(body, 4)
    unhashed, _ = _area(body, rest)
    found: dict[int, bytes] = {}
    for area in (unhashed, hashed):  # what is signed counts more
        found.update(_subpackets(area))
    issuer = found.get(33, b"")[-8:] or found.get(16, b"")
    return SignatureInfo(
        kind, issuer.hex().upper(), int.from_bytes(found.get(2, b""), "big"), algorithm,
        hash_algorithm, int.from_bytes(found.get(9, b""), "big"),
    )  # fmt: skip


def _area(body: bytes, at: int) -> tuple[bytes, int]:
    end = at + 2 + int.from_bytes(body[at : at + 2], "big")
    if end > len(body):
        raise ValueError("a truncated signature")
    return body[at + 2 : end], end


def _subpackets(area: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at < len(area):
        length, at = _subpacket_length(area, at)
        if not length or at + length > len(area):
            raise ValueError("a broken signature subpacket")
        yield area[at] & 0x7F, area[at + 1 : at + length]
        at += length


def _subpacket_length(area: bytes, at: int) -> tuple[int, int]:
    """As packets have it, but two bytes reach up to 254 (RFC 4880, 5.2.3.1)."""
    first = area[at]
    if first < 192:
        return first, at + 1
    if first < 255:
        return ((first - 192) << 8) + int.from_bytes(area[at + 1 : at + 2], "big") + 192, at + 2
    return int.from_bytes(area[at + 1 : at + 5], "big"), at + 5
