"""Repository metadata of many packages that are not there, to measure how metadata is read.

The text is what createrepo_c writes for small packages; nothing in it can be downloaded.
"""

import gzip
import hashlib
from collections.abc import Iterator
from pathlib import Path

from tests.support.rpms import BUILD_TIME

_COMMON = "http://linux.duke.edu/metadata/common"
_RPM = "http://linux.duke.edu/metadata/rpm"
_FILELISTS = "http://linux.duke.edu/metadata/filelists"
_OTHER = "http://linux.duke.edu/metadata/other"
_REPO = "http://linux.duke.edu/metadata/repo"


def write_index(path: Path, count: int) -> Path:
    """Write `repodata` of `count` packages below `path`; each needs three others."""
    data = path / "repodata"
    data.mkdir(parents=True)
    parts = {
        "primary": _document("metadata", _COMMON, count, _primary, f' xmlns:rpm="{_RPM}"'),
        "filelists": _document("filelists", _FILELISTS, count, _filelists),
        "other": _document("otherdata", _OTHER, count, _other),
    }
    rows = [_write(data, name, text) for name, text in parts.items()]
    head = f'<?xml version="1.0"?>\n<repomd xmlns="{_REPO}"><revision>{BUILD_TIME}</revision>'
    (data / "repomd.xml").write_text(f"{head}{''.join(rows)}</repomd>\n")
    return path


def _document(tag: str, space: str, count: int, part: object, more: str = "") -> Iterator[bytes]:
    assert callable(part)
    yield f'<?xml version="1.0"?>\n<{tag} xmlns="{space}"{more} packages="{count}">\n'.encode()
    for number in range(count):
        yield part(number, count).encode()
    yield f"</{tag}>\n".encode()


def _write(data: Path, name: str, chunks: Iterator[bytes]) -> str:
    text = b"".join(chunks)
    packed = gzip.compress(text, 6, mtime=0)
    (data / f"{name}.xml.gz").write_bytes(packed)
    return (
        f'<data type="{name}"><checksum type="sha256">{_sha256(packed)}</checksum>'
        f'<open-checksum type="sha256">{_sha256(text)}</open-checksum>'
        f'<location href="repodata/{name}.xml.gz"/><timestamp>{BUILD_TIME}</timestamp>'
        f"<size>{len(packed)}</size><open-size>{len(text)}</open-size></data>"
    )


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _name(number: int) -> str:
    return f"indexed-{number:05d}"


def _id(number: int) -> str:
    return _sha256(str(number).encode())


_VERSION = '<version epoch="0" ver="1" rel="1"/>'


def _primary(number: int, count: int) -> str:
    name = _name(number)
    needs = {(number * 7 + 1) % count, (number * 3 + 2) % count, number // 2}
    flags = 'flags="EQ" epoch="0" ver="1" rel="1"'
    provides = f'<rpm:entry name="{name}" {flags}/><rpm:entry name="lib{name}.so.1()(64bit)"/>'
    requires = "".join(f'<rpm:entry name="lib{_name(n)}.so.1()(64bit)"/>' for n in sorted(needs))
    return (
        f'<package type="rpm"><name>{name}</name><arch>noarch</arch>{_VERSION}'
        f'<checksum type="sha256" pkgid="YES">{_id(number)}</checksum>'
        f"<summary>Package number {number} of many</summary>"
        f"<description>It is listed and cannot be downloaded: {_id(number)}.</description>"
        f'<packager/><url>https://example.com/{name}</url><time file="{BUILD_TIME}" '
        f'build="{BUILD_TIME}"/><size package="20000" installed="50000" archive="51000"/>'
        f'<location href="Packages/{name}-1-1.noarch.rpm"/><format><rpm:license>MIT</rpm:license>'
        f"<rpm:vendor/><rpm:group>Unspecified</rpm:group><rpm:buildhost>localhost</rpm:buildhost>"
        f"<rpm:sourcerpm>{name}-1-1.src.rpm</rpm:sourcerpm>"
        f'<rpm:header-range start="4504" end="9000"/><rpm:provides>{provides}</rpm:provides>'
        f"<rpm:requires>{requires}</rpm:requires><file>/usr/bin/{name}</file></format></package>\n"
    )


def _filelists(number: int, _count: int) -> str:
    files = "".join(f"<file>/usr/share/{_name(number)}/file{n}</file>" for n in range(20))
    opening = f'<package pkgid="{_id(number)}" name="{_name(number)}" arch="noarch">'
    return f"{opening}{_VERSION}<file>/usr/bin/{_name(number)}</file>{files}</package>\n"


def _other(number: int, _count: int) -> str:
    opening = f'<package pkgid="{_id(number)}" name="{_name(number)}" arch="noarch">'
    return f"{opening}{_VERSION}</package>\n"
