"""The verb `initramfs`: whether each state makes its own, and with which dracut options."""

from typing import Annotated

import typer

from pkglayer.cli.changes import show
from pkglayer.cli.common import Common, print_json, verb


def register(app: typer.Typer) -> None:
    """Add the verb of this module."""
    verb(app, changes=True, resolves=True)(initramfs)


def initramfs(
    common: Common,
    enable: Annotated[
        bool, typer.Option("--enable", help="Make it anew for every state, with dracut.")
    ] = False,
    arg: Annotated[
        list[str] | None,
        typer.Option("--arg", metavar="ARG", help="Option for dracut; with --enable."),
    ] = None,
    disable: Annotated[bool, typer.Option("--disable", help="Use the base's own again.")] = False,
) -> None:
    """Say whose initramfs is used, or have it made with the tree's dracut and its /etc.

    Example: pkglayer initramfs --enable --arg=--add --arg=iscsi
    """
    from pkglayer.engine import kernel
    from pkglayer.model.errors import UsageError

    if enable and disable:
        raise UsageError("--enable and --disable contradict", hint="give one of them")
    if arg and not enable:
        raise UsageError("--arg is for the initramfs that --enable makes", hint="add --enable")
    if enable or disable:
        with common.changing() as session:
            show(common, session, kernel.set_initramfs(session, enable=enable, args=arg or ()))
        return
    with common.reading() as session:
        args = kernel.initramfs_args(session)
    if common.as_json:
        print_json({"version": 1, "enabled": args is not None, "args": list(args or ())})
    elif args is None:
        typer.echo("The base's own initramfs is used.")
    else:
        options = f" with {' '.join(args)}" if args else ""
        typer.echo(f"Each state's initramfs is made by dracut{options}.")
