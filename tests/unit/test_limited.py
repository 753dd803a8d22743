"""Work in a child: its answer, its reports, and every way it can end."""

import ctypes
import os
import signal
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from pkglayer.system.limited import Died, Limits, Report, run_all_limited, run_limited

LIMITS = Limits(memory=200 * 1024**2, file_size=1000, seconds=2)


def test_answer_and_reports_arrive() -> None:
    heard: list[Any] = []

    def work(report: Report) -> dict[str, int]:
        report(1)
        report(["two", 2])
        return {"pid": os.getpid()}

    answer = run_limited(work, limits=LIMITS, on_report=heard.append)
    assert heard == [1, ["two", 2]]
    assert answer["pid"] != os.getpid()


def crash(report: Report) -> None:
    ctypes.string_at(0)


def fail(report: Report) -> None:
    raise OSError("inside")


def eat(report: Report) -> None:
    bytearray(400 * 1024**2)


def spin(report: Report) -> None:
    while True:
        pass


def leave(report: Report) -> None:
    os._exit(0)


@pytest.mark.parametrize(
    ("work", "says"),
    [
        (crash, "SIGSEGV"),
        (fail, "an error inside"),
        (eat, "an error inside"),
        (spin, "SIGXCPU|SIGKILL"),
        (leave, "an error inside"),
    ],
)
def test_bad_ends_are_told(work: Any, says: str) -> None:
    with pytest.raises(Died, match=says):
        run_limited(work, limits=LIMITS)


def test_file_has_a_largest_size(tmp_path: Path) -> None:
    def write(report: Report) -> int:
        try:
            (tmp_path / "file").write_bytes(b"x" * 2000)
        except OSError as e:
            return e.errno or 0
        return 0

    assert run_limited(write, limits=LIMITS) == 27  # EFBIG
    assert (tmp_path / "file").stat().st_size <= 1000


def test_child_ends_with_us_when_interrupted() -> None:
    found: list[int] = []

    def work(report: Report) -> None:
        report(os.getpid())
        time.sleep(60)

    def stop(pid: Any) -> None:
        found.append(pid)
        raise KeyboardInterrupt

    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        run_limited(work, limits=LIMITS, on_report=stop)
    assert time.monotonic() - began < 30
    with pytest.raises(ProcessLookupError):
        os.kill(found[0], 0)


def test_real_interrupt_is_not_delayed() -> None:
    timer = threading.Timer(0.3, lambda: os.kill(os.getpid(), signal.SIGINT))
    timer.start()
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        run_limited(lambda report: time.sleep(60), limits=LIMITS)
    assert time.monotonic() - began < 30
    timer.join()


def test_interrupt_while_a_child_takes_long_to_end(tmp_path: Path) -> None:
    """It has said its last word: its end of the pipe is closed, and it lives on."""
    number = tmp_path / "pid"

    def linger(report: Report) -> None:
        number.write_text(str(os.getpid()))
        os.closerange(3, 100)
        time.sleep(60)

    def stop() -> None:
        while not number.exists():
            time.sleep(0.01)
        time.sleep(0.3)
        os.kill(os.getpid(), signal.SIGINT)

    stopper = threading.Thread(target=stop)
    stopper.start()
    with pytest.raises(KeyboardInterrupt):
        run_limited(linger, limits=LIMITS)
    stopper.join()
    with pytest.raises(ProcessLookupError):
        os.kill(int(number.read_text()), 0)


def test_nothing_of_the_child_s_memory_is_seen_here() -> None:
    seen: list[int] = []
    run_limited(lambda report: seen.append(1), limits=LIMITS)
    assert seen == []


def test_several_run_at_once_and_each_ends_for_itself(tmp_path: Path) -> None:
    heard: list[Any] = []

    def meet(number: int, report: Report) -> int:
        (tmp_path / str(number)).touch()
        while len(list(tmp_path.iterdir())) < 3:  # never, were it one after the other
            time.sleep(0.01)
        report(f"met {number}")
        return number

    works = [lambda report, n=n: meet(n, report) for n in range(3)]
    found = run_all_limited([works[0], crash, works[1], works[2]], limits=LIMITS,
                            on_report=lambda n, v: heard.append((n, v)))  # fmt: skip
    assert [found[0], found[2], found[3]] == [0, 1, 2]
    assert isinstance(found[1], Died)
    assert "SIGSEGV" in str(found[1])
    assert sorted(heard) == [(0, "met 0"), (2, "met 1"), (3, "met 2")]


def test_more_than_may_run_at_once_all_get_their_turn(tmp_path: Path) -> None:
    def count(report: Report) -> int:
        mine = tmp_path / str(os.getpid())
        mine.touch()
        time.sleep(0.05)
        most = len(list(tmp_path.iterdir()))
        mine.unlink()
        return most

    found = run_all_limited([count] * 7, limits=LIMITS, on_report=lambda n, v: None, at_once=2)
    assert len(found) == 7
    assert max(found) <= 2
