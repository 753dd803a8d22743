"""The one door for commands on the host.

Arguments are lists, never shell text; output is captured as bytes and decoded leniently; a command
is logged ready to paste under --debug. Scriptlets do not come through here but through `sandbox`.
"""

import shlex
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from pkglayer.log import log
from pkglayer.model.errors import PkglayerError
from pkglayer.system.become import CLEAN_ENV


def run(
    argv: Sequence[str],
    *,
    env: Mapping[str, str] | None = None,
    stdin: bytes | None = None,
    pass_fds: Sequence[int] = (),
    check: bool = True,
) -> subprocess.CompletedProcess[bytes]:
    """Run `argv` to its end in a clean environment and return it with captured output.

    Raises PkglayerError when the program is missing, or (with `check`) exits non-zero.
    """
    log.debug("run: %s", shlex.join(argv))
    try:
        done = subprocess.run(
            list(argv),
            env=dict(CLEAN_ENV if env is None else env),
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            pass_fds=tuple(pass_fds),
            check=False,
        )
    except FileNotFoundError as e:
        raise PkglayerError(
            f"the program {argv[0]} is not installed", hint=f"install {Path(argv[0]).name}"
        ) from e
    if check and done.returncode:
        text = done.stderr.decode(errors="replace").strip()
        raise PkglayerError(f"{argv[0]} failed with exit code {done.returncode}: {text}")
    return done


def run_on_terminal(argv: Sequence[str]) -> None:
    """Let a person work with a program until it ends; raises PkglayerError when it fails."""
    log.debug("run on the terminal: %s", shlex.join(argv))
    try:
        done = subprocess.run(list(argv), check=False)
    except OSError as e:
        raise PkglayerError(f"the program {argv[0]} cannot be started: {e.strerror}") from e
    if done.returncode:
        raise PkglayerError(f"{argv[0]} ended with exit code {done.returncode}")
