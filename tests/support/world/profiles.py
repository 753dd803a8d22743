"""The sizes of the test world; what is in them is told by `data/debian.toml` and `fedora.toml`."""

import platform
import tomllib
from pathlib import Path

from tests.support.world.model import Profile, WorldError

NAMES = ("full", "small")


def distribution() -> str:
    """`debian` or `fedora`, whichever this machine is or derives from."""
    release = platform.freedesktop_os_release()
    names = (release["ID"], *release.get("ID_LIKE", "").split())
    for name in names:
        if name in ("debian", "fedora"):
            return name
    raise WorldError(f"a world is built from Debian or Fedora packages, not on {names[0]}")


def read_profile(name: str, family: str) -> Profile:
    data = tomllib.loads((Path(__file__).parent / "data" / f"{family}.toml").read_text())
    row = data["profile"][name]
    return Profile(
        name=name,
        base=tuple(seed for group in row["base"] for seed in data["group"][group].split()),
        layers=tuple(row["layers"].split()),
        boots=row.get("boots", False),
    )
