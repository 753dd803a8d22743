"""Key files and signature packets, as they are and as an attacker would like them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pkglayer.model.openpgp import (
    PublicKey,
    SignatureInfo,
    armor,
    dearmor,
    packets,
    parse_keys,
    parse_signature,
    why_unusable,
)

YEAR = 365 * 86400
NOW = 50 * YEAR


def packet(tag: int, body: bytes) -> bytes:
    return bytes([0xC0 | tag, 255]) + len(body).to_bytes(4, "big") + body


def key_packet(tag: int, material: bytes, created: int = 100) -> bytes:
    return packet(tag, b"\x04" + created.to_bytes(4, "big") + b"\x01" + material)


def subpackets(*rows: tuple[int, bytes]) -> bytes:
    area = b"".join(bytes([len(data) + 1, kind]) + data for kind, data in rows)
    return len(area).to_bytes(2, "big") + area


def signature(kind: int, issuer: str, created: int = 200, lifetime: int = 0) -> bytes:
    rows = [(2, created.to_bytes(4, "big")), (16, bytes.fromhex(issuer))]
    rows += [(9, lifetime.to_bytes(4, "big"))] if lifetime else []
    body = bytes([4, kind, 1, 8]) + subpackets(*rows) + subpackets() + b"\0\0rest"
    return packet(2, body)


PRIMARY = key_packet(6, b"primary")
SUBKEY = key_packet(14, b"subkey", 300)
ID = parse_keys(PRIMARY)[0].key_id


def test_key_and_subkey() -> None:
    primary, subkey = parse_keys(PRIMARY + signature(0x13, ID) + SUBKEY + signature(0x18, ID))
    assert (primary.primary, subkey.primary) == (primary.fingerprint, primary.fingerprint)
    assert (primary.created, subkey.created) == (100, 300)
    assert len(primary.fingerprint) == 40
    assert primary.key_id == primary.fingerprint[-16:] == ID


@pytest.mark.parametrize(
    ("rest", "expires"),
    [
        (signature(0x13, ID, lifetime=1000), 1100),
        (signature(0x13, ID, 200, 1000) + signature(0x13, ID, 300, 5000), 5100),
        (signature(0x13, ID, 300, 5000) + signature(0x13, ID, 200, 1000), 5100),
        (signature(0x13, ID, 200, 1000) + signature(0x13, ID, 300), 0),
        (signature(0x13, "0" * 16, lifetime=1000), 0),
        (signature(0x1F, ID, lifetime=9), 109),
    ],
    ids=["one", "newer", "newer-first", "no-end-now", "of-somebody-else", "direct"],
)
def test_last_self_signature_tells_expiry(rest: bytes, expires: int) -> None:
    assert parse_keys(PRIMARY + rest)[0].expires == expires


def test_subkey_is_worth_no_more_than_its_primary() -> None:
    early = PRIMARY + signature(0x13, ID, lifetime=1000)
    late = SUBKEY + signature(0x18, ID, lifetime=90000)
    assert [k.expires for k in parse_keys(early + late)] == [1100, 1100]
    revoked = PRIMARY + signature(0x20, ID) + late
    assert [k.revoked for k in parse_keys(revoked)] == [True, True]
    only_subkey = PRIMARY + SUBKEY + signature(0x28, ID)
    assert [k.revoked for k in parse_keys(only_subkey)] == [False, True]


def test_revocation_by_somebody_else_does_not_count() -> None:
    assert not parse_keys(PRIMARY + signature(0x20, "F" * 16))[0].revoked


def test_several_keys_in_one_file_have_a_block_each() -> None:
    other = key_packet(6, b"other")
    first, second = parse_keys(armor(PRIMARY + SUBKEY) + b"\nnote\n" + armor(other))[::2]
    assert [k.primary for k in parse_keys(first.block)] == [first.fingerprint] * 2
    assert [k.fingerprint for k in parse_keys(second.block)] == [second.fingerprint]


def test_signature_fields() -> None:
    info = parse_signature(signature(0x00, "0123456789ABCDEF", 1234))
    assert info == SignatureInfo(0, "0123456789ABCDEF", 1234, 1, 8)
    assert info.algorithms == "RSA/SHA256"
    assert SignatureInfo(0, "", 0, 22, 10).algorithms == "EdDSA/SHA512"
    assert SignatureInfo(0, "", 0, 99, 98).algorithms == "99/98"


def test_signed_part_counts_more_than_what_anybody_can_add() -> None:
    body = bytes([4, 0, 1, 8]) + subpackets((16, b"\1" * 8)) + subpackets((16, b"\2" * 8))
    assert parse_signature(packet(2, body)).key_id == "01" * 8


@pytest.mark.parametrize(
    ("key", "says"),
    [
        (PublicKey("A", 100), ""),
        (PublicKey("A", 100, expires=NOW + 1), ""),
        (
            PublicKey("A", 100, expires=NOW),
            "expired on 2019-12-20 (the clock here says 2019-12-20)",
        ),
        (PublicKey("A", 100, revoked=True), "was revoked by its owner"),
        (PublicKey("A", NOW + 2 * 86400), "was made on 2019-12-22, and the clock here says"),
        (PublicKey("A", NOW + 3600), ""),
    ],
)
def test_why_a_key_counts_for_nothing(key: PublicKey, says: str) -> None:
    why = why_unusable(key, NOW)
    assert why.startswith(says)
    assert bool(why) == bool(says)


@pytest.mark.parametrize(
    "data",
    [
        b"", b"hello", b"\xc6", b"\xc6\xff", b"\xc6\x10short", PRIMARY[:-1], b"\xc6\xe0", b"\x9b",
        b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n!!!\n-----END PGP PUBLIC KEY BLOCK-----",
        packet(6, b"\x05" + b"x" * 20), packet(6, b"\x03" + b"x" * 20), packet(2, b"\x04"),
    ],
)  # fmt: skip
def test_broken_keys_are_value_errors(data: bytes) -> None:
    with pytest.raises(ValueError):
        parse_keys(data)


@given(st.binary(max_size=300))
def test_armor_round_trip(data: bytes) -> None:
    assert dearmor(armor(data)) == data


@given(st.binary(max_size=200), st.integers(0, 200))
def test_nothing_but_value_errors_for_any_bytes(noise: bytes, place: int) -> None:
    good = PRIMARY + signature(0x13, ID, lifetime=7) + SUBKEY
    for data in (noise, good[:place] + noise + good[place:], good[:place] + noise):
        for parse in (parse_keys, parse_signature, lambda d: list(packets(d))):
            try:
                parse(data)
            except ValueError:
                continue
