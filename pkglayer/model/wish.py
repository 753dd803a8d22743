"""What is asked for of the next boot, what one change made different about it, and the way back.

A wish falls into things that are asked for by themselves: the base, each request, each kernel
argument by its key. A `Difference` is one of them before and after a change. Nothing is read here.
"""

import json
from collections import defaultdict
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pkglayer.model.errors import StateError
from pkglayer.model.plan import Base
from pkglayer.model.request import INITRAMFS, Want, want_from_row, want_to_row

BASE, KARG, OVERRIDE, LOCAL, REQUEST = "base", "karg", "override", "local", "request"
Thing = tuple[str, str]
"""Kind and name; the kind of what a layer file asks for is the want's source."""


@dataclass(frozen=True)
class Wish:
    """The base, everything wanted on it (by command and by layers), and the kernel arguments."""

    base: Base
    wants: tuple[Want, ...] = ()
    kargs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Difference:
    """One thing before and after: wants, the words of one kernel argument, or of the base its
    refspec, commit and version; empty for what is not asked for."""

    kind: str
    name: str
    before: tuple[Want | str, ...] = ()
    after: tuple[Want | str, ...] = ()

    @property
    def thing(self) -> Thing:
        return self.kind, self.name

    @property
    def label(self) -> str:
        """What people call it."""
        labels = {
            BASE: "the base", INITRAMFS: "the initramfs", KARG: f"kernel argument {self.name}",
            OVERRIDE: f"the override of {self.name}",
        }  # fmt: skip
        return labels.get(self.kind, self.name)

    @property
    def by_command(self) -> bool:
        """Whether a command can take it back: bases move on, and layer files are edited."""
        return self.kind in (KARG, OVERRIDE, LOCAL, REQUEST, INITRAMFS)


def things(wish: Wish) -> dict[Thing, tuple[Want | str, ...]]:
    """The wish in its parts; none of them is empty."""
    base = wish.base
    found: dict[Thing, tuple[Want | str, ...]] = defaultdict(tuple)
    found[BASE, ""] = (base.refspec, base.commit, base.version)
    for want in wish.wants:
        found[_thing_of(want)] += (want,)
    for word in wish.kargs:
        found[KARG, key_of(word)] += (word,)
    return found


def _thing_of(want: Want) -> Thing:
    if want.source != "command":
        return want.source, want.spec
    if want.kind == INITRAMFS:
        return INITRAMFS, ""
    if want.is_override:
        return OVERRIDE, want.name
    return (LOCAL, want.name) if want.kind == "local" else (REQUEST, want.spec)


def key_of(word: str) -> str:
    """The key of a kernel argument."""
    return word.partition("=")[0]


def diff_wishes(old: Wish, new: Wish) -> tuple[Difference, ...]:
    """What is asked for in another way, in stable order."""
    before, after = things(old), things(new)
    rows = [
        Difference(*thing, before.get(thing, ()), after.get(thing, ()))
        for thing in sorted(before.keys() | after.keys())
    ]
    return tuple(row for row in rows if row.before != row.after)


@dataclass(frozen=True)
class WayBack:
    """Differences by what taking them back means now: `undone` can be, `over` need not be any
    more, `touched` are asked for in yet another way since, `stays` is what no command asked for."""

    undone: tuple[Difference, ...] = ()
    over: tuple[Difference, ...] = ()
    touched: tuple[Difference, ...] = ()
    stays: tuple[Difference, ...] = ()


def plan_way_back(
    differences: Iterable[Difference], now: Wish, later: Container[Thing] = ()
) -> WayBack:
    """The way back from a change; `later` are the things that younger changes were about."""
    current = things(now)
    rows: dict[str, list[Difference]] = defaultdict(list)
    for row in differences:
        is_now = current.get(row.thing, ())
        if not row.by_command:
            rows["stays"].append(row)
        elif is_now == row.before:
            rows["over"].append(row)
        elif is_now != row.after or row.thing in later:
            rows["touched"].append(row)
        else:
            rows["undone"].append(row)
    return WayBack(**{fate: tuple(found) for fate, found in rows.items()})


def taken_back(now: Wish, undone: Sequence[Difference]) -> Wish:
    """The wish with these things as they were before; kernel arguments keep their place."""
    gone = {row.thing for row in undone}
    back = [want for row in undone for want in row.before if isinstance(want, Want)]
    kargs = now.kargs
    for row in undone:
        if row.kind == KARG:
            kargs = _with_words(kargs, row.name, [w for w in row.before if isinstance(w, str)])
    wants = (*(w for w in now.wants if _thing_of(w) not in gone), *back)
    return replace(now, wants=wants, kargs=kargs)


def _with_words(kargs: Sequence[str], key: str, words: Sequence[str]) -> tuple[str, ...]:
    at = next((i for i, word in enumerate(kargs) if key_of(word) == key), len(kargs))
    rest = [word for word in kargs if key_of(word) != key]
    return (*rest[:at], *words, *rest[at:])


def to_json(differences: Iterable[Difference]) -> str:
    """One line of JSON for the history."""
    return json.dumps([to_row(row) for row in differences], sort_keys=True)


def to_row(row: Difference) -> dict[str, Any]:
    """A difference as JSON values; wants as in an origin."""
    return {
        "kind": row.kind,
        "name": row.name,
        "before": [_to_value(v) for v in row.before],
        "after": [_to_value(v) for v in row.after],
    }


def _to_value(value: Want | str) -> Any:
    return want_to_row(value) if isinstance(value, Want) else value


def from_json(text: str) -> tuple[Difference, ...]:
    """Read `to_json`'s text back; raises StateError for what a newer pkglayer wrote."""
    try:
        rows: list[Mapping[str, Any]] = json.loads(text)
        return tuple(
            Difference(
                str(row["kind"]),
                str(row["name"]),
                tuple(_from_value(v) for v in row["before"]),
                tuple(_from_value(v) for v in row["after"]),
            )
            for row in rows
        )
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as e:
        raise StateError(
            f"what this change asked for cannot be read: {e}", hint="use the pkglayer that wrote it"
        ) from e


def _from_value(value: Any) -> Want | str:
    return want_from_row(value) if isinstance(value, dict) else str(value)
