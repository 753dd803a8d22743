"""A short stretch of the simulated year: what each policy promises holds on every day of it."""

from pathlib import Path

import pytest

from pkglayer.model.request import FAIL, HOLD, SKIP
from tests.sim.__main__ import picture, table
from tests.sim.policies import PEERS, follow
from tests.sim.year import make_year


@pytest.mark.parametrize("seed", [4, 11])
def test_skip_never_blocks_and_hold_never_misses(tmp_path: Path, seed: int) -> None:
    tallies = {t.policy: t for t in follow(make_year(50, seed), tmp_path)}
    figures = {name: t.figures() for name, t in tallies.items()}
    assert set(figures) == {SKIP, HOLD, FAIL, PEERS}
    assert figures[SKIP]["blocked_days"] == 0
    assert figures[SKIP]["mean_base_age_days"] == 0
    # Every skipped request is back on the first day that it fits.
    assert figures[SKIP]["late_return_days"] == 0
    assert figures[HOLD]["missing_request_days"] == 0
    # The year is hard enough to tell the policies apart, and the cache helps.
    assert figures[SKIP]["missing_request_days"] > 0
    assert 0 < figures[HOLD]["blocked_days"] <= figures[PEERS]["blocked_days"]
    assert all(name in table(list(tallies.values())) for name in figures)
    assert picture(list(tallies.values())).count("<polyline") == 8


def test_the_same_seed_gives_the_same_year() -> None:
    assert list(make_year(30, 1)) == list(make_year(30, 1)) != list(make_year(30, 2))
