"""Bases that change under a layer, or go away: rows 31 to 34 of the list of faults."""


import pytest

from tests.support.cli import query_pkglayer
from tests.support.ostree import run_ostree
from tests.support.rpms import build_rpm
from tests.support.scene import Scene, make_scene
from tests.support.witness import query_rpm


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """The base has lib-2; `app` needs it, `foo` needs nothing; both are layered."""
    tmp = tmp_path_factory.mktemp("bases")
    rpms = [
        build_rpm(tmp, "app", requires=["lib >= 2"], files={"usr/share/app": "x"}),
        build_rpm(tmp, "foo", files={"usr/share/foo": "x"}),
    ]
    lib = build_rpm(tmp, "lib", version="2", files={"usr/share/lib": "2"})
    scene = make_scene(tmp, rpms, base_packages=[lib])
    scene.run("install", "app", "foo")
    return scene


def rows(scene: Scene, key: str) -> dict[str, str]:
    """What of the next boot is inactive or skipped: spec and reason."""
    found = query_pkglayer("status", sysroot=scene.sysroot)["deployments"][0][key]
    return {row["want"]["spec"]: row.get("why") or row["provider"] for row in found}


def test_the_base_has_the_package_now(scene: Scene) -> None:
    scene.update_base("2", packages=[build_rpm(scene.tmp, "foo", version="5")])
    scene.run("upgrade")
    assert rows(scene, "inactive") == {"foo": "foo-5-1.noarch"}
    assert "Inactive" in scene.run("status").stdout
    scene.update_base("3", erase=["foo"])
    scene.run("upgrade")
    assert rows(scene, "inactive") == {}
    assert "foo-1-1" in scene.packages


def test_the_base_obsoletes_the_package(scene: Scene) -> None:
    newer = build_rpm(scene.tmp, "bar", version="5", obsoletes=["foo < 9"], provides=["foo = 5"])
    scene.update_base("2", packages=[newer])
    scene.run("upgrade")
    gone = rows(scene, "inactive") | rows(scene, "skipped")
    assert gone["foo"]
    assert "foo-1-1" not in scene.packages
    scene.update_base("3", erase=["bar"])
    scene.run("upgrade")
    assert rows(scene, "inactive") | rows(scene, "skipped") == {}
    assert "foo-1-1" in scene.packages


@pytest.mark.parametrize("lost", ["a lower version", "gone"])
def test_the_base_lost_what_a_request_needs(scene: Scene, lost: str) -> None:
    if lost == "gone":
        scene.run("uninstall", "app")  # or rpm would not let it go from the base
        scene.update_base("2", erase=["lib"])
        scene.run("install", "app")
    else:
        scene.update_base("2", packages=[build_rpm(scene.tmp, "lib", version="1")])
    message = scene.refuse("upgrade", "--attended", code=3)
    assert "app-1-1.noarch needs lib >= 2" in message
    assert "pkglayer uninstall app" in message
    scene.run("upgrade", "--unattended")
    assert "needs lib >= 2" in rows(scene, "skipped")["app"]
    assert "foo-1-1" in scene.packages
    assert "app-1-1" not in scene.packages
    scene.update_base("3", packages=[build_rpm(scene.tmp, "lib", version="3")])
    scene.run("upgrade")
    assert rows(scene, "skipped") == {}
    assert "app-1-1" in scene.packages


def test_the_branch_is_gone_from_the_remote(scene: Scene) -> None:
    before = scene.next
    run_ostree("refs", f"--repo={scene.base.repo}", "--delete", scene.base.ref)
    message = scene.refuse("upgrade", code=4)
    assert scene.base.ref in message
    assert "hint: " in message
    assert scene.next == before
    scene.run("uninstall", "app")
    assert "foo-1-1" in scene.packages


def test_the_remote_is_gone(scene: Scene) -> None:
    repo = f"--repo={scene.sysroot}/ostree/repo"
    run_ostree("remote", "delete", repo, "origin")
    message = scene.refuse("upgrade", code=2)
    assert "there is no remote 'origin'" in message
    assert "ostree remote add origin" in message
    scene.run("uninstall", "app")
    assert "foo-1-1" in scene.packages


def test_cleaning_up_keeps_what_is_kept(scene: Scene) -> None:
    """A pinned state, the next boot, and all that they need; whatever is asked to go."""
    scene.run("pin", "0")
    pinned = scene.next
    for words in (["uninstall", "app"], ["uninstall", "foo"]):
        scene.run(*words)
    scene.run("cleanup", "--pending", "--rollback", "--cache", "--metadata")
    assert pinned in scene.states
    assert query_rpm(pinned.path, "-V", "app", "foo", "lib", "--nomtime") == []
    scene.run("cleanup", "--rollback")
    assert pinned in scene.states
    assert len(scene.states) >= 1
