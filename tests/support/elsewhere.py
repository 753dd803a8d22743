"""Runs pkglayer as on another machine: other hostname, uptime, time zone, umask and environment."""

import subprocess
import sys
from pathlib import Path

from tests.support.cli import PROJECT, clean_environment

_UPTIME = ("unshare", "--uts", "--time", "--boottime", "90000000", "--fork")
_SHELL = 'hostname elsewhere && umask 077 && exec "$@"'


def run_elsewhere(
    *args: str | Path, sysroot: Path, timeout: float = 300
) -> subprocess.CompletedProcess[str]:
    """Run `pkglayer ARGS` on a sysroot; its exit code is the caller's to look at."""
    program = (sys.executable, "-m", "pkglayer", *map(str, args), "--sysroot", str(sysroot))
    return subprocess.run(
        [*_UPTIME, "sh", "-c", _SHELL, "sh", *program],
        env=clean_environment()
        | {"TZ": "Pacific/Auckland", "LC_ALL": "C", "USER": "other", "PYTHONPATH": str(PROJECT)},
        cwd="/", capture_output=True, text=True, timeout=timeout, check=False,
    )  # fmt: skip
