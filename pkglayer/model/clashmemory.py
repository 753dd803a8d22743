"""File clashes that a build met, as values that outlive it: whose they are, and where they hold.

Whether two packages clash is up to the two alone, so that what was seen once need not be built
again; another build of either is another package.
"""

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from pkglayer.model.plan import LAYOUT_VERSION

VERSION = 1
KEPT = 200
BASE = "the base"
"""The owner of what no package of the base owns; a commit stands for its header."""


@dataclass(frozen=True)
class Owner:
    """A package by its NEVRA and what tells its builds apart: the SHA-256 of its header and the
    checksum of the whole file, of which a plan may know only one."""

    nevra: str
    header: str = ""
    checksum: str = ""

    def is_same(self, other: "Owner") -> bool:
        if self.header and other.header:
            return (self.nevra, self.header) == (other.nevra, other.header)
        return bool(self.checksum) and (self.nevra, self.checksum) == (other.nevra, other.checksum)


@dataclass(frozen=True)
class Met:
    """Two packages with other content at `paths`; `documentation` and `layout` are what else that
    depends on."""

    package: Owner
    other: Owner
    paths: tuple[str, ...]
    documentation: bool = True
    layout: int = LAYOUT_VERSION


def join(known: Iterable[Met], fresh: Iterable[Met]) -> list[Met]:
    """The newest last, none twice, no more than `KEPT`."""
    rows = [*known, *fresh]
    return list(dict.fromkeys(reversed(rows)))[:KEPT][::-1]


def to_json(rows: Iterable[Met]) -> dict[str, Any]:
    return {"version": VERSION, "clashes": [asdict(row) for row in rows]}


def from_json(data: Mapping[str, Any]) -> list[Met]:
    """The rows; none where they are of another version or no such rows: they are met again."""
    try:
        if data["version"] != VERSION:
            return []
        return [
            Met(
                Owner(**row["package"]), Owner(**row["other"]), tuple(row["paths"]),
                bool(row["documentation"]), int(row["layout"]),
            )
            for row in data["clashes"]
        ]  # fmt: skip
    except (KeyError, TypeError, ValueError):
        return []
