"""The values the test world is described with: what to build, what apt chose, what was built.

Plain data; nothing here touches the machine except reading the description of a finished world.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

DESCRIPTION = "world.json"
BRANCH = "world/stable"
"""The branch that moves from the first version of the base to the second."""


class WorldError(Exception):
    """The world cannot be built or used here; the text says why."""


@dataclass(frozen=True)
class Profile:
    """Seeds only: what they need comes from the distribution's own solver."""

    name: str
    base: tuple[str, ...]
    layers: tuple[str, ...]
    boots: bool
    """Whether the base has a real kernel and all that pkglayer needs to run inside it; else a
    placeholder for the kernel, which can be deployed but not started."""


@dataclass(frozen=True)
class Deb:
    """One binary package of the distribution, as its index describes it."""

    name: str
    version: str
    size: int
    sha256: str
    uri: str
    control: Mapping[str, str] = field(repr=False)

    @property
    def source(self) -> str:
        return self.control.get("Source", self.name).split()[0]

    @property
    def is_noarch(self) -> bool:
        return self.control["Architecture"] == "all"

    @property
    def file_name(self) -> str:
        return f"{self.name}_{self.version.replace(':', '%3a')}.deb"


@dataclass(frozen=True)
class Plan:
    """What the seeds come to: `layers` gives for each seed the names it adds to the base."""

    base: tuple[str, ...]
    layers: Mapping[str, tuple[str, ...]]
    debs: Mapping[str, Deb]


@dataclass(frozen=True)
class Packages:
    """The RPMs of both versions by name, and which of them are the bases."""

    v1: Mapping[str, Path]
    v2: Mapping[str, Path]
    base_v1: tuple[str, ...]
    base_v2: tuple[str, ...]
    layers: Mapping[str, tuple[str, ...]]
    first: tuple[str, ...]
    """Installed before the rest: the links to /usr, and the names that owners are looked up in."""


@dataclass(frozen=True)
class World:
    """A finished world: an archive repository with `world/v1` and `world/v2`, and the RPMs.

    `repo_v1` holds the base and all that can be layered on it; `repo_v2` the same for the next
    base, some of it rebuilt. `layer_seeds` tells which packages each layerable name adds to v1.
    """

    profile: str
    path: Path
    base_names: tuple[str, ...]
    layer_seeds: Mapping[str, tuple[str, ...]]

    @property
    def ostree_repo(self) -> Path:
        return self.path / "ostree"

    @property
    def repo_v1(self) -> Path:
        return self.path / "repo-v1"

    @property
    def repo_v2(self) -> Path:
        return self.path / "repo-v2"

    @property
    def data_image(self) -> Path:
        """A read-only disk with all of the above, for virtual machines (profiles that boot)."""
        return self.path / "data.img"

    def save(self) -> None:
        text = json.dumps(
            {
                "profile": self.profile,
                "base_names": self.base_names,
                "layer_seeds": dict(self.layer_seeds),
            },
            indent=1,
        )
        (self.path / DESCRIPTION).write_text(text + "\n")

    @classmethod
    def load(cls, path: Path) -> Self:
        data = json.loads((path / DESCRIPTION).read_text())
        seeds = {seed: tuple(names) for seed, names in data["layer_seeds"].items()}
        return cls(data["profile"], path, tuple(data["base_names"]), seeds)
