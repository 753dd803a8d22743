"""Does several independent pieces of our own work at once, in forked children, one a processor.

For work that keeps a processor busy in Python or in a library that holds the interpreter's lock.
A result is a JSON value; a PackageError or OSError of a piece is raised here. Programs are started
by `run`.
"""

import json
import os
import signal
import traceback
from collections.abc import Callable, Sequence
from typing import Any

from pkglayer.model.errors import PackageError, PkglayerError

Job = Callable[[], Any]


def count_processors() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0))


def run_all(jobs: Sequence[tuple[int, Job]], on_done: Callable[[int], None]) -> list[Any]:
    """Run (cost, job) pairs and return the results in their order; `on_done` is told the number of
    each that is done.

    The costliest begin first, spread evenly. One job, or one processor, needs no child.
    """
    lanes = min(len(jobs), count_processors())
    if lanes < 2:
        return [_told(number, job, on_done) for number, (_, job) in enumerate(jobs)]
    plan: list[list[int]] = [[] for _ in range(lanes)]
    loads = [0] * lanes
    for number in sorted(range(len(jobs)), key=lambda n: (-jobs[n][0], n)):
        lane = loads.index(min(loads))
        plan[lane].append(number)
        loads[lane] += jobs[number][0] + 1
    children = [_start([(n, jobs[n][1]) for n in lane]) for lane in plan]
    return _collect(children, len(jobs), on_done)


def _told(number: int, job: Job, on_done: Callable[[int], None]) -> Any:
    result = job()
    on_done(number)
    return result


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
    children: Sequence[tuple[int, int]], count: int, on_done: Callable[[int], None]
) -> list[Any]:
    results: dict[int, Any] = {}
    left = list(children)
    try:
        for child, read in children:
            with os.fdopen(read) as source:
                for text in source:
                    number, result, failure = json.loads(text)
                    if failure:
                        raise _to_error(*failure)
                    results[number] = result
                    on_done(number)
            os.waitpid(child, 0)
            left.remove((child, read))
    finally:
        for child, _ in left:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
    if len(results) != count:
        raise PkglayerError("a child process that unpacked packages died")
    return [results[number] for number in range(count)]


def _to_error(what: str | int, why: str, file: str | None = None) -> Exception:
    """The error of a child again: its text and hint, or number, text and file of a system call."""
    return PackageError(what, hint=why) if isinstance(what, str) else OSError(what, why, file)
