"""The layered packages become part of the state's own rpmdb, which starts as the base's."""

from collections.abc import Sequence

from pkglayer.model.package import Imported
from pkglayer.system import rpmdb
from pkglayer.system.overlayroot import Root


def write_rpmdb(root: Root, packages: Sequence[Imported], epoch: int) -> str:
    """Add `packages` (in installation order) to the rpmdb in the mounted root; returns its path.

    librpm checks file conflicts on the way: raises ConflictError naming both owners.
    """
    path = rpmdb.find_dbpath(root.path)
    if packages:
        rpmdb.add_packages(root.path, path, [p.head for p in packages], epoch)
    return path
