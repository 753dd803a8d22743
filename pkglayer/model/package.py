"""Packages by name and version, as the repositories offer them and as their headers describe them.

Terms are RPM's: NEVRA, EVR, header, payload. Nothing here compares versions (librpm does that).
"""

from dataclasses import dataclass, field
from enum import IntFlag

from pkglayer.model.scriptlet import Scriptlet, Trigger


@dataclass(frozen=True, order=True)
class Nevra:
    """Name, epoch, version, release, architecture; `epoch` is 0 where the package has none."""

    name: str
    epoch: int
    version: str
    release: str
    arch: str

    @property
    def evr(self) -> str:
        """`[epoch:]version-release`, the epoch left out where it is 0."""
        return f"{f'{self.epoch}:' if self.epoch else ''}{self.version}-{self.release}"

    def __str__(self) -> str:
        return f"{self.name}-{self.evr}.{self.arch}"

    @classmethod
    def parse(cls, text: str) -> "Nevra":
        """Read `name-[epoch:]version-release.arch`; raises ValueError for anything else."""
        rest, dot, arch = text.rpartition(".")
        head, dash, release = rest.rpartition("-")
        name, dash2, ev = head.rpartition("-")
        epoch, _, version = ev.rpartition(":")
        if not (dot and dash and dash2 and name and version):
            raise ValueError(f"not a NEVRA: {text!r}")
        return cls(name, int(epoch or 0), version, release, arch)


class FileFlag(IntFlag):
    """RPMFILE_* of the header's FILEFLAGS (rpm's rpmfiles.h)."""

    CONFIG = 1 << 0
    DOC = 1 << 1
    MISSINGOK = 1 << 3
    NOREPLACE = 1 << 4
    GHOST = 1 << 6
    LICENSE = 1 << 7
    README = 1 << 8
    ARTIFACT = 1 << 12


NO_FLAGS = FileFlag(0)


@dataclass(frozen=True)
class FileEntry:
    """One path of a package's header.

    `path` is absolute as RPM has it; `mode` holds type and permission bits; `size` is in bytes;
    `digest` is hex in the header's digest algorithm, empty where there is none; `hardlink` is equal
    for the paths of one hardlink set and -1 for a file that stands alone; `caps` is the text form
    of file capabilities, empty for none; `colour` see `model.colours`.
    """

    path: str
    mode: int
    user: str
    group: str
    size: int = 0
    digest: str = ""
    flags: FileFlag = NO_FLAGS
    linkto: str = ""
    hardlink: int = -1
    caps: str = ""
    colour: int = 0


@dataclass(frozen=True)
class Header:
    """What a package's header says, read once by `system.rpmlib`.

    `checksum` is the SHA-256 (hex) of the main header as it lies in the file, rpm's SHA256HEADER.
    """

    nevra: Nevra
    checksum: str
    files: tuple[FileEntry, ...] = ()
    scriptlets: tuple[Scriptlet, ...] = ()
    triggers: tuple[Trigger, ...] = ()
    vendor: str = ""
    prefixes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Package:
    """One package that a plan wants in the layer.

    `checksum` is `sha256:` plus hex of the whole RPM file, as repository metadata gives it (other
    algorithms keep their own prefix); `repo` is the repository's id, `@local` for a file the user
    brought, `@cache` for one that only the import cache still has; `sizes` in bytes;
    `header_checksum` and `key` (full fingerprint of the signer) are empty until known.
    `reason` is `user`, `group`, `dependency` or `weak-dependency`; `requests` the specs behind it.
    """

    nevra: Nevra
    repo: str
    checksum: str
    download_size: int = 0
    install_size: int = 0
    location: str = ""
    reason: str = "dependency"
    requests: tuple[str, ...] = ()
    header_checksum: str = ""
    key: str = ""


@dataclass(frozen=True)
class Imported:
    """A package that lies in the OSTree repository, ready to be layered.

    `commit` is the import commit: file `/rpm` (lead, signature and main header of the RPM) and
    directory `/tree` (the payload at the paths the RPM has).
    """

    package: Package
    header: Header
    commit: str
    head: bytes = field(repr=False, default=b"")
