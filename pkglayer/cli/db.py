"""Verbs that look into states, running or not: db list, diff, query, where, scripts."""

import sys
from dataclasses import asdict
from typing import Annotated, Any

import typer

from pkglayer.cli.common import Common, print_json, verb

STATE_HELP = "Index, booted, pending, rollback, base, a commit or a ref."
StateOrCurrent = Annotated[str, typer.Argument(metavar="[STATE]", help=STATE_HELP)]
Pattern = Annotated[
    str, typer.Argument(metavar="[PATTERN]", help="Only packages that match, as 'lib*'.")
]


def register(app: typer.Typer) -> None:
    """Add the verbs of this module as the group `db`."""
    db = typer.Typer(no_args_is_help=True, help="Look into the package database of any state.")
    app.add_typer(db, name="db")
    verb(db, "list")(list_packages)
    verb(db, "diff")(diff)
    verb(db, "query")(query)
    verb(db, "where")(where)
    verb(db, "scripts")(scripts)


def list_packages(
    common: Common,
    state: StateOrCurrent = "",
    pattern: Pattern = "",
) -> None:
    """List the packages of a state, without one those of the running state.

    Example: pkglayer db list pending 'python3-*'
    """
    from pkglayer.cli.renderplan import nevra_json
    from pkglayer.engine import states
    from pkglayer.log import printable

    with common.reading() as session:
        target, packages = states.list_state(session, state, pattern)
    if common.as_json:
        rows = [nevra_json(n) for n in packages]
        print_json({"version": 1, "state": _target_json(target), "packages": rows})
        return
    for nevra in packages:
        typer.echo(printable(str(nevra)))
    if pattern and not packages:
        typer.echo(f"no package of {target.label} matches {printable(pattern)}", err=True)
        raise typer.Exit(1)


def diff(
    common: Common,
    old: Annotated[str, typer.Argument(metavar="[A]", help=STATE_HELP)] = "",
    new: Annotated[str, typer.Argument(metavar="[B]", help=STATE_HELP)] = "",
    changelogs: Annotated[
        bool, typer.Option("--changelogs", "-c", help="Show what the changelogs say is new.")
    ] = False,
) -> None:
    """Show which packages differ between two states.

    With one state: from the running state to it; with none: from the running state to the next
    boot. Example: pkglayer db diff base booted
    """
    from pkglayer.cli import renderplan
    from pkglayer.engine import states
    from pkglayer.log import printable

    with common.reading() as session:
        done = states.diff_states(session, old, new, changelogs=changelogs)
    if common.as_json:
        data = renderplan.diff_json(done.packages, done.news)
        ends = {"from": _target_json(done.old), "to": _target_json(done.new)}
        print_json({"version": 1, **ends, **data})
        return
    typer.echo(printable(f"From {done.old.label} to {done.new.label}:"))
    typer.echo(renderplan.render_diff(done.packages, done.news), nl=False)


def query(
    common: Common,
    state: Annotated[str, typer.Argument(metavar="STATE", help=STATE_HELP)],
    args: Annotated[
        list[str],
        typer.Argument(metavar="-- RPM-QUERY-ARGS", help="As for rpm -q, or -V to verify."),
    ],
) -> None:
    """Ask rpm about a state that need not be running; the exit code is rpm's.

    Example: pkglayer db query pending -- -qi bash
    """
    from pkglayer.engine import states

    with common.reading() as session:
        answer = states.query_state(session, state, args)
    if common.as_json:
        print_json({
            "version": 1,
            "exit_code": answer.exit_code,
            "output": answer.output.decode(errors="replace"),
            "errors": answer.errors.decode(errors="replace"),
        })  # fmt: skip
    else:
        _pass_on(answer.output, sys.stdout)
        _pass_on(answer.errors, sys.stderr)
    raise typer.Exit(answer.exit_code)


def where(
    common: Common,
    pattern: Annotated[str, typer.Argument(metavar="PATTERN", help="A name, or as 'lib*'.")],
) -> None:
    """Show which states have a package, and whether it is layered or of the base.

    Example: pkglayer db where 'openssl*'
    """
    from pkglayer.cli.render import columns
    from pkglayer.cli.renderplan import nevra_json
    from pkglayer.engine import states
    from pkglayer.log import printable

    with common.reading() as session:
        found = states.find_packages(session, pattern)
    if common.as_json:
        rows = [
            {"state": f.deployment.index, "role": f.deployment.role, "layered": f.layered}
            | {"commit": f.deployment.checksum, **nevra_json(f.nevra)}
            for f in found
        ]
        print_json({"version": 1, "packages": rows})
        return
    lines = [
        (
            str(f.deployment.index),
            f.deployment.role_words,
            printable(str(f.nevra)),
            "layered" if f.layered else "base",
        )
        for f in found
    ]
    typer.echo("\n".join(columns(lines, indent="")) if lines else "in no state")
    if not found:
        raise typer.Exit(1)


def scripts(
    common: Common,
    state: StateOrCurrent = "",
    pattern: Pattern = "",
) -> None:
    """Show which scriptlets ran when a state was built, in order, and what they printed.

    Example: pkglayer db scripts pending nginx
    """
    from pkglayer.cli.render import render_runs
    from pkglayer.engine import states
    from pkglayer.log import printable

    with common.reading() as session:
        target, runs = states.list_scripts(session, state, pattern)
    if common.as_json:
        rows = [asdict(run) for run in runs or ()]
        print_json({"version": 1, "state": _target_json(target), "scripts": rows})
    elif runs is None:
        typer.echo(printable(f"nothing is layered in {target.label}"))
    elif runs:
        typer.echo(render_runs(runs), nl=False)
    else:
        whose = f" of a package that matches {pattern}" if pattern else ""
        typer.echo(printable(f"no scriptlet{whose} ran for {target.label}"))


def _target_json(target: Any) -> dict[str, Any]:
    index = target.deployment.index if target.deployment else None
    return {"commit": target.commit, "index": index}


def _pass_on(data: bytes, stream: Any) -> None:
    """Bytes as they are into a pipe or file; on a terminal with control characters escaped."""
    from pkglayer.log import printable

    if stream.isatty():
        lines = data.decode(errors="surrogateescape").splitlines()
        stream.write("".join(f"{printable(line)}\n" for line in lines))
    else:
        stream.flush()
        stream.buffer.write(data)
    stream.flush()
