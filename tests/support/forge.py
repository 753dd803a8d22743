"""Changes a built RPM package to something that rpmbuild would refuse, and mends its digests.

For hostile input: paths that climb out, offsets that lie, payloads that differ from the header.
Only digests are made right; signatures become invalid, unless `sign_rpm` is called afterwards.
"""

import hashlib
import struct
from collections.abc import Callable
from pathlib import Path

Change = Callable[[bytes], bytes]

UNCOMPRESSED = {"_binary_payload": "w.ufdio"}
"""`macros` for `build_rpm` that make the payload readable to `swap`."""

_LEAD_SIZE = 96
_SIZE_TAG = 1000
_SIGNATURE_DIGESTS = frozenset({269, 273, 1004})
_DIGESTS = frozenset({1035, 5011, 5092, 5093, 5097})
"""Tags of the signature's header, and of the main one."""
_UNKNOWN = 900_000


def forge_rpm(path: Path, *, header: Change | None = None, payload: Change | None = None) -> Path:
    """Rewrite `path` in place with its main header or payload changed, and return it."""
    content = path.read_bytes()
    start = _LEAD_SIZE + _header_size(content, _LEAD_SIZE)
    start += -start % 8
    end = start + _header_size(content, start)
    old_header, old_payload = content[start:end], content[end:]
    new_payload = payload(old_payload) if payload else old_payload
    new_header = header(old_header) if header else old_header
    # Digests are found by their value, so the payload's goes first: it is part of the header.
    new_header = new_header.replace(_hex("sha256", old_payload), _hex("sha256", new_payload))
    signature = _mend(content[:start], (old_header, old_payload), (new_header, new_payload))
    path.write_bytes(signature + new_header + new_payload)
    return path


def swap(old: bytes, new: bytes) -> Change:
    """Return a change that puts `new` everywhere `old` is; both have one length."""
    if len(old) != len(new):
        raise ValueError(f"{old!r} and {new!r} differ in length")

    def change(data: bytes) -> bytes:
        if old not in data:
            raise AssertionError(f"{old!r} is not there to be replaced")
        return data.replace(old, new)

    return change


def set_tag(tag: int, *, offset: int | None = None, count: int | None = None) -> Change:
    """Return a change of one tag's entry in the header's index, unsigned 32-bit numbers."""

    def change(data: bytes) -> bytes:
        place = _find_entry(data, 0, tag)
        _, kind, old_offset, old_count = struct.unpack_from(">4I", data, place)
        values = (old_offset if offset is None else offset, old_count if count is None else count)
        return data[:place] + struct.pack(">4I", tag, kind, *values) + data[place + 16 :]

    return change


def drop_digests(path: Path) -> Path:
    """Take every digest out of a package in place: of header, payload and files."""
    content = path.read_bytes()
    start = _LEAD_SIZE + _header_size(content, _LEAD_SIZE)
    start += -start % 8
    end = start + _header_size(content, start)
    signature = _hide_tags(content[_LEAD_SIZE:start], _SIGNATURE_DIGESTS)
    header = _hide_tags(content[start:end], _DIGESTS)
    path.write_bytes(content[:_LEAD_SIZE] + signature + header + content[end:])
    return path


def _hide_tags(header: bytes, tags: frozenset[int]) -> bytes:
    """Give entries of the index numbers that nobody knows: librpm wants no gap between them."""
    for tag in tags:
        place = _find_entry(header, 0, tag)
        header = header[:place] + struct.pack(">I", _UNKNOWN + tag) + header[place + 4 :]
    return header


def _header_size(content: bytes, start: int) -> int:
    entries, store = struct.unpack_from(">II", content, start + 8)
    return 16 + 16 * int(entries) + int(store)


def _find_entry(content: bytes, start: int, tag: int) -> int:
    [entries] = struct.unpack_from(">I", content, start + 8)
    for place in range(start + 16, start + 16 + 16 * entries, 16):
        if struct.unpack_from(">I", content, place) == (tag,):
            return place
    raise AssertionError(f"the header has no tag {tag}")


def _hex(algorithm: str, data: bytes) -> bytes:
    return hashlib.new(algorithm, data).hexdigest().encode()


def _md5(data: bytes) -> bytes:
    return hashlib.md5(data, usedforsecurity=False).digest()


def _mend(signature: bytes, old: tuple[bytes, bytes], new: tuple[bytes, bytes]) -> bytes:
    for algorithm in ("sha1", "sha256"):
        signature = signature.replace(_hex(algorithm, old[0]), _hex(algorithm, new[0]))
    signature = signature.replace(_md5(b"".join(old)), _md5(b"".join(new)))
    entry = _find_entry(signature, _LEAD_SIZE, _SIZE_TAG)
    [entries] = struct.unpack_from(">I", signature, _LEAD_SIZE + 8)
    [offset] = struct.unpack_from(">I", signature, entry + 8)
    place = _LEAD_SIZE + 16 + 16 * entries + offset
    size = struct.pack(">I", len(b"".join(new)))
    return signature[:place] + size + signature[place + 4 :]
