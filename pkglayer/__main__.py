"""The program: signals, the app, and the one place that prints errors and picks the exit code."""

import errno
import json
import sys

import typer

from pkglayer.cli.app import app
from pkglayer.model.errors import PkglayerError, SpaceError
from pkglayer.system import interrupts


def main() -> None:
    """Run the command line and exit: 0, the error's own code, or 128 plus a signal."""
    interrupts.install()
    try:
        app(prog_name="pkglayer")
    except PkglayerError as e:
        _print_error(e)
        sys.exit(e.exit_code)
    except BrokenPipeError:
        sys.exit(141)
    except OSError as e:
        error = from_os_error(e)
        _print_error(error)
        sys.exit(error.exit_code)
    except interrupts.Interrupted as e:
        typer.echo("pkglayer: interrupted; the system is as before", err=True)
        sys.exit(128 + int(e.args[0]))
    except Exception as e:
        if "--debug" in sys.argv:
            raise
        _print_error(
            PkglayerError(
                f"internal error: {type(e).__name__}: {e}",
                hint="see pkglayer status; please report this with the output of --debug",
            )
        )
        sys.exit(1)


def from_os_error(error: OSError) -> PkglayerError:
    """A failing system call that no stage knew better about, as an error for people."""
    where = f"{error.filename}: " if error.filename else ""
    text = f"{where}{error.strerror or error}"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return SpaceError(text, hint="make room, for instance with: pkglayer cleanup --cache")
    return PkglayerError(text, hint="see pkglayer status and the system's log")


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
