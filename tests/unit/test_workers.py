"""Work in several processes gives the results of work in one, and its failures."""

import errno
import os

import pytest

from pkglayer.model.errors import PackageError, PkglayerError
from pkglayer.system.workers import run_all


def test_results_keep_the_order_of_the_jobs() -> None:
    told: list[int] = []
    jobs = [(cost, lambda n=n: [n, str(n)]) for n, cost in enumerate([5, 100, 1, 0, 50])]
    assert run_all(jobs, told.append) == [[n, str(n)] for n in range(5)]
    assert sorted(told) == [0, 1, 2, 3, 4]


def test_a_failure_comes_with_its_hint() -> None:
    def fail() -> None:
        raise PackageError("the payload is damaged", hint="fetch it again")

    with pytest.raises(PackageError, match="the payload is damaged") as caught:
        run_all([(1, lambda: 1), (1, fail)], lambda _: None)
    assert caught.value.hint == "fetch it again"


def test_a_failing_system_call_is_the_same_here() -> None:
    def fail() -> None:
        raise OSError(errno.ENOSPC, "No space left on device", "/full/file")

    with pytest.raises(OSError, match="No space left") as caught:
        run_all([(1, lambda: 1), (1, fail)], lambda _: None)
    assert (caught.value.errno, caught.value.filename) == (errno.ENOSPC, "/full/file")


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="one processor needs no child")
def test_a_child_that_dies_is_noticed() -> None:
    with pytest.raises(PkglayerError, match="died"):
        run_all([(1, lambda: 1), (1, lambda: os._exit(1))], lambda _: None)
