"""Groups and environments as one request, whose members are read again at each upgrade."""

from pathlib import Path

from tests.support.repos import make_repo
from tests.support.rpms import build_rpm
from tests.support.scene import Scene, make_scene


def _scene(tmp: Path) -> Scene:
    rpms = [build_rpm(tmp / "offer", name) for name in ("one", "two", "three")]
    return make_scene(tmp, rpms, comps={"tools": ["one", "two"]})


def test_a_group_is_one_request(tmp_path: Path) -> None:
    scene = _scene(tmp_path)
    scene.run("install", "@tools")
    assert scene.packages == {"one-1-1", "two-1-1"}
    assert "Requested   @tools (by command)" in scene.run("status").stdout
    scene.run("uninstall", "@tools")
    assert scene.packages == set()


def test_members_are_read_again_at_upgrade_only(tmp_path: Path) -> None:
    scene = _scene(tmp_path)
    scene.run("install", "@tools")
    make_repo(scene.repo, (), comps={"tools": ["one", "three"]})
    scene.run("install", "three", "--refresh")
    assert scene.packages == {"one-1-1", "two-1-1", "three-1-1"}
    scene.run("uninstall", "three")
    scene.run("upgrade", "--refresh")
    assert scene.packages == {"one-1-1", "three-1-1"}


def test_an_unknown_group_names_those_there_are(tmp_path: Path) -> None:
    scene = _scene(tmp_path)
    said = scene.refuse("install", "@tool", code=3)
    assert "no repository has a group '@tool'" in said
    assert "@tools" in said
