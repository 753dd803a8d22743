"""The layered packages become part of the state's own rpmdb, which starts as the base's."""

from collections.abc import Sequence
from dataclasses import replace

from pkglayer.model.documentation import find_documentation
from pkglayer.model.header import Imported
from pkglayer.model.plan import Override
from pkglayer.model.record import Note
from pkglayer.system import rpmdb, rpmhome, rpmlib, rpmremoved, rpmstates
from pkglayer.system.overlayroot import Root
from pkglayer.system.rpmremoved import Removal

LEFT_OUT = "left out: another package's program has this path, of a class that rpm prefers"
NO_DOCUMENTATION = "left out: documentation = false in the settings"


def plan_order(
    root: Root, packages: Sequence[Imported], overrides: Sequence[Override]
) -> tuple[list[Imported], Removal | None]:
    """The packages in librpm's order, and what overrides take out of the base in between.

    To be asked before anything is written.
    """
    if not overrides:
        return [packages[i] for i in rpmlib.plan_order([p.head for p in packages])], None
    dbpath = rpmhome.find_dbpath(root.path)
    removal = rpmremoved.plan_removal(root.path, dbpath, overrides, packages)
    order = [packages[i] for sign, i in removal.order if sign == "+"]
    places = iter(range(len(order)))
    steps = tuple((sign, next(places) if sign == "+" else i) for sign, i in removal.order)
    return order, replace(removal, order=steps)


def write_rpmdb(
    root: Root,
    packages: Sequence[Imported],
    epoch: int,
    removal: Removal | None = None,
    documentation: bool = True,
) -> str:
    """Add `packages` (in installation order) to the rpmdb in the mounted root; returns its path.

    The packages of `removal` are taken out in the same transaction. librpm checks
    file conflicts on the way: raises ConflictError naming both owners. Files that give way to
    others of a preferred colour, or are not wanted as `documentation`, are noted in `root.skipped`.
    """
    path = rpmhome.find_dbpath(root.path)
    gone = [r.member.number for r in removal.packages] if removal else []
    if packages or gone:
        skipped = rpmstates.find_skipped(root, path, packages, gone)
        heads, order = [p.head for p in packages], removal.order if removal else ()
        unwanted = {} if documentation else _find_documentation(packages)
        rpmdb.change_packages(
            root.path, path, heads, epoch, gone, rpmstates.to_states(skipped, unwanted), order,
            documentation=documentation,
        )  # fmt: skip
        for place, files in skipped.items():
            rows = _leave_out(root, packages[place], files)
            root.notes += [Note(nevra, file, LEFT_OUT) for nevra, file in rows]
        for place, files in unwanted.items():
            rows = _leave_out(root, packages[place], files)
            root.notes.append(Note(rows[0][0], f"{len(rows)} files", NO_DOCUMENTATION))
    return path


def _find_documentation(packages: Sequence[Imported]) -> rpmstates.Skipped:
    found = {n: find_documentation(package.header.files) for n, package in enumerate(packages)}
    return {n: files for n, files in found.items() if files}


def _leave_out(root: Root, package: Imported, files: Sequence[int]) -> list[tuple[str, str]]:
    header = package.header
    rows = [(str(header.nevra), header.files[n].path) for n in files]
    root.skipped.update(rows)
    return rows
