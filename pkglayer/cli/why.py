"""Verbs that give reasons: why, why-not."""

from dataclasses import asdict
from typing import Annotated

import typer

from pkglayer.cli.common import Common, print_json, print_text, verb


def register(app: typer.Typer) -> None:
    """Add the verbs of this module."""
    verb(app)(why)
    verb(app, "why-not", resolves=True)(why_not)


def why(
    common: Common,
    spec: Annotated[str, typer.Argument(metavar="SPEC", help="A name, NEVRA or glob.")],
    state: Annotated[
        str, typer.Argument(metavar="[STATE]", help="Index, booted, pending or rollback.")
    ] = "",
) -> None:
    """Say why a package is in a state: request and chain. Example: pkglayer why libevent"""
    from pkglayer.engine import why as reasons
    from pkglayer.log import printable

    with common.reading() as session:
        found = reasons.why(session, spec, state)
    if common.as_json:
        print_json({"version": 1, "packages": [asdict(row) for row in found]})
    else:
        print_text("\n".join(printable(row.sentence) for row in found))


def why_not(
    common: Common,
    spec: Annotated[str, typer.Argument(metavar="SPEC", help="As install takes it.")],
) -> None:
    """Say what is in the way of a request, and the ways out. Example: pkglayer why-not steam

    The exit code is 3 when something is in the way.
    """
    from pkglayer.engine import why as reasons
    from pkglayer.engine.policy import to_words
    from pkglayer.log import log, printable
    from pkglayer.model.explain import trouble_json

    with common.reading() as session:
        answer = reasons.why_not(session, spec)
    for line in answer.solver:
        log.debug("solver: %s", printable(line))
    if common.as_json:
        rows = [trouble_json(t) for t in answer.troubles]
        print_json({"version": 1, "spec": spec, "sentence": answer.sentence, "blockers": rows})
    else:
        print_text(printable(answer.sentence))
        for way in dict.fromkeys(w for t in answer.troubles for w in t.ways):
            print_text(printable(f"  {to_words(way)}"))
    if answer.troubles:
        raise typer.Exit(3)
