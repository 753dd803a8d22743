"""The verb history: what was done when, by whom, by which command line."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from pkglayer.cli.common import Common, print_json, verb

if TYPE_CHECKING:
    from pkglayer.model.history import HistoryEntry


def register(app: typer.Typer) -> None:
    """Add the verb of this module."""

    @verb(app)
    def history(
        common: Common,
        number: Annotated[
            int, typer.Option("-n", "--number", min=0, help="How many entries; 0 for all.")
        ] = 20,
    ) -> None:
        """Show what was done when, by whom and by which command, the newest first.

        Example: pkglayer history -n 5
        """
        from pkglayer.engine.session import history_path
        from pkglayer.system.history import History

        with common.reading() as session:
            entries = History(history_path(session.sysroot)).read(number)
        if common.as_json:
            print_json({"version": 1, "entries": [asdict(entry) for entry in entries]})
        else:
            typer.echo(render_history(entries), nl=False)


def render_history(entries: "Sequence[HistoryEntry]") -> str:
    """Entries as people read them: a line each, the commits and the reason below it."""
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
        lines += [f"{indent}{printable(line)}" for line in entry.message.splitlines()]
    return "\n".join(lines or ["Nothing was done yet."]) + "\n"


def _short(commit: str) -> str:
    return commit[:12] or "nothing"
