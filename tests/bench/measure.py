"""Runs one command to its end and tells what it cost, by the kernel's own accounting.

The figures cover the command and all of its descendants that were waited for.
"""

import os
import statistics
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Sample:
    """Seconds on the clock and of processor time, the largest process in MB, MB written."""

    wall_s: float
    cpu_s: float
    peak_mb: float
    written_mb: float


class CommandFailed(Exception):
    """A command of the benchmark failed: there is no figure, and the run ends."""


def measure(argv: Sequence[str | Path]) -> Sample:
    """Run and measure a command; raises CommandFailed with its output."""
    words = [str(word) for word in argv]
    began = time.monotonic()
    process = subprocess.Popen(
        words,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=(log := os.memfd_create("stderr")),
        cwd="/",
    )
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.monotonic() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    text = os.pread(log, 1 << 16, 0).decode(errors="replace")
    os.close(log)
    if process.returncode != 0:
        raise CommandFailed(f"{' '.join(words)}: exit {process.returncode}\n{text}")
    return Sample(
        wall_s=wall,
        cpu_s=usage.ru_utime + usage.ru_stime,
        peak_mb=usage.ru_maxrss / 1024,
        written_mb=usage.ru_oublock * 512 / 1e6,
    )


def median(samples: Sequence[Sample]) -> Sample:
    """The median of each figure."""
    fields = ("wall_s", "cpu_s", "peak_mb", "written_mb")
    return Sample(*(statistics.median(getattr(s, field) for s in samples) for field in fields))


def run(*argv: str | Path) -> str:
    """Run a command that is not measured and return its output."""
    words = [str(word) for word in argv]
    done = subprocess.run(
        words, env=environment(), capture_output=True, text=True, check=False, cwd="/"
    )
    if done.returncode != 0:
        raise CommandFailed(f"{' '.join(words)}: exit {done.returncode}\n{done.stderr}")
    return done.stdout


def environment() -> Mapping[str, str]:
    """The same for every tool."""
    return {
        "PATH": os.environ["PATH"],
        "HOME": "/root",
        "LANG": "C.UTF-8",
        "PYTHONPATH": str(PROJECT),
        "OSTREE_SYSROOT_DEBUG": "mutable-deployments",
        "SOURCE_DATE_EPOCH": "1700000000",
    }
