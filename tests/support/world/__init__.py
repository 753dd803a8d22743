"""A test world from the distribution's own packages: RPM repositories and OSTree bases, real ones.

Built on first use and cached; README.md tells how to use it.
"""

from tests.support.world.build import build
from tests.support.world.model import World, WorldError
from tests.support.world.publish import publish

__all__ = ["World", "WorldError", "build", "publish"]
