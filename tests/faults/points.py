"""Runs pkglayer and strikes at its n-th call that changes anything: kill, signal or error.

The calls are counted by `points.c`, preloaded. What came of it is looked at elsewhere.
"""

import atexit
import errno
import os
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.support.cli import TIMEOUT, clean_environment

_SOURCE = Path(__file__).with_name("points.c")
_LAYOUT = struct.Struct("7i256s")


@dataclass(frozen=True)
class Strike:
    """`mode` 0 only counts; a signal number is sent to the run; an errno below 0 makes it fail.

    `repeat` lets every later call fail too (a full disk stays full); `second` sends the signal once
    more, so many points later.
    """

    at: int = 0
    mode: int = 0
    repeat: bool = False
    second: int = 0

    def __str__(self) -> str:
        name = errno.errorcode[-self.mode] if self.mode < 0 else signal.Signals(self.mode).name
        return f"{name}{' from' if self.repeat else ''} at {self.at}"


@dataclass(frozen=True)
class Struck:
    """How a run ended: `points` counted in all, whether the strike came, and at which call."""

    exit_code: int
    output: str
    errors: str
    points: int
    hit: bool
    what: str


def run_struck(
    words: Sequence[str | Path], sysroot: Path, strike: Strike, trace: Path | None = None
) -> Struck:
    """Run `pkglayer WORDS --sysroot SYSROOT` under the strike; `trace` gets a line a point."""
    with tempfile.NamedTemporaryFile() as shared:
        shared.write(
            _LAYOUT.pack(0, 0, strike.at, strike.repeat, strike.mode, strike.second, 0, b"")
        )
        shared.flush()
        own = {"LD_PRELOAD": str(library()), "POINTS_FILE": shared.name}
        own["PYTHONDONTWRITEBYTECODE"] = "1"  # compiling would count, once
        own |= {"POINTS_TRACE": str(trace)} if trace else {}
        done = subprocess.run(
            [sys.executable, "-m", "pkglayer", *map(str, words), "--sysroot", str(sysroot)],
            env=clean_environment() | own,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=TIMEOUT,
            check=False,
        )
        count, *_, hits, what = _LAYOUT.unpack(Path(shared.name).read_bytes())
    text = what.rstrip(b"\0").decode(errors="replace").strip()
    return Struck(done.returncode, done.stdout, done.stderr, count, hits > 0, text)


@cache
def library() -> Path:
    """The compiled counter, in a directory of this run's own."""
    where = Path(tempfile.mkdtemp(prefix="points-"))
    atexit.register(shutil.rmtree, where, ignore_errors=True)
    target = where / "points.so"
    words = ["gcc", "-O1", "-Wall", "-shared", "-fPIC", "-o", str(target), str(_SOURCE), "-ldl"]
    subprocess.run(words, check=True, env={"PATH": os.environ["PATH"]})
    return target
