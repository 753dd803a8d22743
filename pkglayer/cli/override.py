"""Verbs about the base's own packages: override replace, remove, reset."""

from typing import Annotated

import typer

from pkglayer.cli.changes import show
from pkglayer.cli.common import Common, verb

Names = Annotated[
    list[str], typer.Argument(metavar="NAME...", help="Packages of the base.", show_default=False)
]


def register(app: typer.Typer) -> None:
    """Add the verbs of this module as the group `override`."""
    override = typer.Typer(
        no_args_is_help=True, help="Replace or remove packages of the base itself."
    )
    app.add_typer(override, name="override")
    verb(override, "replace", changes=True, resolves=True)(replace_packages)
    verb(override, "remove", changes=True, resolves=True)(remove_packages)
    verb(override, "reset", changes=True, resolves=True)(reset_packages)


def replace_packages(
    common: Common,
    specs: Annotated[
        list[str],
        typer.Argument(metavar="FILE|NAME...", help="Local RPMs, or names.", show_default=False),
    ],
    repo: Annotated[
        str,
        typer.Option("--from", metavar="REPO", help="Take names from it, and follow it."),
    ] = "",
    no_gpg_check: Annotated[
        list[str] | None,
        typer.Option(metavar="FILE", help="Take this local RPM without a trusted signature."),
    ] = None,
) -> None:
    """Put another version in the place of a package of the base.

    Once the base has caught up it rests. Example: pkglayer override replace ./kernel.rpm
    """
    from pkglayer.engine import overrides

    with common.changing(tuple(no_gpg_check or ())) as session:
        show(common, session, overrides.replace(session, specs, repo=repo))


def remove_packages(
    common: Common,
    names: Names,
    with_dependents: Annotated[
        bool, typer.Option("--with-dependents", help="And the base packages that need them.")
    ] = False,
) -> None:
    """Take packages of the base away, now and from every later base.

    Example: pkglayer override remove firefox --with-dependents
    """
    from pkglayer.engine import overrides

    with common.changing() as session:
        outcome = overrides.remove(session, names, with_dependents=with_dependents)
        show(common, session, outcome)


def reset_packages(
    common: Common,
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="NAME...", help="Overrides to drop.", show_default=False),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Drop every override.")] = False,
) -> None:
    """Drop overrides: the base's own packages are there again.

    Example: pkglayer override reset --all
    """
    from pkglayer.engine import overrides
    from pkglayer.model.errors import UsageError

    if bool(names) == everything:
        raise UsageError("name the overrides to drop, or give --all",
                         hint="pkglayer status lists them")  # fmt: skip
    with common.changing() as session:
        show(common, session, overrides.reset(session, names or [], everything=everything))
