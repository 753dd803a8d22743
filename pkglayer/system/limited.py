"""Runs a piece of our own work in a child process with limits.

For C libraries that read what a stranger wrote: `run_limited(work, limits=, on_report=)` returns
what `work` returns, or raises Died when the child crashed or went over a limit; `run_all_limited`
does so with several at once. Nothing that a child does to memory is seen here; what it writes to
disk is. Programs are started by `run`.
"""

import faulthandler
import json
import os
import resource
import selectors
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
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
Work = Callable[[Report], Any]


@dataclass
class _Child:
    number: int
    pid: int
    answer: list[Any] = field(default_factory=list)
    rest: bytes = b""


def run_limited(work: Work, *, limits: Limits, on_report: Report | None = None) -> Any:
    """Run `work` in a forked child; it gets a function to report JSON values while it runs.

    Returns the JSON value that `work` returns. An exception inside counts as a death. When this
    side is interrupted, the child is ended first.
    """

    def hear(_: int, value: Any) -> None:
        if on_report:
            on_report(value)

    [found] = run_all_limited([work], limits=limits, on_report=hear)
    if isinstance(found, Died):
        raise found
    return found


def run_all_limited(
    works: Sequence[Work], *, limits: Limits, on_report: Callable[[int, Any], None],
    at_once: int = 4,
) -> list[Any]:  # fmt: skip
    """Run each in a child of its own, some at once; the limits are those of each.

    Returns the values in the order of `works`, a `Died` for one that came to no good end;
    `on_report` is told which of them (from 0) reports what.
    """
    found: list[Any] = [None] * len(works)
    waiting = list(enumerate(works))
    running: dict[int, _Child] = {}
    with selectors.DefaultSelector() as selector:
        try:
            while waiting or running:
                while waiting and len(running) < at_once:
                    read, child = _start(*waiting.pop(0), limits)
                    running[read] = child
                    selector.register(read, selectors.EVENT_READ)
                for key, _ in selector.select():
                    child = running[key.fd]
                    if data := os.read(key.fd, 1 << 16):
                        _hear(child, data, on_report)
                        continue
                    _, status = os.waitpid(child.pid, 0)
                    del running[key.fd]
                    selector.unregister(key.fd)
                    os.close(key.fd)
                    good = child.answer and not status
                    found[child.number] = child.answer[0] if good else Died(_how(status, limits))
        finally:
            for read, child in running.items():
                os.close(read)
                os.kill(child.pid, signal.SIGKILL)
                os.waitpid(child.pid, 0)
    return found


def _start(number: int, work: Work, limits: Limits) -> tuple[int, _Child]:
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(read)
        _live(work, limits, write)
    os.close(write)
    return read, _Child(number, pid)


def _hear(child: _Child, data: bytes, on_report: Callable[[int, Any], None]) -> None:
    *lines, child.rest = (child.rest + data).split(b"\n")
    for line in lines:
        kind, value = json.loads(line)
        if kind == "answer":
            child.answer.append(value)
        else:
            on_report(child.number, value)


def _how(status: int, limits: Limits) -> str:
    code = os.waitstatus_to_exitcode(status)
    if code >= 0:
        return "an error inside"
    name = signal.Signals(-code).name
    return (
        f"it was ended by {name} (limits: {limits.memory >> 20} MiB of memory, {limits.seconds} s)"
    )


def _live(work: Work, limits: Limits, write: int) -> None:
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
