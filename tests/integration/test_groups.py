"""Groups and environments as one request, whose members are read again at each upgrade."""

from pathlib import Path

import pytest

from tests.support.repos import make_repo, repo_file
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


def _with_environment(tmp: Path) -> Scene:
    names = ("one", "two", "three", "four")
    comps = {"tools": ["one", "two"], "more": ["three"], "^desk": ["tools", "more", "lost"]}
    return make_scene(tmp, [build_rpm(tmp / "offer", n) for n in names], comps=comps)


@pytest.mark.parametrize("spec", ["@^desk", "@desk", "@Desk"])
def test_an_environment_is_one_request(tmp_path: Path, spec: str) -> None:
    scene = _with_environment(tmp_path)
    scene.run("install", spec)
    assert scene.packages == {"one-1-1", "two-1-1", "three-1-1"}
    shown = scene.run("status").stdout
    assert f"Requested   {spec} (by command)" in shown
    assert f"@lost: {spec} names it, no repository has it" in shown
    scene.run("uninstall", spec)
    assert scene.packages == set()


def test_an_environments_groups_are_read_again_at_upgrade_only(tmp_path: Path) -> None:
    scene = _with_environment(tmp_path)
    scene.run("install", "@^desk")
    changed = {"tools": ["two", "four"], "more": ["three"], "^desk": ["tools"]}
    make_repo(scene.repo, (), comps=changed)
    scene.run("install", "four", "--refresh")
    assert scene.packages == {"one-1-1", "two-1-1", "three-1-1", "four-1-1"}
    scene.run("uninstall", "four")
    scene.run("upgrade", "--refresh")
    assert scene.packages == {"two-1-1", "four-1-1"}
    assert "@lost" not in scene.run("status").stdout


def test_an_environment_may_name_groups_of_another_repository(tmp_path: Path) -> None:
    scene = _with_environment(tmp_path)
    extra = build_rpm(tmp_path / "offer", "extra")
    other = make_repo(tmp_path / "other", [extra], comps={"lost": ["extra"], "tools": ["extra"]})
    scene.configure(repo_file("other", other), "etc/yum.repos.d/other.repo")
    scene.run("install", "@^desk", "--refresh")
    assert scene.packages == {"one-1-1", "two-1-1", "three-1-1", "extra-1-1"}


def test_an_environment_that_is_gone_is_told_and_the_state_stays(tmp_path: Path) -> None:
    scene = _with_environment(tmp_path)
    scene.run("install", "@^desk")
    make_repo(scene.repo, (), comps={"tools": ["one"], "^desktop": ["tools"]})
    said = scene.refuse("upgrade", "--refresh", "--attended", code=3)
    assert "no repository has a group '@^desk' (did you mean @^desktop?)" in said


def test_a_layer_can_name_an_environment(tmp_path: Path) -> None:
    scene = _with_environment(tmp_path)
    scene.configure('packages = ["@^desk"]', "etc/pkglayer/layers.d/desk.toml")
    scene.run("layer", "apply")
    assert scene.packages == {"one-1-1", "two-1-1", "three-1-1"}
