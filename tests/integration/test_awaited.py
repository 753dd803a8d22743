"""A staged state that no shutdown put in place: the next start says so, and how to go on."""

from pathlib import Path

import pytest

from tests.support.booted import run_booted
from tests.support.cli import query_pkglayer, run_pkglayer
from tests.support.rpms import build_rpm
from tests.support.scene import Scene, make_scene
from tests.support.witness import deployments

CUT = "rm /run/ostree/staged-deployment"
"""What a power cut does to a staged deployment: libostree knows of it below /run alone."""


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return make_scene(tmp_path, [build_rpm(tmp_path, "foo", files={"usr/share/foo": "x"})])


def notices(scene: Scene) -> list[str]:
    found: list[str] = query_pkglayer("status", sysroot=scene.sysroot)["notices"]
    return found


def test_a_state_lost_in_a_power_cut_is_told(scene: Scene) -> None:
    before = deployments(scene.sysroot)
    done = run_booted(scene.sysroot, f"pkglayer install foo; pkglayer status --json; {CUT}")
    assert '"notices": []' in done.stdout
    assert deployments(scene.sysroot) == before
    [told] = notices(scene)
    assert "was not put in place" in told
    assert told.endswith("To ask for it again: pkglayer install foo")
    again = run_booted(scene.sysroot, "pkglayer status; pkglayer reconcile")
    assert again.stdout.count("was not put in place") == 1
    assert again.stderr.count("was not put in place") == 1


def test_it_is_told_until_the_next_change(scene: Scene) -> None:
    run_booted(scene.sysroot, f"pkglayer install foo; {CUT}")
    assert notices(scene)
    run_booted(scene.sysroot, "pkglayer install foo; pkglayer status | grep staged")
    assert notices(scene) == []
    assert len(deployments(scene.sysroot)) == 2


@pytest.mark.parametrize(
    "script",
    [
        "pkglayer install foo",
        "pkglayer install foo; pkglayer cleanup --pending",
        f"pkglayer install foo; {CUT}; pkglayer install foo",
    ],
)
def test_nothing_is_told_where_nothing_was_lost(scene: Scene, script: str) -> None:
    run_booted(scene.sysroot, script)
    assert notices(scene) == []


def test_uninstalling_is_told_apart_from_the_base_that_was_there(scene: Scene) -> None:
    run_pkglayer("install", "foo", sysroot=scene.sysroot)
    run_booted(scene.sysroot, f"pkglayer uninstall foo; {CUT}")
    [told] = notices(scene)
    assert told.endswith("To ask for it again: pkglayer uninstall foo")


@pytest.mark.parametrize("text", ["", "{", "[]", '{"commit": 1}'])
def test_a_damaged_note_stops_nothing(scene: Scene, text: str) -> None:
    run_booted(scene.sysroot, f"pkglayer install foo; {CUT}")
    (scene.sysroot / "ostree/deploy/test/var/lib/pkglayer/awaited.json").write_text(text)
    assert notices(scene) == []


def test_what_a_killed_run_left_of_a_note_goes_with_the_next_run(scene: Scene) -> None:
    directory = scene.sysroot / "ostree/deploy/test/var/lib/pkglayer"
    directory.mkdir(parents=True)
    (directory / ".awaited.json-abcdefgh.new").write_text("{")
    run_pkglayer("install", "foo", sysroot=scene.sysroot)
    assert sorted(p.name for p in directory.iterdir()) == ["history.sqlite"]
