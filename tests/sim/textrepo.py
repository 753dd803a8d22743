"""Packages from a line of text, and repositories and databases of them without building any RPM.

`pkg("foo-2: requires lib = 1, bar; files /usr/bin/foo")` or `Pkg("foo", "2", requires=...)`;
`write_repo(dir, id, packages)` gives a repository as the sack loads it, `make_root(dir, packages)`
a tree with an rpmdb, `head_of(package)` an RPM's head.
"""

import hashlib
import re
import struct
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape, quoteattr

import hawkey
import rpm

from pkglayer.model.offer import CachedHead
from pkglayer.model.package import Nevra, Package
from pkglayer.system.rpmdb import change_packages
from pkglayer.system.rpmlib import header_checksum
from pkglayer.system.rpmmd import Repository

DBPATH = "usr/lib/sysimage/rpm"
_OPERATORS = {"<": 2, ">": 4, "=": 8, "<=": 10, ">=": 12}
_FLAGS = {"<": "LT", ">": "GT", "=": "EQ", "<=": "LE", ">=": "GE"}
_MAGIC = b"\x8e\xad\xe8\x01\0\0\0\0"
_RELATIONS = {
    "provides": "provide", "requires": "require", "conflicts": "conflict",
    "obsoletes": "obsolete", "recommends": "recommend", "supplements": "supplement",
}  # fmt: skip
"""What a relation is called here and in metadata, and in headers."""
_NAME = re.compile(
    r"(?P<name>.+?)-(?:(?P<epoch>\d+):)?(?P<version>\d[^-]*?)(?:-(?P<release>[^-]+?))?"
    r"(?:\.(?P<arch>noarch|x86_64|i686|aarch64|s390x))?"
)
_PRIMARY = re.compile(r"/etc/|.*bin/|/usr/lib/sendmail$")


class _Link(hawkey.Repo):  # type: ignore[misc]
    """hawkey's own, which can be asked what libdnf's can."""

    def getMetadataPath(self, kind: str) -> str:
        return str(self.filelists_fn) if kind == "filelists" else ""


@dataclass(frozen=True, order=True)
class Pkg:
    """A package; relations are written as in a spec file."""

    name: str
    version: str = "1"
    requires: tuple[str, ...] = ()
    provides: tuple[str, ...] = ()
    conflicts: tuple[str, ...] = ()
    obsoletes: tuple[str, ...] = ()
    arch: str = "noarch"
    recommends: tuple[str, ...] = ()
    supplements: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    epoch: int = 0
    release: str = "1"
    vendor: str = ""

    @property
    def parsed(self) -> Nevra:
        return Nevra(self.name, self.epoch, self.version, self.release, self.arch)

    @property
    def nevra(self) -> str:
        return str(self.parsed)

    @property
    def all_provides(self) -> tuple[str, ...]:
        return (f"{self.name} = {self.parsed.evr}", *self.provides)


def pkg(line: str) -> Pkg:
    """`NAME-[EPOCH:]VERSION[-RELEASE][.ARCH][: requires A, B >= 2; files /x; vendor V]`."""
    head, _, body = line.partition(": ")
    match = _NAME.fullmatch(head)
    if match is None:
        raise ValueError(f"not a package: {line!r}")
    parts = match.groupdict()
    values: dict[str, object] = {k: v for k, v in parts.items() if v}
    values["epoch"] = int(parts["epoch"] or 0)
    for clause in filter(None, (c.strip() for c in body.split(";"))):
        key, _, text = clause.partition(" ")
        if key not in {*_RELATIONS, "files", "vendor"}:
            raise ValueError(f"unknown word {key!r} in {line!r}")
        values[key] = text if key == "vendor" else tuple(t.strip() for t in text.split(","))
    return Pkg(**values)  # type: ignore[arg-type]


def _split(relation: str) -> tuple[str, str, str]:
    words = [relation] if relation.startswith("(") else relation.split()
    return (words[0], words[1], words[2]) if len(words) == 3 else (relation, "", "")


# As RPM's headers have it


def head_of(package: Pkg) -> bytes:
    """Lead, signature and header, as the first bytes of an RPM file."""
    header = rpm.hdr()
    texts = {"name": package.name, "version": package.version, "release": package.release}
    texts |= {"arch": package.arch, "os": "linux", "sourcerpm": f"{package.name}.src.rpm"}
    texts |= {"vendor": package.vendor} if package.vendor else {}
    for key, value in texts.items():
        header[key] = value
    if package.epoch:
        header["epoch"] = package.epoch
    for kind, tag in _RELATIONS.items():
        if rows := [_split(r) for r in _relations(package, kind)]:
            header[f"{tag}name"] = [name for name, _, _ in rows]
            header[f"{tag}flags"] = [_OPERATORS.get(operator, 0) for _, operator, _ in rows]
            header[f"{tag}version"] = [version for _, _, version in rows]
    if package.files:
        _put_files(header, package.files)
    lead = struct.pack(">4s2B2H66sHH16x", b"\xed\xab\xee\xdb", 3, 0, 0, 1, b"x", 1, 5)
    blob = _MAGIC + bytes(header.unload())
    return lead + _signature(len(blob)) + blob


def _relations(package: Pkg, kind: str) -> tuple[str, ...]:
    found: tuple[str, ...] = getattr(package, kind)
    return package.all_provides if kind == "provides" else found


