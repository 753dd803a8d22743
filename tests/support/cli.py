"""Runs pkglayer as a person does: a process of its own, with a clean environment.

Tests of what a user sees go through here. Pure code is tested by calling it.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).parents[2]
TIMEOUT = 300
NOBODY = 65534


def run_pkglayer(
    *args: str | Path,
    sysroot: Path | None = None,
    check: bool = True,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    user: int | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run `pkglayer ARGS` and return what came of it; with `check` fail unless it exits with 0.

    `--sysroot` is added behind the arguments, or before a `--` among them. Environment variables of
    the caller are not passed on, `env` is. With `user` it runs with that id and no other group.
    """
    words = [str(arg) for arg in args]
    if sysroot is not None:
        end = words.index("--") if "--" in words else len(words)
        words[end:end] = ["--sysroot", str(sysroot)]
    done = subprocess.run(
        [sys.executable, "-m", "pkglayer", *words],
        env=clean_environment() | dict(env or {}),
        cwd=cwd,
        user=user,
        group=user,
        extra_groups=None if user is None else [],
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
    if check and done.returncode != 0:
        shown = f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"
        raise AssertionError(f"pkglayer {' '.join(words)}: {shown}")
    return done


def let_nobody_in(directory: Path) -> None:
    """Let everybody read a directory and pass those above it; other bits stay, /tmp's among them.

    Best in the test itself: another run of pytest closes the directory that they share again.
    """
    for path in (directory, *directory.parents):
        if (mode := path.stat().st_mode) & 0o055 != 0o055:
            path.chmod(mode | 0o055)


def query_pkglayer(*args: str | Path, sysroot: Path, check: bool = True) -> Any:
    """Run `pkglayer ARGS --json` and return the data it printed."""
    words = list(args)
    end = words.index("--") if "--" in words else len(words)
    words[end:end] = ["--json"]
    return json.loads(run_pkglayer(*words, sysroot=sysroot, check=check).stdout)


def start_pkglayer(*args: str | Path, sysroot: Path) -> subprocess.Popen[str]:
    """Run a verb and go on while it runs; its whole output is in `stdout`."""
    return subprocess.Popen(
        [sys.executable, "-m", "pkglayer", *map(str, args), "--sysroot", str(sysroot)],
        env=clean_environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


def read_until(running: subprocess.Popen[str], word: str) -> str:
    """Read the output up to the line with that word, and return the line."""
    assert running.stdout is not None
    for line in running.stdout:
        if word in line:
            return line
    raise AssertionError(f"it ended without saying {word!r}")


def clean_environment() -> dict[str, str]:
    """Return the variables that a run of pkglayer in a test gets, the same on each machine.

    A boot id for libostree is passed on: what a pull left in an earlier boot it does not trust.
    """
    own = {k: v for k, v in os.environ.items() if k == "OSTREE_BOOTID"}
    return own | {
        "PATH": os.environ["PATH"],
        "HOME": os.environ.get("HOME", "/root"),
        "LANG": "C.UTF-8",
        "TERM": "dumb",
        "COLUMNS": "100",
        "PYTHONPATH": str(PROJECT),
        "OSTREE_SYSROOT_DEBUG": "mutable-deployments",
    }
