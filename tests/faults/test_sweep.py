"""A sample of the sweep in every test run; `make sweep` strikes at each point."""

import errno
import json
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.faults.points import Strike, run_struck
from tests.faults.powercut import sweep_scene
from tests.faults.scenes import SCENES, Scene, build_scene, build_stage
from tests.faults.snapshot import read_state
from tests.faults.sweep import (
    count_points,
    every_fault,
    every_signal,
    every_strike,
    find_points,
    strike_all,
)
from tests.support.cli import query_pkglayer

Strikes = Callable[[int, int, int], Iterable[Strike]]
Played = Callable[[str], tuple[Scene, int]]


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Played:
    """Builds a scene and counts its points, once for all tests; the strikes put it back."""
    directory = tmp_path_factory.mktemp("scenes")
    stage = build_stage(directory / "stage")

    @cache
    def build(name: str) -> tuple[Scene, int]:
        scene = build_scene(name, directory / name, stage)
        return scene, count_points(scene)

    return build


def sample(played: tuple[Scene, int], strikes: Strikes, number: int, start: int) -> None:
    """Strike at about `number` points spread over the whole run."""
    scene, points = played
    sweep = strike_all(scene, strikes(points, max(1, points // number), start))
    assert sweep.points > 0
    assert sweep.failures == []


@pytest.mark.parametrize("name", sorted(SCENES))
def test_killed(played: Played, name: str) -> None:
    sample(played(name), every_strike, 3, 7)


@pytest.mark.parametrize("name", ["install", "upgrade"])
def test_a_call_fails(played: Played, name: str) -> None:
    sample(played(name), every_fault, 1, 300)


@pytest.mark.parametrize("name", ["install", "rollback"])
def test_what_fails_after_the_change_is_only_told(played: Played, name: str) -> None:
    """libostree cleans up within the call that puts the new state in place."""
    scene, _ = played(name)
    strikes = [Strike(at, -errno.EIO) for at in find_points(scene, "deploy/test/current")]
    assert strikes
    assert strike_all(scene, strikes).failures == []
    scene.restore()
    done = run_struck((*scene.words, "--json"), scene.sysroot, strikes[0])
    assert (done.exit_code, read_state(scene.sysroot)) == (0, scene.new)
    assert "WARNING: the change is made, but what came after it failed" in done.errors
    assert json.loads(done.output)
    [entry, *_] = query_pkglayer("history", sysroot=scene.sysroot)["entries"]
    assert entry["outcome"] == "done"


def test_a_choice_is_kept_where_its_first_write_fails(played: Played) -> None:
    """Going back to a bare base does not wait for it, and does not forget it."""
    scene, _ = played("rollback")
    strikes = [Strike(at, -errno.EIO) for at in find_points(scene, "chosen.json")]
    assert strikes
    assert strike_all(scene, strikes).failures == []


@pytest.mark.parametrize("name", ["install"])
def test_interrupted(played: Played, name: str) -> None:
    sample(played(name), every_signal, 1, 700)


def test_the_counter_sees_what_a_run_does(played: Played) -> None:
    """Were it blind, the sweep would pass without having looked."""
    scene, points = played("install")
    scene.restore()
    assert points > 300
    assert points > 30 * run_struck(("status",), scene.sysroot, Strike()).points


needs_fuse = pytest.mark.skipif(not Path("/dev/fuse").exists(), reason="disks are served by FUSE")


@pytest.fixture(scope="module")
def cuts() -> Iterator[dict[str, Future[dict[str, Any]]]]:
    """What power cuts left of an install, by how it was played; as many at once as can run."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        yield {
            "plain": pool.submit(sweep_scene, "install", 80),
            "booted": pool.submit(sweep_scene, "install", 80, "booted"),
            "unsynced": pool.submit(sweep_scene, "install", 6, "unsynced"),
        }


@needs_fuse
@pytest.mark.parametrize("name", ["plain", "booted"])
def test_power_cuts(cuts: dict[str, Future[dict[str, Any]]], name: str) -> None:
    found = cuts[name].result()
    assert found["cuts"] > 1
    assert found["failures"] == []


@needs_fuse
def test_a_cut_shows_what_was_not_synced(cuts: dict[str, Future[dict[str, Any]]]) -> None:
    """Were the disk to keep what was never flushed, any program would pass."""
    assert cuts["unsynced"].result()["failures"] != []
