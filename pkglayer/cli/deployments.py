"""Verbs about states as they are: status, rollback, pin, unpin, cleanup, repair."""

import sys
from typing import Annotated

import typer

from pkglayer.cli.common import Common, print_json, verb

Which = Annotated[str, typer.Argument(metavar="STATE", help="Index, booted, pending or rollback.")]


def register(app: typer.Typer) -> None:
    """Add the verbs of this module, in the order that --help lists them."""
    verb(app)(status)
    for function in (rollback, pin, unpin, cleanup):
        verb(app, changes=True)(function)
    verb(app, changes=True, resolves=True)(repair)


def status(
    common: Common,
    verbose: Annotated[
        bool, typer.Option("-v", "--verbose", help="Every layered package and note.")
    ] = False,
) -> None:
    """Show every state: base, layered packages, requests, and what waits for what.

    Example: pkglayer status --verbose
    """
    from pkglayer.cli import render
    from pkglayer.engine.notices import find_notices
    from pkglayer.log import terminal_width

    with common.reading() as session:
        deployments, notices = session.sysroot.deployments, find_notices(session)
        if common.as_json:
            print_json(render.status_json(deployments, notices=notices))
        else:
            width = terminal_width(sys.stdout)
            typer.echo(
                render.render_status(deployments, notices=notices, verbose=verbose, width=width),
                nl=False,
            )


def rollback(common: Common) -> None:
    """Make the previous state the next boot; once more to toggle back.

    Example: pkglayer rollback
    """
    from pkglayer.engine import upkeep

    with common.changing() as session:
        newest = upkeep.rollback(session)
        if common.as_json:
            print_json({"checksum": newest.checksum, "version": newest.base.version})
        else:
            would = "would be" if common.dry_run else "is"
            typer.echo(f"The next boot {would} {newest.checksum[:12]} "
                  f"({newest.base.refspec} {newest.base.version}).")  # fmt: skip


def pin(common: Common, which: Which) -> None:
    """Keep a state whatever is cleaned up. Example: pkglayer pin booted"""
    _set_pin(common, which, True)


def unpin(common: Common, which: Which) -> None:
    """Stop keeping a state. Example: pkglayer unpin 2"""
    _set_pin(common, which, False)


def cleanup(
    common: Common,
    pending: Annotated[
        bool, typer.Option("--pending", "-p", help="Drop the state queued for the next boot.")
    ] = False,
    rollback: Annotated[
        bool, typer.Option("--rollback", "-r", help="Drop the states kept for rollback.")
    ] = False,
    cache: Annotated[bool, typer.Option("--cache", help="Drop downloaded packages.")] = False,
    metadata: Annotated[
        bool, typer.Option("--metadata", "-m", help="Drop repository metadata.")
    ] = False,
) -> None:
    """Remove what no state needs, and the states asked for; never a booted or pinned one.

    Example: pkglayer cleanup --rollback --cache
    """
    from pkglayer.engine import upkeep

    with common.changing(only_plans=False) as session:
        done = upkeep.cleanup(
            session, pending=pending, rollback=rollback, cache=cache, metadata=metadata
        )
    names = [f"{d.index} ({d.checksum[:12]})" for d in done.deployments]
    if common.as_json:
        print_json({"deployments": [d.checksum for d in done.deployments],
                    "refs": list(done.refs), "freed": done.freed})  # fmt: skip
    else:
        typer.echo(cleaned_text(names, len(done.refs), done.freed, common.dry_run))


def cleaned_text(states: list[str], refs: int, freed: int, dry_run: bool) -> str:
    """What a cleanup dropped or would drop, in one line; a dry run knows the caches' bytes only."""
    from pkglayer.cli.render import count
    from pkglayer.log import to_size

    what = [("state " if len(states) == 1 else "states ") + ", ".join(states)] * bool(states)
    what += [f"{count(refs, 'commit')} that no state needs"] * bool(refs)
    if dry_run:
        what += [f"{to_size(freed)} of caches"] * bool(freed)
        return f"Would drop {' and '.join(what)}." if what else "There is nothing to drop."
    if not what and not freed:
        return "There was nothing to drop."
    return f"Dropped {' and '.join(what) or 'caches'}: {to_size(freed)} came free."


def _set_pin(common: Common, which: str, pinned: bool) -> None:
    from pkglayer.engine import upkeep

    with common.changing() as session:
        found = upkeep.set_pin(session, which, pinned)
    if common.as_json:
        print_json({"checksum": found.checksum, "pinned": pinned})
    else:
        how = f"{'would be' if common.dry_run else 'is'} {'pinned' if pinned else 'not pinned'}"
        typer.echo(f"State {found.index} ({found.checksum[:12]}) {how}.")


def repair(common: Common) -> None:
    """Mend the next boot when its requests or its record cannot be read.

    Each is written again from the other; nothing is made up. Example: pkglayer repair --dry-run
    """
    from pkglayer.cli.changes import print_kept
    from pkglayer.engine import repair as engine
    from pkglayer.log import printable

    words = {
        engine.RECORD: "The requests come from the state's record",
        engine.REPOSITORY: "The record comes from the repository",
        engine.REQUESTS: "The state is built again from its requests",
    }
    with common.changing(only_plans=False) as session:
        done = engine.repair(session)
        if common.as_json:
            repaired = bool(done.problem) and not common.dry_run
            print_json({"repaired": repaired, "problem": done.problem, "source": done.source,
                        "kept_etc": list(session.kept)})  # fmt: skip
        elif not done.problem:
            typer.echo("There is nothing to repair: requests and record of the next boot are fine.")
        else:
            typer.echo(f"Problem: {printable(done.problem)}")
            typer.echo(words[done.source] + (" (dry run)." if common.dry_run else "."))
            print_kept(session)
