"""rollback and pins: going back and forth between states, requests going along."""

from pathlib import Path

import pytest

from tests.support.cli import query_pkglayer
from tests.support.ostree import make_base, make_sysroot, run_ostree
from tests.support.rpms import build_rpm
from tests.support.scene import Scene, make_scene


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """`foo` and `bar` can be had; nothing is layered yet."""
    tmp = tmp_path_factory.mktemp("rollback")
    rpms = [build_rpm(tmp, name, files={f"usr/share/{name}": "x"}) for name in ("foo", "bar")]
    return make_scene(tmp, rpms)


@pytest.fixture
def scene(original: Scene, tmp_path: Path) -> Scene:
    """A copy for each test."""
    return original.copy_to(tmp_path)


def next_boot_entry(scene: Scene) -> str:
    """The deployment that the first boot loader entry starts."""
    entries = sorted((scene.sysroot / "boot/loader/entries").glob("*.conf"))
    [line] = [x for x in entries[-1].read_text().splitlines() if x.startswith("options ")]
    [link] = [w for w in line.split() if w.startswith("ostree=")]
    return (scene.sysroot / link.removeprefix("ostree=/")).resolve().name


def test_back_and_forth(scene: Scene) -> None:
    scene.run("install", "foo")
    layered, bare = scene.states
    scene.run("rollback")
    assert scene.states == [bare, layered]
    assert next_boot_entry(scene) == bare.path.name
    assert scene.packages == set()
    scene.run("rollback")
    assert scene.states == [layered, bare]
    assert next_boot_entry(scene) == layered.path.name


def test_back_to_the_bare_base_is_meant_so(scene: Scene) -> None:
    """Its origin is older than all requests and says nothing of them."""
    scene.run("install", "foo")
    scene.run("rollback")
    assert "reconcile" not in scene.run("status").stdout
    scene.run("reconcile")
    assert scene.packages == set()
    scene.update_base("2")
    run_ostree("admin", "upgrade", f"--sysroot={scene.sysroot}", "--os=test")
    scene.run("reconcile")
    assert scene.packages == set()
    scene.run("install", "bar")
    assert scene.packages == {"bar-1-1"}


def test_requests_go_with_the_state(scene: Scene) -> None:
    scene.run("install", "foo")
    scene.run("install", "bar")
    scene.run("rollback")
    assert scene.packages == {"foo-1-1"}
    scene.update_base("2")
    scene.run("upgrade")
    assert scene.packages == {"foo-1-1"}


def test_dropping_the_next_boot_drops_its_requests(scene: Scene) -> None:
    scene.run("install", "foo")
    scene.run("install", "bar")
    scene.run("cleanup", "--pending")
    [state] = scene.states
    assert scene.packages == {"foo-1-1"}
    status = query_pkglayer("status", sysroot=scene.sysroot)["deployments"]
    assert [r["spec"] for r in status[0]["requests"]] == ["foo"]
    assert next_boot_entry(scene) == state.path.name


def test_nothing_to_go_back_to(scene: Scene) -> None:
    assert "there is no state to roll back to" in scene.refuse("rollback", code=11)


def test_dry_run(scene: Scene) -> None:
    scene.run("install", "foo")
    before = scene.states
    done = scene.run("rollback", "--dry-run")
    assert f"would be {before[1].checksum[:12]}" in done.stdout
    assert scene.states == before


def test_pinned_state_outlives_changes(scene: Scene) -> None:
    scene.run("install", "foo")
    kept = scene.next
    scene.run("pin", "0")
    for spec in ("bar",):
        scene.run("install", spec)
    scene.run("uninstall", "bar")
    scene.run("install", "bar")
    assert kept in scene.states
    scene.run("cleanup", "--rollback", "--pending")
    assert kept in scene.states
    index = scene.states.index(kept)
    assert "pinned" in scene.run("status").stdout
    scene.run("unpin", str(index))
    assert query_pkglayer("status", sysroot=scene.sysroot)["deployments"][index]["pinned"] is False
    assert "there is no state '9'" in scene.refuse("pin", "9", code=2)


def test_other_stateroots_are_left_alone(scene: Scene, tmp_path: Path) -> None:
    sysroot = f"--sysroot={scene.sysroot}"
    run_ostree("admin", "os-init", sysroot, "other")
    run_ostree("admin", "deploy", sysroot, "--os=other", "origin:test/base")
    message = scene.refuse("install", "foo", code=2)
    assert "several stateroots: other, test" in message
    assert "--stateroot" in message
    [theirs] = [s for s in scene.states if s.stateroot == "other"]
    scene.run("install", "foo", "--stateroot", "test")
    scene.run("rollback", "--stateroot", "test")
    scene.run("cleanup", "-r", "--stateroot", "test")
    assert theirs in scene.states
    assert "no stateroot" in scene.refuse("status", "--stateroot", "none", code=2)


def test_sysroot_without_any_deployment(tmp_path: Path) -> None:
    base = make_base(tmp_path)
    sysroot = make_sysroot(tmp_path, base)
    run_ostree("admin", "undeploy", f"--sysroot={sysroot}", "0")
    scene = Scene(tmp_path, tmp_path, base, sysroot)
    assert "there is no state to roll back to" in scene.refuse("rollback", code=11)
    assert "has no deployment" in scene.refuse("install", "foo", code=11)
