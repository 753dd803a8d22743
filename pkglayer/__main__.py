"""The program: signals, the app, and the one place that prints errors and picks the exit code."""

import json
import signal
import sys
from types import FrameType

import typer

from pkglayer.cli.app import app
from pkglayer.model.errors import PkglayerError


class Terminated(BaseException):
    """SIGTERM or SIGHUP came; unwinds like a keyboard interrupt, so that everything is undone."""


def _terminate(number: int, _frame: FrameType | None) -> None:
    raise Terminated(number)


def main() -> None:
    """Run the command line and exit: 0, the error's own code, or 128 plus a signal."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _terminate)
    try:
        app(prog_name="pkglayer")
    except PkglayerError as e:
        _print_error(e)
        sys.exit(e.exit_code)
    except BrokenPipeError:
        sys.exit(141)
    except Terminated as e:
        typer.echo("pkglayer: terminated; the system is as before", err=True)
        sys.exit(128 + int(e.args[0]))


def _print_error(error: PkglayerError) -> None:
    from pkglayer.log import printable

    if "--json" in sys.argv:
        data = {"kind": error.kind, "message": error.message, "hint": error.hint, **error.data}
        typer.echo(json.dumps({"error": data}, indent=2, sort_keys=True, default=str))
    text = "\n".join(printable(line) for line in error.message.splitlines())
    typer.echo(f"error: {text}", err=True)
    if error.hint:
        typer.echo(f"  hint: {printable(error.hint)}", err=True)


if __name__ == "__main__":
    main()
