"""Packages from a line of text, and repositories and databases of them without building any RPM.

`Pkg("foo", "2", requires=("lib = 1",))`; `write_repo(dir, id, packages)` gives a repository as the
sack loads it, `make_root(dir, packages)` a tree with an rpmdb, `head_of(package)` an RPM's head.
"""

import hashlib
import struct
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import quoteattr

import hawkey
import rpm

from pkglayer.model.offer import CachedHead
from pkglayer.model.package import Package
from pkglayer.system.rpmdb import change_packages
from pkglayer.system.rpmlib import header_checksum
from pkglayer.system.rpmmd import Repository

DBPATH = "usr/lib/sysimage/rpm"
_OPERATORS = {"<": 2, ">": 4, "=": 8, "<=": 10, ">=": 12}
_FLAGS = {"<": "LT", ">": "GT", "=": "EQ", "<=": "LE", ">=": "GE"}
_MAGIC = b"\x8e\xad\xe8\x01\0\0\0\0"


@dataclass(frozen=True, order=True)
class Pkg:
    """A package of release 1; relations are written as in a spec file."""

    name: str
    version: str = "1"
    requires: tuple[str, ...] = ()
    provides: tuple[str, ...] = ()
    conflicts: tuple[str, ...] = ()
    obsoletes: tuple[str, ...] = ()
    arch: str = "noarch"

    @property
    def nevra(self) -> str:
        return f"{self.name}-{self.version}-1.{self.arch}"

    @property
    def all_provides(self) -> tuple[str, ...]:
        return (f"{self.name} = {self.version}-1", *self.provides)


def _split(relation: str) -> tuple[str, str, str]:
    words = [relation] if relation.startswith("(") else relation.split()
    return (words[0], words[1], words[2]) if len(words) == 3 else (relation, "", "")


def head_of(package: Pkg) -> bytes:
    """Lead, signature and header, as the first bytes of an RPM file."""
    header = rpm.hdr()
    texts = {"name": package.name, "version": package.version, "release": "1"}
    texts |= {"arch": package.arch, "os": "linux", "sourcerpm": f"{package.name}.src.rpm"}
    for key, value in texts.items():
        header[key] = value
    for kind, relations in (
        ("require", package.requires),
        ("provide", package.all_provides),
        ("conflict", package.conflicts),
        ("obsolete", package.obsoletes),
    ):
        rows = [_split(r) for r in relations]
        if rows:
            header[f"{kind}name"] = [name for name, _, _ in rows]
            header[f"{kind}flags"] = [_OPERATORS.get(operator, 0) for _, operator, _ in rows]
            header[f"{kind}version"] = [version for _, _, version in rows]
    lead = struct.pack(">4s2B2H66sHH16x", b"\xed\xab\xee\xdb", 3, 0, 0, 1, b"x", 1, 5)
    blob = _MAGIC + bytes(header.unload())
    return lead + _signature(len(blob)) + blob


def _signature(size: int) -> bytes:
    """A signature header that says nothing but the size; rpm wants one tag at least."""
    entry = struct.pack(">4i", 1000, 4, 0, 1)
    return _MAGIC + struct.pack(">2i", 1, 4) + entry + struct.pack(">i", size) + bytes(4)


def make_root(path: Path, packages: Iterable[Pkg]) -> Path:
    """A tree whose rpmdb has these packages."""
    (path / DBPATH).mkdir(parents=True)
    change_packages(path, DBPATH, [head_of(p) for p in packages], 1_700_000_000)
    return path


def cached_head(directory: Path, package: Package, pkg: Pkg) -> CachedHead:
    """The package as an import has it."""
    head = head_of(pkg)
    path = directory / f"{package.nevra}.rpm"
    path.write_bytes(head)
    return CachedHead(path, header_checksum(head), package)


def write_repo(directory: Path, name: str, packages: Sequence[Pkg]) -> Repository:
    """A repository's metadata, loaded as hawkey itself reads it."""
    directory.mkdir(parents=True, exist_ok=True)
    text = "".join(map(_entry, sorted(packages)))
    primary, repomd = directory / "primary.xml", directory / "repomd.xml"
    primary.write_text(
        '<?xml version="1.0"?>\n<metadata xmlns="http://linux.duke.edu/metadata/common" '
        'xmlns:rpm="http://linux.duke.edu/metadata/rpm" '
        f'packages="{len(packages)}">\n{text}</metadata>\n'
    )
    digest = hashlib.sha256(primary.read_bytes()).hexdigest()
    repomd.write_text(
        '<?xml version="1.0"?>\n<repomd xmlns="http://linux.duke.edu/metadata/repo">'
        f'<data type="primary"><checksum type="sha256">{digest}</checksum>'
        '<location href="primary.xml"/></data></repomd>\n'
    )
    # It says that dnf has a class of its own, which is not installed everywhere.
    with warnings.catch_warnings(record=True):
        link = hawkey.Repo(name)
    link.repomd_fn, link.primary_fn = str(repomd), str(primary)
    return Repository(name, cachedir=str(directory), available=True, link=link)


def _entry(package: Pkg) -> str:
    digest = hashlib.sha256(package.nevra.encode()).hexdigest()
    relations = "".join(
        f"<rpm:{kind}>{''.join(map(_relation, rows))}</rpm:{kind}>"
        for kind, rows in (
            ("provides", package.all_provides),
            ("requires", package.requires),
            ("conflicts", package.conflicts),
            ("obsoletes", package.obsoletes),
        )
        if rows
    )
    return (
        f"<package type='rpm'><name>{package.name}</name><arch>{package.arch}</arch>"
        f"<version epoch='0' ver='{package.version}' rel='1'/>"
        f"<checksum type='sha256' pkgid='YES'>{digest}</checksum><summary>x</summary>"
        f"<description/><time file='0' build='0'/><size package='1000' installed='1000'/>"
        f"<location href='{package.nevra}.rpm'/><format>{relations}</format></package>\n"
    )


def _relation(text: str) -> str:
    name, operator, evr = _split(text)
    if not operator:
        return f"<rpm:entry name={quoteattr(name)}/>"
    version, _, release = evr.partition("-")
    rel = f" rel='{release}'" if release else ""
    flags = f"flags='{_FLAGS[operator]}' epoch='0' ver='{version}'{rel}"
    return f"<rpm:entry name={quoteattr(name)} {flags}/>"
