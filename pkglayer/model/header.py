"""What a package's header says of its files and scripts, and a package once it is imported.

Terms are RPM's: header, payload, file flags. Read by `system.rpmlib`.
"""

from dataclasses import dataclass, field
from enum import IntFlag

from pkglayer.model.package import Nevra, Package
from pkglayer.model.scriptlet import Scriptlet, Trigger


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
class Imported:
    """A package that lies in the OSTree repository, ready to be layered.

    `commit` is the import commit: file `/rpm` (lead, signature and main header of the RPM) and
    directory `/tree` (the payload at the paths the RPM has).
    """

    package: Package
    header: Header
    commit: str
    head: bytes = field(repr=False, default=b"")
