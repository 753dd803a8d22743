"""The command line: one typer app, its verbs in one place each; no verb's work is done here."""

from typing import Annotated

import typer

from pkglayer import __version__
from pkglayer.cli import (
    changes,
    db,
    deployments,
    forecast,
    history,
    initramfs,
    kargs,
    layers,
    lock,
    override,
    packages,
    why,
)

app = typer.Typer(
    name="pkglayer",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Layer RPM packages on an immutable OSTree base, atomically, and keep them there.\n\n"
    "Example: pkglayer install htop tmux, then reboot. See also: pkglayer VERB --help.",
)

_MODULES = (
    changes,
    deployments,
    packages,
    db,
    layers,
    history,
    lock,
    override,
    kargs,
    initramfs,
    forecast,
    why,
)
for _module in _MODULES:
    _module.register(app)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"pkglayer {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Version.")
    ] = False,
) -> None:
    """Options of pkglayer itself."""
