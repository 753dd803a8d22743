"""Headers, payloads and transaction order, through the rpm bindings.

Signatures are not judged here (`keyring` does that, on the same open file); the shape of a package
is: an absurd header or a path that leaves the tree is refused. Nothing here opens a database.
"""

import hashlib
import os
import re
import stat
import struct
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, BinaryIO

import rpm

from pkglayer.log import printable
from pkglayer.model.errors import PackageError
from pkglayer.model.header import FileEntry, FileFlag, Header
from pkglayer.model.package import Nevra
from pkglayer.model.scriptlet import Scriptlet

LEAD_SIZE = 96
MAX_HEADER = 256 << 20
CHUNK = 1 << 20
_ODD_NAMES = frozenset({"", ".", ".."})

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+-]{0,254}")
_VERSION = re.compile(r"[A-Za-z0-9._+~^]{1,255}")
_SCRIPT_TAGS = {
    "pretrans": "pretrans",
    "pre": "prein",
    "post": "postin",
    "preun": "preun",
    "postun": "postun",
    "posttrans": "posttrans",
}


def read_head(file: BinaryIO) -> bytes:
    """Lead, signature and main header of an open RPM; raises PackageError for anything else."""
    fd = file.fileno()
    start = os.pread(fd, LEAD_SIZE + 16, 0)
    if len(start) < LEAD_SIZE + 16 or start[:4] != b"\xed\xab\xee\xdb":
        raise PackageError(f"{file.name} is not an RPM package")
    signature = LEAD_SIZE + _blob_size(start, LEAD_SIZE, str(file.name))
    main = signature + -signature % 8
    end = main + _blob_size(os.pread(fd, 16, main), 0, str(file.name))
    head = os.pread(fd, end, 0)
    if len(head) != end:
        raise PackageError(f"{file.name} is truncated within its header", hint="fetch it again")
    return head


def _blob_size(data: bytes, offset: int, name: str) -> int:
    if len(data) < offset + 16 or data[offset : offset + 3] != b"\x8e\xad\xe8":
        raise PackageError(f"{name} has no valid RPM header", hint="fetch it again")
    entries, size = struct.unpack_from(">II", data, offset + 8)
    total: int = 16 + 16 * entries + size
    if total > MAX_HEADER:
        raise PackageError(f"{name} claims a header of {total} bytes")
    return total


def main_header(head: bytes) -> bytes:
    """The main header's bytes, whose SHA-256 is the package's identity."""
    signature = LEAD_SIZE + _blob_size(head, LEAD_SIZE, "head")
    return head[signature + -signature % 8 :]


def header_checksum(head: bytes) -> str:
    """SHA-256 (hex) of the main header, the same as the header's SHA256HEADER tag."""
    return hashlib.sha256(main_header(head)).hexdigest()


def load_header(head: bytes) -> Any:
    """The rpm binding's own header object."""
    try:
        return rpm.hdr(main_header(head)[8:])
    except rpm.error as e:
        raise PackageError(f"an RPM header cannot be read: {e}") from e


def read_header(head: bytes) -> Header:
    """Everything pkglayer wants from the header of a package file, as values.

    Raises PackageError also for a name or version that rpmbuild would not make.
    """
    header = to_header(load_header(head), header_checksum(head))
    _check_names(header.nevra)
    return header


def _check_names(nevra: Nevra) -> None:
    """By rpmbuild's own rule for names, versions and releases (rpm's build/parsePreamble.c)."""
    if not _NAME.fullmatch(nevra.name) or not _NAME.fullmatch(nevra.arch):
        shown = printable(f"{nevra.name[:80]}.{nevra.arch[:20]}")
        raise PackageError(f"'{shown}' is no name of a package")
    for text in (nevra.version, nevra.release):
        if not _VERSION.fullmatch(text):
            shown = printable(text[:80])
            raise PackageError(f"{nevra.name} has the version '{shown}', which is none")


def to_header(h: Any, checksum: str) -> Header:
    """The same from a header of the rpm binding, such as one of a database."""
    try:
        nevra = Nevra(h["name"], h["epoch"] or 0, h["version"], h["release"], h["arch"])
        return Header(
            nevra=nevra,
            checksum=checksum,
            files=tuple(_files(h, nevra)),
            scriptlets=tuple(_scriptlets(h)),
            vendor=h["vendor"] or "",
            prefixes=tuple(h["prefixes"] or ()),
        )
    except (TypeError, ValueError, IndexError) as e:
        raise PackageError(f"an RPM header makes no sense: {e}") from e


