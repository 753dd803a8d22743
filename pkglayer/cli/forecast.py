"""The verb forecast."""

from typing import TYPE_CHECKING, Annotated

import typer

from pkglayer.cli.common import Common, print_json, print_text, verb

if TYPE_CHECKING:
    from pkglayer.engine.forecast import Forecast


def register(app: typer.Typer) -> None:
    """Add the verb of this module."""
    verb(app, changes=True, resolves=True)(forecast)


def forecast(
    common: Common,
    on: Annotated[str, typer.Option("--on", metavar="REF", help="Another branch.")] = "",
    build: Annotated[bool, typer.Option("--build", help="Pull and build, not deploy.")] = False,
    watch_exit_code: Annotated[
        bool,
        typer.Option(help="0 clear, 20 skips, 21 held, 22 blocked, 77 nothing new."),
    ] = False,
) -> None:
    """Say what the next base would do to each request, without pulling it.

    Example: pkglayer forecast --on fedora:fedora/44/x86_64/silverblue
    """
    from pkglayer.engine import forecast as engine
    from pkglayer.engine.lastforecast import EXIT_CODES

    with common.changing(only_plans=not build) as session:
        done = engine.forecast(session, on, build=build)
    if common.as_json:
        print_json({"version": 1, **engine.forecast_json(done)})
    else:
        print_text(render(done))
    if watch_exit_code:
        raise typer.Exit(EXIT_CODES[done.verdict])


def render(done: "Forecast") -> str:
    """A forecast for people: the base, the verdict, a line for each request, and space."""
    from pkglayer.cli.render import base_text, columns
    from pkglayer.log import printable
    from pkglayer.model.space import render_rooms

    words = {
        "clear": "Every request fits.",
        "skipped": "The upgrade would go on without some requests.",
        "held": "The base would be held back.",
        "blocked": "The upgrade would be refused.",
        "nothing": "Nothing is new.",
    }
    lines = [f"Base  {base_text(done.base)}", f"now   {base_text(done.current)}"]
    lines += [words[done.verdict]]
    lines += columns([tuple(map(printable, (f.spec, f.what, f.text))) for f in done.fates])
    lines += [printable(line) for line in render_rooms(done.rooms)]
    lines += [f"Built, not deployed: {done.commit}"] if done.commit else []
    return "\n".join(lines) + "\n"
