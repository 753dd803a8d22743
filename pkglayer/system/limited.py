"""Runs a piece of our own work in a child process with limits.

For C libraries that read what a stranger wrote: `run_limited(work, limits=, on_report=)` returns
what `work` returns, or raises Died when the child crashed or went over a limit. Nothing the child
does to memory is seen here; what it writes to disk is. Programs are started by `run`.
"""

import faulthandler
import json
import os
import resource
import signal
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any


@dataclass(frozen=True)
class Limits:
    """What the child may take.

    `memory` is address space beyond what this process has already, `file_size` that of one written
    file, both in bytes; `seconds` is processor time.
    """

    memory: int = 3 * 1024**3
    file_size: int = 1024**3
    seconds: int = 120


class Died(Exception):
    """The child came to no good end; the text says how."""


Report = Callable[[Any], None]


def run_limited(
    work: Callable[[Report], Any], *, limits: Limits, on_report: Report | None = None
) -> Any:
    """Run `work` in a forked child; it gets a function to report JSON values while it runs.

    Returns the JSON value that `work` returns. An exception inside counts as a death. When this
    side is interrupted, the child is ended first.
    """
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(read)
        _live(work, limits, write)
    os.close(write)
    answer: list[Any] = []
    status = None
    try:
        with os.fdopen(read, "rb") as stream:
            for line in stream:
                kind, value = json.loads(line)
                if kind == "answer":
                    answer.append(value)
                elif on_report:
                    on_report(value)
        _, status = os.waitpid(child, 0)
    finally:
        if status is None:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
    if status or not answer:
        raise Died(_how(os.waitstatus_to_exitcode(status), limits))
    return answer[0]


def _how(code: int, limits: Limits) -> str:
    if code >= 0:
        return "an error inside"
    name = signal.Signals(-code).name
    return (
        f"it was ended by {name} (limits: {limits.memory >> 20} MiB of memory, {limits.seconds} s)"
    )


def _live(work: Callable[[Report], Any], limits: Limits, write: int) -> None:
    """The child's whole life; it never returns."""
    code = 1
    try:
        faulthandler.disable()
        for end in (signal.SIGINT, signal.SIGTERM, signal.SIGPIPE):
            signal.signal(end, signal.SIG_DFL)
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # a write fails with EFBIG instead
        null = os.open(os.devnull, os.O_RDWR)
        for standard in (0, 1, 2):
            os.dup2(null, standard)
        _limit(resource.RLIMIT_AS, _address_space() + limits.memory)
        _limit(resource.RLIMIT_CPU, limits.seconds)
        _limit(resource.RLIMIT_FSIZE, limits.file_size)
        _limit(resource.RLIMIT_CORE, 0)
        with os.fdopen(write, "wb", buffering=0) as stream:
            value = work(lambda v: _say(stream, "report", v))
            _say(stream, "answer", value)
        code = 0
    finally:
        os._exit(code)


def _address_space() -> int:
    """What this process has mapped, in bytes."""
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


def _say(stream: IO[bytes], kind: str, value: Any) -> None:
    stream.write(json.dumps([kind, value]).encode() + b"\n")


def _limit(what: int, value: int) -> None:
    _, hard = resource.getrlimit(what)
    if hard != resource.RLIM_INFINITY:
        value = min(value, hard)
    resource.setrlimit(what, (value, value))
