"""Does several independent pieces of our own work at once, in forked children, one a processor.

For work that keeps a processor busy in Python or in a library that holds the interpreter's lock.
A result is a JSON value; a PackageError or OSError of a piece is raised here. Programs are started
by `run`.
"""

import json
import os
import selectors
import signal
import traceback
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from pkglayer.model.errors import PackageError, PkglayerError

Job = Callable[[], Any]
_PIPE = 1 << 16


def count_processors() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0))


def run_all(jobs: Sequence[tuple[int, Job]], on_done: Callable[[int, Any], None]) -> None:
    """Run (cost, job) pairs; `on_done` gets the number and the result of each when it is done.

    The costliest begin first, spread evenly. One job, or one processor, needs no child. What
    `on_done` does here happens while the children go on.
    """
    lanes = min(len(jobs), count_processors())
    if lanes < 2:
        for number, (_, job) in enumerate(jobs):
            on_done(number, job())
        return
    plan: list[list[int]] = [[] for _ in range(lanes)]
    loads = [0] * lanes
    for number in sorted(range(len(jobs)), key=lambda n: (-jobs[n][0], n)):
        lane = loads.index(min(loads))
        plan[lane].append(number)
        loads[lane] += jobs[number][0] + 1
    children = [_start([(n, jobs[n][1]) for n in lane]) for lane in plan]
    _collect(children, len(jobs), on_done)


def _start(jobs: Sequence[tuple[int, Job]]) -> tuple[int, int]:
    read, write = os.pipe2(os.O_CLOEXEC)
    child = os.fork()
    if child == 0:
        os.close(read)
        _live(jobs, write)
    os.close(write)
    return child, read


def _live(jobs: Sequence[tuple[int, Job]], write: int) -> None:
    """The child's whole life; it never returns."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    with os.fdopen(write, "w", buffering=1) as out:
        for number, job in jobs:
            try:
                line = [number, job(), None]
            except PackageError as e:
                line = [number, None, [e.message, e.hint]]
            except OSError as e:
                line = [number, None, [e.errno, e.strerror, e.filename]]
            except BaseException:
                line = [number, None, [traceback.format_exc(), ""]]
            out.write(json.dumps(line) + "\n")
            if line[2]:
                break
        out.flush()
        os._exit(0)


def _collect(
    children: Sequence[tuple[int, int]], count: int, on_done: Callable[[int, Any], None]
) -> None:
    left = [child for child, _ in children]
    try:
        for text in _read_lines([read for _, read in children]):
            number, result, failure = json.loads(text)
            if failure:
                raise _to_error(*failure)
            count -= 1
            on_done(number, result)
        while left:
            os.waitpid(left[-1], 0)
            left.pop()
    finally:
        for child in left:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
    if count:
        raise PkglayerError("a child process that unpacked packages died")


def _read_lines(sources: Sequence[int]) -> Iterator[bytes]:
    """Whole lines from several pipes as they come, until all have ended; closes them."""
    parts: dict[int, list[bytes]] = {source: [] for source in sources}
    try:
        with selectors.DefaultSelector() as ready:
            for source in sources:
                ready.register(source, selectors.EVENT_READ)
            while ready.get_map():
                for key, _ in ready.select():
                    data = os.read(key.fd, _PIPE)
                    if not data:
                        ready.unregister(key.fd)
                    *ends, rest = data.split(b"\n")
                    for end in ends:
                        yield b"".join([*parts[key.fd], end])
                        parts[key.fd].clear()
                    parts[key.fd].append(rest)
    finally:
        for source in sources:
            os.close(source)


def _to_error(what: str | int, why: str, file: str | None = None) -> Exception:
    """The error of a child again: its text and hint, or number, text and file of a system call."""
    return PackageError(what, hint=why) if isinstance(what, str) else OSError(what, why, file)
