"""What is on offer when a request is resolved: packages in sight, and what the solver answers.

Values between `system.sack`, which fills them, and `stages.resolve`, which reads them.
"""

from dataclasses import dataclass
from pathlib import Path

from pkglayer.model.package import Nevra, Package

BASE = "@System"
"""The `Offer.repo` of what the base itself has."""

CACHE = "@cache"
"""The `Offer.repo` of an imported package."""

IN_BASE, IN_LAYER, IMPORTED = "base", "layer", "imported"
"""`Details.places` beside the ids of repositories."""

LOCAL = "@local"
"""The `Package.repo` of an RPM file that the user brought."""


@dataclass(frozen=True)
class CachedHead:
    """An imported package that needs no repository.

    `path` (its name must end in `.rpm`) holds lead, signature and header of the RPM; `package` is
    as it was when imported, with the repository it came from (`@local` for a file).
    """

    path: Path
    header_checksum: str
    package: Package


@dataclass(frozen=True, order=True)
class Offer:
    """One package in sight; `repo` is `@System` for the base, `@cache` for an imported one."""

    nevra: Nevra
    repo: str
    location: str = ""

    @property
    def installed(self) -> bool:
        return self.repo == BASE


@dataclass(frozen=True)
class Solution:
    """What the solver says: packages to add, or why not.

    `replaced` are the base's packages that give way, each with the offer (among `offers`) that
    comes in its place; `removed` those that go without one. Whether that is acceptable is for the
    caller to say. `problems` is the solver's own text, empty when there is a solution.
    """

    offers: tuple[Offer, ...] = ()
    replaced: tuple[tuple[Offer, Offer], ...] = ()
    removed: tuple[Offer, ...] = ()
    problems: tuple[str, ...] = ()


@dataclass(frozen=True)
class Details:
    """What `info` shows; `package` carries repository and sizes (bytes).

    `places` is where it is to be had: `base`, `layer` (the next boot's), `imported` (another
    state's), and ids of repositories.
    """

    package: Package
    installed: bool
    summary: str = ""
    description: str = ""
    license: str = ""
    url: str = ""
    source: str = ""
    places: tuple[str, ...] = ()

    @property
    def present(self) -> bool:
        """Whether base or layer have it."""
        return bool({IN_BASE, IN_LAYER} & set(self.places))
