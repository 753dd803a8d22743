"""The phase table adds up, on the clock and in processor time."""

import time

import pytest

from pkglayer.log import Timings


def spin(seconds: float) -> None:
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


def test_phases_and_the_rest_are_the_whole() -> None:
    timings = Timings()
    for _ in range(2):
        with timings.phase("work"):
            spin(0.02)
    time.sleep(0.05)
    table = timings.table()
    assert table["work"].cpu >= 0.04
    assert table["work"].wall >= table["work"].cpu * 0.9
    assert table["other"].wall >= 0.05 > table["other"].cpu
    for kind in ("wall", "cpu"):
        whole = sum(getattr(table[name], kind) for name in ("work", "other"))
        assert whole == pytest.approx(getattr(table["total"], kind))


def test_a_phase_that_fails_counts() -> None:
    timings = Timings()
    with pytest.raises(ZeroDivisionError), timings.phase("work"):
        raise ZeroDivisionError
    assert "work" in timings.table()
