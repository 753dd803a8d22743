"""Requirements that are paths which only file lists name, through the verbs."""

from pathlib import Path

import pytest

from tests.support.cli import query_pkglayer
from tests.support.rpms import build_rpm
from tests.support.scene import Scene, make_scene

NEED = "/usr/share/data/x"


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    """The repository has app-1 and data, which owns a path outside primary metadata."""
    data = build_rpm(tmp_path, "data", files={"usr/share/data/x": "x"})
    return make_scene(tmp_path, [build_rpm(tmp_path, "app"), data])


def test_upgrade_finds_the_path_before_it_would_skip(scene: Scene) -> None:
    scene.run("install", "app")
    scene.publish(build_rpm(scene.tmp, "app", version="2", requires=[NEED]))
    scene.run("upgrade", "--refresh", "--unattended")
    assert scene.packages == {"app-2-1", "data-1-1"}
    [state, *_] = query_pkglayer("status", sysroot=scene.sysroot)["deployments"]
    assert state["skipped"] == []
    assert scene.run("why", "data").stdout == (
        "data-1-1.noarch came along for app, requested by command: app-2-1.noarch needs "
        "data-1-1.noarch.\n"
    )


def test_what_is_layered_meets_it_without_the_repository(scene: Scene) -> None:
    scene.publish(build_rpm(scene.tmp, "tool", requires=[NEED]))
    scene.run("install", "app", "tool")
    (scene.repo / "repodata/repomd.xml").unlink()
    scene.run("uninstall", "app")
    assert scene.packages == {"tool-1-1", "data-1-1"}


def test_path_that_nobody_has_names_the_request(scene: Scene) -> None:
    scene.publish(build_rpm(scene.tmp, "tool", requires=["/usr/share/nothing"]))
    told = scene.refuse("install", "tool", code=3)
    assert "tool-1-1.noarch needs /usr/share/nothing; no repository in sight offers it" in told
