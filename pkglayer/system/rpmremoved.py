"""Packages of the base that an override takes away: what rpm knows of them, and in which order.

`plan_removal` asks the base's database before it is changed; `owned_paths` asks the one that came
of it, for what must stay. Nothing is written here.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import rpm

from pkglayer.model.errors import StateError
from pkglayer.model.exchange import Erase, plan_exchange
from pkglayer.model.header import Header, Imported
from pkglayer.model.package import Nevra
from pkglayer.model.plan import Override
from pkglayer.model.sequence import Member, Step, needed_names, needed_prefixes
from pkglayer.system import rpmtriggers
from pkglayer.system.rpmconfig import database_path
from pkglayer.system.rpmlib import load_header, to_header
from pkglayer.system.rpmquery import readable


@dataclass(frozen=True)
class Removed:
    """A package that goes: its header as the base's database has it, and its part in scripts."""

    header: Header
    member: Member


@dataclass(frozen=True)
class Removal:
    """All that go, and the order of the whole transaction: `+` and an index into the packages that
    come, or `-` and an index into `packages`."""

    packages: tuple[Removed, ...] = ()
    order: tuple[tuple[str, int], ...] = ()


def plan_removal(
    root: Path, dbpath: str, overrides: Sequence[Override], come: Sequence[Imported]
) -> Removal:
    """What the overrides take away, in librpm's order with the packages that come.

    Raises StateError when the database does not have a package that an override is about.
    """
    if not overrides:
        return Removal()
    with readable(root, dbpath) as (where, path), database_path(path):
        ts = rpm.TransactionSet(str(where.absolute()))
        ts.setVSFlags(-1)
        try:
            headers = [_find(ts, Nevra.parse(o.old)) for o in overrides]
            removed = tuple(map(_to_removed, headers))
            return Removal(removed, tuple(_order(ts, headers, removed, overrides, come)))
        finally:
            ts.closeDB()


def _find(ts: Any, nevra: Nevra) -> Any:
    for h in ts.dbMatch("name", nevra.name):
        if rpmtriggers.to_nevra(h) == nevra:
            return h
    raise StateError(f"the base's package database has no {nevra}", hint="pkglayer upgrade")


def _to_removed(h: Any) -> Removed:
    header = to_header(h, "")
    member = rpmtriggers.to_installed(h, ("/",))
    return Removed(header, replace(member, scriptlets=header.scriptlets))


def _order(
    ts: Any,
    headers: Sequence[Any],
    removed: Sequence[Removed],
    overrides: Sequence[Override],
    come: Sequence[Imported],
) -> Iterator[tuple[str, int]]:
    replacing = {o.new for o in overrides}
    for number, package in enumerate(come):
        how = "u" if str(package.header.nevra) in replacing else "i"
        ts.addInstall(load_header(package.head), number, how)
    for h in headers:
        ts.addErase(h)
    ts.order()
    places = {str(r.header.nevra): n for n, r in enumerate(removed)}
    for element in ts:
        if element.Type() == rpm.TR_ADDED:
            yield "+", element.Key()
        elif (place := places.get(_element_nevra(element))) is not None:
            yield "-", place


def _element_nevra(element: Any) -> str:
    epoch = int(element.E() or 0)
    return str(Nevra(element.N(), epoch, element.V(), element.R(), element.A()))


def owned_paths(root: Path, dbpath: str) -> Iterator[tuple[str, str]]:
    """(directory with a final slash, name) of every path of every package in the database."""
    with readable(root, dbpath) as (where, path), database_path(path):
        ts = rpm.TransactionSet(str(where.absolute()))
        ts.setVSFlags(-1)
        try:
            for h in ts.dbMatch():
                dirs = h["dirnames"]
                rows = zip(h["basenames"], h["dirindexes"], strict=True)
                yield from ((dirs[index], name) for name, index in rows)
        finally:
            ts.closeDB()


def plan_scripts(
    root: Path,
    dbpath: str,
    come: Sequence[Imported],
    removal: Removal,
    vanishing: Sequence[tuple[str, ...]],
) -> tuple[Step | Erase, ...]:
    """The sequence for a transaction with removals; `vanishing` has the files of each that go.

    The database may be that of the finished state already.
    """
    added = [rpmtriggers.to_added(p, number) for number, p in enumerate(come)]
    gone = [r.member for r in removal.packages]
    names, prefixes = needed_names([*added, *gone]), needed_prefixes([*added, *gone])
    new = {m.nevra for m in added}
    base = [m for m in rpmtriggers.read_base(root, dbpath, names, prefixes) if m.nevra not in new]
    order = [(added if sign == "+" else gone)[index] for sign, index in removal.order]
    going = dict(zip(gone, vanishing, strict=True))
    return plan_exchange([*base, *gone], added, order, going, rpmtriggers.is_satisfied)