def _put_files(header: rpm.hdr, files: Sequence[str]) -> None:
    """Empty regular files of root; that is enough to be found and to be owned."""
    directories = sorted({f.rpartition("/")[0] + "/" for f in files})
    header["basenames"] = [f.rpartition("/")[2] for f in files]
    header["dirnames"] = directories
    header["dirindexes"] = [directories.index(f.rpartition("/")[0] + "/") for f in files]
    header["filedigests"] = ["d41d8cd98f00b204e9800998ecf8427e"] * len(files)
    header["filelinktos"] = [""] * len(files)
    header["fileusername"] = header["filegroupname"] = ["root"] * len(files)
    header["filemodes"] = [0o100644] * len(files)
    for key in ("filesizes", "fileflags", "filemtimes", "filerdevs", "fileverifyflags"):
        header[key] = [0] * len(files)


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


# As repositories have it


def write_repo(
    directory: Path, name: str, packages: Sequence[Pkg], *, comps: str = ""
) -> Repository:
    """A repository's metadata, laid out for any reader, loaded as hawkey itself reads it."""
    repodata = directory / "repodata"
    repodata.mkdir(parents=True, exist_ok=True)
    count = f'packages="{len(packages)}"'
    texts = {
        "primary": '<metadata xmlns="http://linux.duke.edu/metadata/common" '
        f'xmlns:rpm="http://linux.duke.edu/metadata/rpm" {count}>\n'
        + "".join(map(_entry, sorted(packages))) + "</metadata>\n",
        "filelists": f'<filelists xmlns="http://linux.duke.edu/metadata/filelists" {count}>\n'
        + "".join(map(_filelist, sorted(packages))) + "</filelists>\n",
        **({"group": comps} if comps else {}),
    }  # fmt: skip
    rows = [_write_data(repodata / f"{kind}.xml", kind, text) for kind, text in texts.items()]
    (repodata / "repomd.xml").write_text(
        '<?xml version="1.0"?>\n<repomd xmlns="http://linux.duke.edu/metadata/repo">'
        f"<revision>1700000000</revision>{''.join(rows)}</repomd>\n"
    )
    # It says that dnf has a class of its own, which is not installed everywhere.
    with warnings.catch_warnings(record=True):
        link = _Link(name)
    link.repomd_fn = str(repodata / "repomd.xml")
    link.primary_fn, link.filelists_fn = (str(repodata / f"{k}.xml") for k in list(texts)[:2])
    return Repository(
        name,
        cachedir=str(directory),
        available=True,
        link=link,
        baseurls=(directory.as_uri(),),
        comps=str(repodata / "group.xml") if comps else "",
    )


def _write_data(path: Path, kind: str, text: str) -> str:
    data = f'<?xml version="1.0" encoding="UTF-8"?>\n{text}'.encode()
    path.write_bytes(data)
    digest = hashlib.sha256(data).hexdigest()
    return (
        f'<data type="{kind}"><checksum type="sha256">{digest}</checksum>'
        f'<location href="repodata/{path.name}"/><timestamp>1700000000</timestamp>'
        f"<size>{len(data)}</size></data>"
    )


def package_id(package: Pkg | Sequence[Pkg]) -> str:
    """A checksum that two packages, or lists of them, share only if they are the same."""
    return hashlib.sha256(repr(package).encode()).hexdigest()


def _version(package: Pkg) -> str:
    return f"<version epoch='{package.epoch}' ver='{package.version}' rel='{package.release}'/>"


def _entry(package: Pkg) -> str:
    relations = "".join(
        f"<rpm:{kind}>{''.join(map(_relation, rows))}</rpm:{kind}>"
        for kind in _RELATIONS
        if (rows := _relations(package, kind))
    )
    vendor = f"<rpm:vendor>{escape(package.vendor)}</rpm:vendor>" if package.vendor else ""
    return (
        f"<package type='rpm'><name>{package.name}</name><arch>{package.arch}</arch>"
        f"{_version(package)}<checksum type='sha256' pkgid='YES'>{package_id(package)}</checksum>"
        "<summary>x</summary><description/><time file='0' build='0'/>"
        "<size package='1000' installed='1000'/>"
        f"<location href='{package.nevra.replace(':', '_')}.rpm'/>"
        f"<format>{vendor}{relations}"
        f"{_files(f for f in package.files if _PRIMARY.match(f))}</format></package>\n"
    )


def _filelist(package: Pkg) -> str:
    return (
        f"<package pkgid='{package_id(package)}' name='{package.name}' arch='{package.arch}'>"
        f"{_version(package)}{_files(package.files)}</package>\n"
    )


def _files(paths: Iterable[str]) -> str:
    return "".join(f"<file>{escape(path)}</file>" for path in paths)


def _relation(text: str) -> str:
    name, operator, evr = _split(text)
    if not operator:
        return f"<rpm:entry name={quoteattr(name)}/>"
    epoch, colon, rest = evr.partition(":")
    version, _, release = (rest if colon else evr).partition("-")
    rel = f" rel='{release}'" if release else ""
    flags = f"flags='{_FLAGS[operator]}' epoch='{epoch if colon else 0}' ver='{version}'{rel}"
    return f"<rpm:entry name={quoteattr(name)} {flags}/>"
