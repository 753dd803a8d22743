"""The sizes of the test world; what is in them is told by `data/profiles.toml`."""

import tomllib
from pathlib import Path

from tests.support.world.model import Profile


def _read_profiles() -> dict[str, Profile]:
    data = tomllib.loads((Path(__file__).parent / "data" / "profiles.toml").read_text())
    groups = data["group"]
    return {
        name: Profile(
            name=name,
            base=tuple(seed for group in row["base"] for seed in groups[group].split()),
            layers=tuple(row["layers"].split()),
            boots=row.get("boots", False),
        )
        for name, row in data["profile"].items()
    }


PROFILES = _read_profiles()
