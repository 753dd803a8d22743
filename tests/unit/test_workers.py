"""Work in several processes gives the results of work in one, and its failures."""

import errno
import os
import time
from typing import Any

import pytest

from pkglayer.model.errors import PackageError, PkglayerError
from pkglayer.system.workers import run_all


def test_each_result_comes_with_the_number_of_its_job() -> None:
    told: dict[int, Any] = {}
    jobs = [(cost, lambda n=n: [n, str(n)]) for n, cost in enumerate([5, 100, 1, 0, 50])]
    run_all(jobs, told.__setitem__)
    assert told == {n: [n, str(n)] for n in range(5)}


def test_long_results_of_several_children_come_whole() -> None:
    told: dict[int, Any] = {}
    jobs = [(1, lambda n=n: [str(n)] * 100_000) for n in range(4)]
    run_all(jobs, told.__setitem__)
    assert told == {n: [str(n)] * 100_000 for n in range(4)}


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="one processor needs no child")
def test_a_result_is_told_while_others_work() -> None:
    read, write = os.pipe()

    def wait_for_the_other() -> str:
        return os.read(read, 1).decode()

    told: list[Any] = []

    def on_done(_: int, result: Any) -> None:
        told.append(result)
        os.write(write, b"!")

    run_all([(2, wait_for_the_other), (1, lambda: "first")], on_done)
    assert told == ["first", "!"]
    os.close(read)
    os.close(write)


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="one processor needs no child")
def test_no_child_outlives_a_failure_of_who_is_told() -> None:
    started = os.getpid()

    def on_done(_: int, child: int) -> None:
        raise ValueError(child)

    with pytest.raises(ValueError, match=r"\d") as caught:
        run_all([(1, os.getpid), (1, lambda: time.sleep(600))], on_done)
    assert int(caught.value.args[0]) != started
    with pytest.raises(ChildProcessError):
        os.waitpid(-1, os.WNOHANG)


def test_a_failure_comes_with_its_hint() -> None:
    def fail() -> None:
        raise PackageError("the payload is damaged", hint="fetch it again")

    with pytest.raises(PackageError, match="the payload is damaged") as caught:
        run_all([(1, lambda: 1), (1, fail)], lambda *_: None)
    assert caught.value.hint == "fetch it again"


def test_a_failing_system_call_is_the_same_here() -> None:
    def fail() -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "/full/file")

    with pytest.raises(OSError, match="No space left") as caught:
        run_all([(1, lambda: 1), (1, fail)], lambda *_: None)
    assert (caught.value.errno, caught.value.filename) == (errno.ENOSPC, "/full/file")


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="one processor needs no child")
def test_a_child_that_dies_is_noticed() -> None:
    with pytest.raises(PkglayerError, match="died"):
        run_all([(1, lambda: 1), (1, lambda: os._exit(1))], lambda *_: None)
