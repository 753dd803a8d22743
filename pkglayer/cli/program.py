"""The command line's run: signals, the app, and the one place that prints errors and picks the exit
code."""

import errno
import gc
import json
import sys
from typing import NoReturn

import typer

from pkglayer.cli.app import make_app
from pkglayer.log import folded, printable, terminal_width
from pkglayer.model.errors import PkglayerError, SpaceError
from pkglayer.system import interrupts

GARBAGE = 50_000
"""Objects between two collections: at Python's 700 a short run spends a tenth of its time on what
the modules make, of which nothing is garbage."""


def main() -> None:
    """Run the command line and exit: 0, the error's own code, or 128 plus a signal."""
    interrupts.install()
    gc.set_threshold(GARBAGE)
    try:
        _run()
    finally:
        interrupts.ignore()


def _run() -> None:
    try:
        make_app(sys.argv[1:])(prog_name="pkglayer")
    except PkglayerError as e:
        _fail(e)
    except BrokenPipeError:
        sys.exit(141)
    except OSError as e:
        _fail(from_os_error(e))
    except interrupts.Interrupted as e:
        _interrupted(int(e.args[0]))
    except Exception as e:
        if interrupts.received() and not interrupts.is_final():
            _interrupted(interrupts.received())  # C code turned the signal into another error
        if "--debug" in sys.argv:
            raise
        _print_error(
            PkglayerError(
                f"internal error: {type(e).__name__}: {e}",
                hint="see pkglayer status; please report this with the output of --debug",
            )
        )
        sys.exit(1)


def _interrupted(number: int) -> NoReturn:
    typer.echo("pkglayer: interrupted; the system is as before", err=True)
    sys.exit(128 + number)


def _fail(error: PkglayerError) -> NoReturn:
    """Exit by the error's code; with 0 and a warning when the change itself was made before."""
    if interrupts.is_final():
        typer.echo(f"warning: the change is made, but: {printable(error.message)}", err=True)
        sys.exit(0)
    _print_error(error)
    sys.exit(error.exit_code)


def from_os_error(error: OSError) -> PkglayerError:
    """A failing system call that no stage knew better about, as an error for people."""
    where = f"{error.filename}: " if error.filename else ""
    text = f"{where}{error.strerror or error}"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return SpaceError(text, hint="make room, for instance with: pkglayer cleanup --cache")
    return PkglayerError(text, hint="see pkglayer status and the system's log")


def _print_error(error: PkglayerError) -> None:
    if "--json" in sys.argv:
        own = {"kind": error.kind, "message": error.message, "hint": error.hint}
        data = {**error.data, **own}
        typer.echo(json.dumps({"error": data}, indent=2, sort_keys=True, default=str))
    typer.echo(folded(render_error(error), terminal_width(sys.stderr)), err=True)


def render_error(error: PkglayerError) -> str:
    """What happened and, below it, each way out on its own line."""
    first, *rest = [printable(line) for line in error.message.splitlines()] or [""]
    lines = [f"error: {first}"]
    # indented, so that no text from elsewhere looks like a line of ours
    lines += [line if line.startswith(" ") else f"  {line}" for line in rest]
    ways = printable(error.hint).split("; or ") if error.hint else []
    lines += [f"  {'or' if number else 'hint'}: {way}" for number, way in enumerate(ways)]
    return "\n".join(lines)
