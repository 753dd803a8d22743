"""Packages by name and version, as the repositories offer them.

Terms are RPM's: NEVRA, EVR. Nothing here compares versions (librpm does that).
"""

from dataclasses import dataclass


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
