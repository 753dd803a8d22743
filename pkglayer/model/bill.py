"""What a state consists of, package by package: the facts of a bill of materials, in no format."""

from dataclasses import dataclass

from pkglayer.model.package import Nevra, Package
from pkglayer.model.plan import Base


@dataclass(frozen=True, order=True)
class Installed:
    """A package as a state's database has it; texts are empty where the header has none.

    `source` is the file name of its source package; `header_checksum` rpm's SHA256HEADER and
    `payload_checksum` the SHA-256 of the compressed payload, in hex.
    """

    nevra: Nevra
    licence: str = ""
    vendor: str = ""
    packager: str = ""
    summary: str = ""
    url: str = ""
    source: str = ""
    header_checksum: str = ""
    payload_checksum: str = ""

    @property
    def supplier(self) -> str:
        return self.vendor or self.packager


@dataclass(frozen=True)
class Entry:
    """A package and, where it is layered, what the state's record says of it: repository, file
    checksum, signer, requests. `sources` are who made those requests, as `Want.source` has it."""

    installed: Installed
    layered: Package | None = None
    sources: tuple[str, ...] = ()


@dataclass(frozen=True)
class Bill:
    """A state: its commit, the base below it (the same commit for a bare base), the plan's digest
    ("" for a bare base), ID and VERSION_ID of its os-release, and its packages by NEVRA."""

    commit: str
    base: Base
    digest: str
    distribution: str
    release: str
    entries: tuple[Entry, ...]
