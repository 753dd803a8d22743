"""The verb undo: one change of the history taken back."""

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pkglayer.cli.common import Common, print_json, print_text, verb

if TYPE_CHECKING:
    from pkglayer.engine.undo import Undone
    from pkglayer.model.wish import Difference


def register(app: typer.Typer) -> None:
    """Add the verb of this module."""
    verb(app, changes=True, resolves=True)(undo)


def undo(
    common: Common,
    number: Annotated[int, typer.Argument(metavar="N", help="A change, by its history number.")],
) -> None:
    """Take one change of the history back; the base and all newer requests stay.

    Example: pkglayer undo 12 --comment 'htop was not it'
    """
    from pkglayer.cli.changes import show
    from pkglayer.engine import undo as engine

    with common.changing() as session:
        done = engine.undo(session, number)
        if not common.as_json:
            print_text(render_undone(done))
        if done.outcome is not None:
            show(common, session, done.outcome, {"undo": undone_json(done)})
        elif common.as_json:
            print_json({"version": 1, "changed": False, "undo": undone_json(done)})


def render_undone(done: "Undone") -> str:
    """What is taken back, what was already, and what stays, a line each."""
    from pkglayer.cli.history import describe
    from pkglayer.cli.render import time_text
    from pkglayer.log import printable

    entry, way = done.entry, done.way
    of = f"{time_text(entry.time)}, {entry.user}: {entry.command}"
    lines = [f"Taking back change {entry.number} ({printable(of)}):"]
    lines += [f"  {line}" for row in way.undone for line in describe(_reversed(row))]
    for row in way.over:
        later = done.since.get(row.thing)
        by = f", by change {later.number} ({later.command})" if later else ""
        lines.append(printable(f"  {row.label}: nothing to do, taken back already{by}"))
    lines += [f"  {printable(row.label)}: stays as it is" for row in way.stays]
    return "\n".join([*lines, *([] if way.undone else ["No change."])]) + "\n"


def undone_json(done: "Undone") -> dict[str, Any]:
    """The same as JSON values: `undone` as the way back, `over` and `stays` as they were made."""
    from pkglayer.cli.history import entry_json
    from pkglayer.model.wish import to_row

    way = done.way
    return {
        "entry": entry_json(done.entry),
        "undone": [to_row(_reversed(row)) for row in way.undone],
        "over": [to_row(row) for row in way.over],
        "stays": [to_row(row) for row in way.stays],
    }


def _reversed(row: "Difference") -> "Difference":
    return replace(row, before=row.after, after=row.before)
