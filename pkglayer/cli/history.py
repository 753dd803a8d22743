"""The verb history: what was done when, by whom, why, and what was asked for in another way."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pkglayer.cli.common import Common, print_json, print_text, verb

if TYPE_CHECKING:
    from pkglayer.model.history import HistoryEntry
    from pkglayer.model.request import Want
    from pkglayer.model.wish import Difference


def register(app: typer.Typer) -> None:
    """Add the verb of this module."""
    verb(app)(history)


def history(
    common: Common,
    number: Annotated[
        int, typer.Option("-n", "--number", min=0, help="How many entries; 0 for all.")
    ] = 20,
) -> None:
    """Show what was done when, by whom, why and by which command, the newest first.

    Example: pkglayer history -n 5
    """
    from pkglayer.engine.changing import history_path
    from pkglayer.system.history import History

    with common.reading() as session:
        entries = History(history_path(session.sysroot)).read(number)
    if common.as_json:
        print_json({"version": 1, "entries": [entry_json(entry) for entry in entries]})
    else:
        print_text(render_history(entries))


def entry_json(entry: "HistoryEntry") -> dict[str, Any]:
    """An entry as JSON values; `changes` is null where it is not known."""
    return {**asdict(entry), "changes": json.loads(entry.changes) if entry.changes else None}


def render_history(entries: "Sequence[HistoryEntry]") -> str:
    """Entries as people read them: a line each, below it the commits, what was asked for in
    another way, what was special, and why somebody wanted it."""
    from pkglayer.cli.render import time_text
    from pkglayer.log import printable

    lines = []
    width = len(str(max((entry.number for entry in entries), default=0)))
    for entry in entries:
        who = printable(entry.user)
        when = time_text(entry.time)
        lines.append(
            f"{entry.number:>{width}}  {when}  {who}  {entry.outcome:9}  {printable(entry.command)}"
        )
        indent = " " * (width + 2)
        if entry.before != entry.after:
            lines.append(f"{indent}{_short(entry.before)} -> {_short(entry.after)}")
        lines += [f"{indent}{line}" for line in change_lines(entry)]
        lines += [f"{indent}{printable(line)}" for line in entry.message.splitlines()]
        lines += [f"{indent}comment: {printable(entry.comment)}"] if entry.comment else []
    return "\n".join(lines or ["Nothing was done yet."]) + "\n"


def change_lines(entry: "HistoryEntry") -> list[str]:
    """What an entry's change asked for in another way, a line each; none where it is not known."""
    from pkglayer.model.errors import StateError
    from pkglayer.model.wish import from_json

    try:
        rows = from_json(entry.changes) if entry.changes else ()
    except StateError as e:
        return [e.message]
    return [line for row in rows for line in describe(row)]


def describe(row: "Difference") -> list[str]:
    """A difference in words: `+ htop`, `- kernel argument quiet`, `~ nginx (version 1.24*)`."""
    from pkglayer.log import printable
    from pkglayer.model.request import Want
    from pkglayer.model.wish import BASE, KARG

    if row.kind == BASE:
        ends = [f"{refspec} {version or _short(str(commit))}" for refspec, commit, version in
                (row.before, row.after)]  # fmt: skip
        return [printable(f"base: {' -> '.join(ends)}")]
    if row.kind == KARG:
        lines = [f"- kernel argument {w}" for w in row.before if w not in row.after]
        lines += [f"+ kernel argument {w}" for w in row.after if w not in row.before]
        return [printable(line) for line in lines or [f"~ {row.label}"]]
    old = {w.spec: w for w in row.before if isinstance(w, Want)}
    new = {w.spec: w for w in row.after if isinstance(w, Want)}
    lines = [f"- {_want_text(want)}" for spec, want in old.items() if spec not in new]
    lines += [f"+ {_want_text(want)}" for spec, want in new.items() if spec not in old]
    lines += [f"~ {_want_text(want)} ({_altered(old[spec], want)})"
              for spec, want in new.items() if spec in old and old[spec] != want]  # fmt: skip
    return [printable(line) for line in lines]


def _want_text(want: "Want") -> str:
    from pkglayer.model.request import INITRAMFS, REMOVE, REPLACE

    words = {REMOVE: "override: remove ", REPLACE: "override: replace by ", INITRAMFS: ""}
    text = words.get(want.kind, "") + " ".join((want.spec, *want.args))
    return text if want.source == "command" else f"{text} ({want.source.replace(':', ' ')})"


def _altered(old: "Want", new: "Want") -> str:
    """What is said about a request in another way: `version 1.24*, exclude`."""
    before, after = asdict(old), asdict(new)
    rows = [(key, value) for key, value in after.items() if before[key] != value]
    return ", ".join(f"{k.replace('_', ' ')} {_value(v)}".rstrip() for k, v in rows)


def _value(value: Any) -> str:
    if isinstance(value, list | tuple):
        return " ".join(value) or "none"
    return {True: "yes", False: "no", "": "none"}.get(value, str(value))


def _short(commit: str) -> str:
    return commit[:12] or "nothing"
