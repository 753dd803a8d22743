"""What the sequence of scriptlets must know of a base's rpmdb and of the headers that are added.

Of the database only those packages are read that have triggers, or that a trigger of an added
package asks for, found by rpm's own indexes: the cost follows them and not the size of the base.
"""

from collections.abc import Collection, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import rpm

from pkglayer.model.header import Imported
from pkglayer.model.package import Nevra
from pkglayer.model.scriptlet import QFORMAT, Scriptlet, Trigger
from pkglayer.model.sequence import (
    SENSE_BITS,
    Condition,
    Member,
    Step,
    needed_names,
    needed_prefixes,
    plan_sequence,
)
from pkglayer.system.rpmconfig import database_path
from pkglayer.system.rpmlib import load_header
from pkglayer.system.rpmquery import readable

_INSTALLED = (rpm.RPMFILE_STATE_NORMAL, rpm.RPMFILE_STATE_NETSHARED)
_BY_TRIGGERS = ("triggername", "filetriggername", "transfiletriggername")


def plan_scripts(root: Path, dbpath: str, order: Sequence[Imported]) -> tuple[Step, ...]:
    """The sequence for installing `order` on the tree at `root`, whose rpmdb is at `dbpath`.

    The database may have the packages of `order` already, so that scriptlets can ask for them; the
    sequence is that of adding them. Raises StateError when the database cannot be read.
    """
    added = [to_added(imported, number) for number, imported in enumerate(order)]
    known = read_base(root, dbpath, needed_names(added), needed_prefixes(added))
    new = {m.nevra for m in added}
    return plan_sequence([m for m in known if m.nevra not in new], added, is_satisfied)


def read_base(
    root: Path, dbpath: str, names: Collection[str], prefixes: Sequence[str]
) -> tuple[Member, ...]:
    """The base's packages with triggers, with one of `names`, or with files below `prefixes`."""
    with readable(root, dbpath) as (where, path), database_path(path):
        ts = rpm.TransactionSet(str(where.absolute()))
        ts.setVSFlags(-1)  # what is in a committed tree is as trustworthy as the commit
        try:
            numbers = {n for index in _BY_TRIGGERS for _, n in _index(ts, index)}
            for name in names:
                numbers.update(h["dbinstance"] for h in ts.dbMatch("name", name))
            if prefixes:
                wanted = tuple(prefixes)
                numbers.update(n for key, n in _index(ts, "dirnames") if key.startswith(wanted))
            headers = (next(iter(ts.dbMatch(rpm.RPMDBI_PACKAGES, n))) for n in sorted(numbers))
            return tuple(to_installed(h, tuple(prefixes)) for h in headers)
        finally:
            ts.closeDB()


def is_satisfied(member: Member, condition: Condition) -> bool:
    """Whether a package meets the version condition of a trigger on its own name."""
    name, flags, evr = condition
    wanted = rpm.ds((name, flags, evr), rpm.RPMTAG_TRIGGERNAME)
    return any(
        rpm.ds(provide, rpm.RPMTAG_PROVIDENAME).Compare(wanted) for provide in member.provides
    )


def _index(ts: Any, tag: str) -> Iterator[tuple[str, int]]:
    """Keys of a database index with the number of each package that has them."""
    index = ts.dbIndex(tag)
    for key in index:
        text = key.decode("utf-8", "surrogateescape") if isinstance(key, bytes) else key
        for number, _ in index.instances():
            yield text, number


def to_installed(h: Any, prefixes: tuple[str, ...]) -> Member:
    """A package of the database, with its files below `prefixes`."""
    return Member(
        nevra=to_nevra(h),
        number=h["dbinstance"],
        triggers=tuple(read_triggers(h)),
        files=tuple(_files(h, prefixes)) if prefixes else (),
        provides=tuple(_own_provides(h)),
        prefixes=tuple(h["instprefixes"] or ()),
        blob=h.unload() if _quotes_header(h) else b"",
    )


def to_added(imported: Imported, number: int) -> Member:
    """A package that comes, the one at `number` in the order of installation."""
    h = load_header(imported.head)
    return Member(
        nevra=imported.header.nevra,
        number=1 << 32 | number,
        scriptlets=imported.header.scriptlets,
        triggers=tuple(read_triggers(h)),
        files=tuple(f.path for f in imported.header.files),
        provides=tuple(_own_provides(h)),
        prefixes=imported.header.prefixes,
        blob=h.unload() if _quotes_header(h) else b"",
    )


def to_nevra(h: Any) -> Nevra:
    """What a header of the rpm binding is called."""
    return Nevra(h["name"], h["epoch"] or 0, h["version"], h["release"], h["arch"] or "")


def _own_provides(h: Any) -> Iterator[Condition]:
    rows = zip(h["providename"], h["provideflags"], h["provideversion"], strict=True)
    return ((name, flags, evr) for name, flags, evr in rows if name == h["name"])


def _files(h: Any, prefixes: tuple[str, ...]) -> Iterator[str]:
    """Installed files below one of the prefixes, in header order."""
    dirs, states = h["dirnames"], h["filestates"]
    for number, (name, where) in enumerate(zip(h["basenames"], h["dirindexes"], strict=True)):
        path = dirs[where] + name
        if path.startswith(prefixes) and (not states or states[number] in _INSTALLED):
            yield path


def _quotes_header(h: Any) -> bool:
    scripts = ("prein", "postin", "pretrans", "posttrans", "preun", "postun")
    tags = [f"{script}flags" for script in scripts]
    flags = [h[t] or 0 for t in tags]
    for mode in ("", "file", "transfile"):
        flags += h[f"{mode}triggerscriptflags"] or []
    return any(f & QFORMAT for f in flags)


def read_triggers(h: Any) -> Iterator[Trigger]:
    """The triggers of a header, in header order."""
    for mode in ("", "file", "transfile"):
        scripts = h[f"{mode}triggerscripts"]
        if scripts:
            yield from _read_mode(h, mode, scripts)


def _read_mode(h: Any, mode: str, scripts: Sequence[str]) -> Iterator[Trigger]:
    programs = h[f"{mode}triggerscriptprog"]
    flags = h[f"{mode}triggerscriptflags"] or [0] * len(scripts)
    priorities = (mode and h[f"{mode}triggerpriorities"]) or [0] * len(scripts)
    rows = zip(
        h[f"{mode}triggerindex"],
        h[f"{mode}triggername"],
        h[f"{mode}triggerflags"],
        h[f"{mode}triggerversion"],
        strict=True,
    )
    by_trigger = sorted(enumerate(rows), key=lambda r: int(r[1][0]))
    for index, group in groupby(by_trigger, key=lambda r: int(r[1][0])):
        entries = list(group)
        conditions = tuple((name, sense, evr) for _, (_, name, sense, evr) in entries)
        if kind := _kind(mode, conditions[0][1]):
            script = Scriptlet(kind, (programs[index],), scripts[index], flags[index])
            places = tuple(place for place, _ in entries)
            yield Trigger(kind, script, conditions, priorities[index], places)


def _kind(mode: str, sense: int) -> str:
    """The section's name, by a condition's flags; empty for flags that none has."""
    for kind, bit in SENSE_BITS.items():
        if sense & bit:
            return mode + kind
    return ""
