"""Verbs about packages on offer: search, info, refresh-md."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from pkglayer.cli.common import Common, print_json, print_text, verb


def register(app: typer.Typer) -> None:
    """Add the verbs of this module."""
    verb(app, resolves=True)(search)
    verb(app, resolves=True)(info)
    verb(app, "refresh-md", changes=True, resolves=True)(refresh_md)


def search(
    common: Common,
    terms: Annotated[list[str], typer.Argument(metavar="TERM...", show_default=False)],
) -> None:
    """Find packages by words in name and summary. Example: pkglayer search terminal"""
    from pkglayer.engine import offers
    from pkglayer.log import printable

    with common.reading() as session:
        found = offers.search(session, terms)
    if common.as_json:
        print_json([offers.details_json(d) for d in found])
        return
    for row in found:
        nevra, mark = row.package.nevra, "@" if row.present else " "
        where = printable(", ".join(row.places))
        print_text(f"{mark} {nevra.name}.{nevra.arch} ({where}): {printable(row.summary)}")


def info(common: Common, specs: Annotated[list[str], typer.Argument(metavar="SPEC...")]) -> None:
    """Show a package: version, repository, sizes, description. Example: pkglayer info htop"""
    from pkglayer.engine import offers

    with common.reading() as session:
        found = offers.info(session, specs)
    if common.as_json:
        print_json([offers.details_json(d) for d in found])
    else:
        typer.echo("\n\n".join(offers.details_text(d) for d in found))


def refresh_md(common: Common) -> None:
    """Fetch the repositories' metadata anew. Example: pkglayer refresh-md"""
    from pkglayer.engine import upkeep

    with common.changing(only_plans=False) as session:
        rows = upkeep.refresh_md(session)
    if common.as_json:
        print_json([{"id": i, "problem": p, "timestamp": t} for i, p, t in rows])
        return
    for name, problem, timestamp in rows:
        made = datetime.fromtimestamp(timestamp, UTC).strftime("%Y-%m-%d %H:%M")
        typer.echo(f"{name}: {problem or f'metadata of {made} UTC'}")
