"""The layered packages become part of the state's own rpmdb, which starts as the base's."""

from collections.abc import Sequence

from pkglayer.model.package import Imported
from pkglayer.model.plan import Override
from pkglayer.system import rpmdb, rpmremoved
from pkglayer.system.overlayroot import Root
from pkglayer.system.rpmremoved import Removal


def plan_removal(
    root: Root, packages: Sequence[Imported], overrides: Sequence[Override]
) -> Removal | None:
    """What overrides take out of the base, in librpm's order; asked before anything is written."""
    if not overrides:
        return None
    return rpmremoved.plan_removal(root.path, rpmdb.find_dbpath(root.path), overrides, packages)


def write_rpmdb(
    root: Root, packages: Sequence[Imported], epoch: int, removal: Removal | None = None
) -> str:
    """Add `packages` (in installation order) to the rpmdb in the mounted root; returns its path.

    The packages of `removal` are taken out in the same transaction. librpm checks
    file conflicts on the way: raises ConflictError naming both owners.
    """
    path = rpmdb.find_dbpath(root.path)
    gone = [r.member.number for r in removal.packages] if removal else []
    if packages or gone:
        rpmdb.change_packages(root.path, path, [p.head for p in packages], epoch, gone)
    return path