def _files(h: Any, nevra: Nevra) -> Iterator[FileEntry]:
    names = h["basenames"]
    if not names:
        return
    dirs = h["dirnames"]
    paths = [dirs[i] + n for i, n in zip(h["dirindexes"], names, strict=True)]
    modes, inodes, devices = h["filemodes"], h["fileinodes"], h["filedevices"]
    sizes = h["longfilesizes"] or h["filesizes"] or [0] * len(paths)
    digests = h["filedigests"] or [""] * len(paths)
    caps = h["filecaps"] or [""] * len(paths)
    colours = h["filecolors"] or [0] * len(paths)
    links = [
        (i, d) if stat.S_ISREG(m) else None for i, d, m in zip(inodes, devices, modes, strict=True)
    ]
    count = Counter(link for link in links if link)
    sets = {link: number for number, link in enumerate(k for k, n in count.items() if n > 1)}
    seen: set[str] = set()
    rows = zip(
        paths, modes, h["fileusername"], h["filegroupname"], sizes, digests, h["fileflags"],
        h["filelinktos"], links, caps, colours, strict=True,
    )  # fmt: skip
    for path, mode, user, group, size, digest, flags, linkto, link, cap, colour in rows:
        _check_path(path, nevra)
        if path in seen:
            raise PackageError(f"{nevra} lists {path!r} twice")
        seen.add(path)
        yield FileEntry(
            path, mode & 0xFFFF, user, group, size, digest, FileFlag(flags & 0xFFFF), linkto,
            sets.get(link, -1) if link else -1, cap, colour,
        )  # fmt: skip


def _check_path(path: str, nevra: Nevra) -> None:
    if path[:1] != "/" or "\0" in path or not _ODD_NAMES.isdisjoint(path.split("/")[1:]):
        raise PackageError(
            f"{nevra} has the file name {path!r}, which is not a plain absolute path",
            hint="do not install this package; tell whoever made it",
        )


def _scriptlets(h: Any) -> Iterator[Scriptlet]:
    for kind, tag in _SCRIPT_TAGS.items():
        program = h[tag + "prog"]
        body = h[tag]
        if not program and not body:
            continue
        words = (program,) if isinstance(program, str) else tuple(program or ("/bin/sh",))
        yield Scriptlet(kind, words, body or "", h[tag + "flags"] or 0)


def read_payload(file: BinaryIO, head: bytes) -> Iterator[tuple[str, Iterator[bytes] | None]]:
    """Walk the payload in archive order: (path, chunks of content or None without content).

    Of a hardlink set one path has the content, the last. Chunks are at most 1 MiB and must be read
    before the next entry. Raises PackageError for a truncated or corrupt payload.
    """
    h = load_header(head)
    os.lseek(file.fileno(), len(head), os.SEEK_SET)
    if h["payloadformat"] not in ("cpio", None):
        raise PackageError(f"{h['nevra']} has a payload of the unknown format {h['payloadformat']}")
    try:
        stream = rpm.fd(file.fileno(), "r", h["payloadcompressor"] or "gzip")
        archive = rpm.files(h).archive(stream)
        for entry in archive:
            content = archive.hascontent()
            yield entry.name, _chunks(archive, entry.size, h["nevra"]) if content else None
    except (OSError, rpm.error) as e:
        raise _corrupt(h["nevra"], str(e)) from e


def _chunks(archive: Any, size: int, nevra: str) -> Iterator[bytes]:
    while size > 0:
        try:
            data = archive.read(min(size, CHUNK))
        except (OSError, rpm.error) as e:
            raise _corrupt(nevra, str(e)) from e
        if not data:
            raise _corrupt(nevra, "unexpected end")
        size -= len(data)
        yield data


def _corrupt(nevra: str, why: str) -> PackageError:
    return PackageError(f"the payload of {nevra} is corrupt: {why}", hint="fetch it again")


def plan_order(heads: Sequence[bytes]) -> list[int]:
    """librpm's installation order, as indices into `heads`."""
    ts = rpm.TransactionSet()
    ts.setVSFlags(-1)
    for number, head in enumerate(heads):
        ts.addInstall(load_header(head), number, "i")
    ts.order()
    return [te.Key() for te in ts]
