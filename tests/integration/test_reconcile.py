"""reconcile: whoever wrote the newest deployment, what was requested is in it afterwards."""

from pathlib import Path

import pytest

from tests.support.cli import query_pkglayer
from tests.support.ostree import run_ostree
from tests.support.rpms import build_rpm
from tests.support.scene import Scene, make_scene
from tests.support.witness import query_rpm

LAYER = "etc/pkglayer/layers.d/mine.toml"
SERVICE = {
    "pre": "getent group svc >/dev/null || groupadd -r svc\n"
    "getent passwd svc >/dev/null || useradd -r -g svc -d / svc"
}


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """`foo` 1, which makes a user, is layered on version 1 of the base."""
    tmp = tmp_path_factory.mktemp("reconcile")
    rpms = [
        build_rpm(tmp, "foo", files={"usr/share/foo": "1"}, scripts=SERVICE),
        build_rpm(tmp, "bar", files={"usr/share/bar": "x"}),
    ]
    scene = make_scene(tmp, rpms)
    scene.run("install", "foo")
    return scene


@pytest.fixture
def scene(original: Scene, tmp_path: Path) -> Scene:
    """A copy for each test."""
    return original.copy_to(tmp_path)


def ostree_upgrade(scene: Scene) -> None:
    run_ostree("admin", "upgrade", f"--sysroot={scene.sysroot}", "--os=test")


def drop_our_group(scene: Scene) -> None:
    """Write the origin of the next boot as an updater does that knows only its own keys."""
    path = scene.next.path
    origin = path.with_name(path.name + ".origin")
    origin.write_text(origin.read_text().partition("[pkglayer]")[0])


def requests(scene: Scene) -> list[str]:
    state = query_pkglayer("status", sysroot=scene.sysroot)["deployments"][0]
    return [r["spec"] for r in state["requests"]]


def test_nothing_to_do_ends_at_once(scene: Scene) -> None:
    before = scene.states
    done = scene.run("reconcile")
    assert (done.stdout, done.stderr) == ("", "")
    assert query_pkglayer("reconcile", sysroot=scene.sysroot) == {"changed": False, "reason": ""}
    assert scene.states == before


def test_after_an_upgrade_by_ostree(scene: Scene) -> None:
    layered = scene.next
    scene.update_base("2", {"usr/share/two": "2"})
    ostree_upgrade(scene)
    bare = scene.next
    assert bare.checksum == scene.base.commit
    done = scene.run("reconcile")
    assert "reconciling: " in done.stderr
    assert scene.packages == {"foo-1-1"}
    assert (scene.next.path / "usr/share/two").exists()
    assert scene.states[1:] == [layered], "the bare base goes, the state before it stays"
    assert scene.run("reconcile").stdout == ""


def test_after_an_updater_that_drops_our_group(scene: Scene) -> None:
    scene.update_base("2")
    ostree_upgrade(scene)
    drop_our_group(scene)
    scene.run("reconcile")
    assert scene.packages == {"foo-1-1"}
    assert requests(scene) == ["foo"]
    assert '"spec": "foo"' in scene.next.origin
    scene.run("install", "bar")
    assert requests(scene) == ["bar", "foo"]


def test_versions_and_ids_stay(scene: Scene) -> None:
    """The base moved, not the packages: what is layered keeps its version, users their ids."""
    passwd = (scene.next.path / "usr/etc/passwd").read_text().splitlines()
    [before] = [line for line in passwd if line.startswith("svc:")]
    scene.publish(build_rpm(scene.tmp, "foo", version="2", scripts=SERVICE))
    other = build_rpm(scene.tmp, "taker", scripts={"pre": "useradd -r taker"})
    scene.update_base("2", packages=[other])
    ostree_upgrade(scene)
    scene.run("reconcile", "--refresh")
    assert "foo-1-1" in scene.packages
    lines = (scene.next.path / "usr/lib/sysusers.d/00-pkglayer.conf").read_text().splitlines()
    uid, gid = before.split(":")[2:4]
    [user] = [line.split() for line in lines if line.startswith("u svc ")]
    assert user[2].split(":")[0] == uid
    # The new base has given the group's number to somebody else: it is the base's, and it is told.
    assert user[2].split(":")[1] != gid
    notes = query_pkglayer("status", sysroot=scene.sysroot)["deployments"][0]["notes"]
    assert f"{gid} now belongs to taker" in [n["why"] for n in notes]
    scene.run("upgrade", "--refresh")
    assert "foo-2-1" in scene.packages


def test_rollback_stays_after_reconciling(scene: Scene) -> None:
    layered = scene.next
    scene.update_base("2")
    ostree_upgrade(scene)
    scene.run("reconcile")
    scene.run("rollback")
    assert scene.next == layered
    assert query_rpm(scene.next.path, "-q", "foo") == ["foo-1-1.noarch"]


def test_declared_layers(scene: Scene) -> None:
    scene.configure('packages = ["bar"]\n', LAYER)
    scene.run("reconcile")
    assert scene.packages == {"foo-1-1", "bar-1-1"}
    assert requests(scene) == ["bar", "foo"]
    scene.configure("", LAYER)
    scene.run("reconcile")
    assert scene.packages == {"foo-1-1"}


def test_layers_shipped_by_a_new_base(scene: Scene) -> None:
    scene.update_base("2", {"usr/lib/pkglayer/layers.d/base.toml": 'packages = ["bar"]\n'})
    ostree_upgrade(scene)
    scene.run("reconcile")
    assert scene.packages == {"foo-1-1", "bar-1-1"}
    state = query_pkglayer("status", sysroot=scene.sysroot)["deployments"][0]
    assert {r["spec"]: r["source"] for r in state["requests"]} == {
        "bar": "layer:base", "foo": "command",
    }  # fmt: skip
    scene.configure("", "etc/pkglayer/layers.d/base.toml")
    scene.run("layer", "apply")
    assert scene.packages == {"foo-1-1"}


def test_bare_base_without_requests_stays(scene: Scene) -> None:
    scene.run("uninstall", "--all")
    scene.update_base("2")
    ostree_upgrade(scene)
    before = scene.states
    assert scene.run("reconcile").stdout == ""
    assert scene.states == before


def test_what_the_new_base_excludes_is_skipped_and_comes_back(scene: Scene) -> None:
    scene.run("install", "bar")
    scene.update_base("2", packages=[build_rpm(scene.tmp, "hater", conflicts=["bar"])])
    ostree_upgrade(scene)
    scene.run("reconcile")
    assert scene.packages == {"foo-1-1", "hater-1-1"}
    assert requests(scene) == ["bar", "foo"]
    [skipped] = query_pkglayer("status", sysroot=scene.sysroot)["deployments"][0]["skipped"]
    assert skipped["want"]["spec"] == "bar"
    assert "conflicts with hater-1-1.noarch of the base" in skipped["why"]
    scene.update_base("3", erase=["hater"])
    ostree_upgrade(scene)
    scene.run("reconcile")
    assert scene.packages == {"foo-1-1", "bar-1-1"}


def test_dry_run(scene: Scene) -> None:
    scene.update_base("2")
    ostree_upgrade(scene)
    before = scene.states
    assert "foo-1-1.noarch" in scene.run("reconcile", "-n").stdout
    assert scene.states == before
