"""The command line: one typer app, its verbs in one place each; no verb's work is done here.

A run knows one verb, so `make_app` imports its module alone and registers nothing else.
"""

import importlib
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from pkglayer import __version__

MODULES: Mapping[str, tuple[str, ...]] = {
    "changes": (
        "install", "uninstall", "upgrade", "rebase", "deploy", "reconcile", "pin-version",
        "unpin-version",
    ),
    "deployments": ("status", "rollback", "pin", "unpin", "cleanup", "repair"),
    "packages": ("search", "info", "refresh-md"),
    "db": ("db",),
    "layers": ("layer",),
    "history": ("history",),
    "undo": ("undo",),
    "lock": ("lock", "apply", "verify"),
    "download": ("download",),
    "sbom": ("sbom",),
    "override": ("override",),
    "kargs": ("kargs",),
    "initramfs": ("initramfs",),
    "forecast": ("forecast",),
    "why": ("why", "why-not"),
}  # fmt: skip
"""Modules of `cli`, in the order of --help, with the verbs and groups that each registers."""


class Verbs(TyperGroup):
    """A group whose --help has the first sentence of each verb whole, not cut at the margin."""

    def format_commands(self, ctx: typer.Context, formatter: Any) -> None:  # type: ignore[override]
        rows = [(name, self.commands[name].get_short_help_str(1000)) for name in self.commands]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


def make_app(words: Sequence[str] = ()) -> typer.Typer:
    """The app for a command line: with its one verb or group of verbs, or with all of them.

    `words` are the arguments; unless the first is a known verb, the app has all verbs.
    """
    app = typer.Typer(
        name="pkglayer",
        cls=Verbs,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        context_settings={"help_option_names": ["-h", "--help"]},
        help="Layer RPM packages on an immutable OSTree base, atomically, and keep them there.\n\n"
        "Example: pkglayer install htop tmux, then reboot. See also: pkglayer VERB --help.",
    )
    app.callback()(root)
    verb = words[0] if words else ""
    known = [name for name, verbs in MODULES.items() if verb in verbs]
    for name in known or MODULES:
        importlib.import_module(f"pkglayer.cli.{name}").register(app)
    if known:  # typer takes a millisecond for each verb's options
        app.registered_commands = [c for c in app.registered_commands if c.name == verb]
    return app


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"pkglayer {__version__}")
        raise typer.Exit


def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Version.")
    ] = False,
) -> None:
    """Options of pkglayer itself."""
