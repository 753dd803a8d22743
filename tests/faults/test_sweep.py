"""A sample of the sweep in every test run; `make sweep` strikes at each point."""

from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from tests.faults.points import Strike, run_struck
from tests.faults.scenes import SCENES, Scene, build_scene
from tests.faults.sweep import count_points, every_fault, every_signal, every_strike, strike_all

Strikes = Callable[[int, int, int], Iterable[Strike]]


def sample(scene: Scene, strikes: Strikes, number: int, start: int) -> None:
    """Strike at about `number` points spread over the whole run."""
    points = count_points(scene)
    sweep = strike_all(scene, strikes(points, max(1, points // number), start))
    assert sweep.points > 0
    assert sweep.failures == []


@pytest.mark.parametrize("name", sorted(SCENES))
def test_killed(tmp_path: Path, name: str) -> None:
    sample(build_scene(name, tmp_path), every_strike, 3, 7)


@pytest.mark.parametrize("name", ["install", "upgrade"])
def test_a_call_fails(tmp_path: Path, name: str) -> None:
    sample(build_scene(name, tmp_path), every_fault, 1, 300)


@pytest.mark.parametrize("name", ["install"])
def test_interrupted(tmp_path: Path, name: str) -> None:
    sample(build_scene(name, tmp_path), every_signal, 1, 700)


def test_the_counter_sees_what_a_run_does(tmp_path: Path) -> None:
    """Were it blind, the sweep would pass without having looked."""
    scene = build_scene("install", tmp_path)
    done = run_struck(scene.words, scene.sysroot, Strike())
    assert done.exit_code == 0
    assert done.points > 300
    assert done.points > 30 * run_struck(("status",), scene.sysroot, Strike()).points
