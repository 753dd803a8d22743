"""One path, two contents: found when the state is built, and then by the conflict policy."""

import json
from pathlib import Path

import pytest

from tests.support.cli import query_pkglayer
from tests.support.rpms import build_rpm
from tests.support.scene import Scene, make_scene

BASE_CLASH = (
    "app cannot be layered on this base: /usr/share/x of app-1-1.noarch has other content in "
    "core-2-1.noarch of the base"
)


def shares(tmp: Path, name: str, text: str, version: str = "1", **relations: list[str]) -> Path:
    """A package that owns /usr/share/x with this text, and a file of its own."""
    files = {"usr/share/x": text, f"usr/share/{name}": version}
    return build_rpm(tmp / "offer", name, version=version, files=files, **relations)  # type: ignore[arg-type]


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    """The base has core-1 without files; the repository has app-1, which owns /usr/share/x."""
    offer = [shares(tmp_path, "app", "app's"), build_rpm(tmp_path / "offer", "free")]
    return make_scene(tmp_path, offer, base_packages=[build_rpm(tmp_path / "base", "core")])


def move_base(scene: Scene, version: str, text: str) -> None:
    """A new base whose core owns /usr/share/x; with no text it does not."""
    files = {"usr/share/x": text} if text else {}
    core = build_rpm(scene.tmp / "base", "core", version=version, files=files)
    scene.update_base(version, packages=[core])


def skipped(scene: Scene) -> dict[str, str]:
    rows = query_pkglayer("status", sysroot=scene.sysroot)["deployments"][0]["skipped"]
    return {row["want"]["spec"]: row["why"] for row in rows}


def test_skip_goes_on_without_and_it_comes_back(scene: Scene) -> None:
    scene.run("install", "app", "free")
    move_base(scene, "2", "core's")
    scene.run("upgrade", "--unattended")
    assert scene.packages == {"core-2-1", "free-1-1"}
    assert skipped(scene) == {"app": BASE_CLASH}
    assert BASE_CLASH in scene.run("why-not", "app").stdout
    assert json.loads(scene.run("reconcile", "--json").stdout)["changed"] is False
    move_base(scene, "3", "")
    scene.run("upgrade", "--unattended")
    assert scene.packages == {"core-3-1", "free-1-1", "app-1-1"}
    assert skipped(scene) == {}


def test_hold_keeps_base_and_layer(scene: Scene) -> None:
    scene.run("install", "app", "--on-conflict", "hold")
    before = scene.next
    move_base(scene, "2", "core's")
    done = scene.run("upgrade", "--unattended")
    assert "No change: the base 2 is held back for app" in done.stdout
    assert "core-2-1.noarch of the base" in done.stdout
    assert scene.next == before


def test_fail_names_all_at_once_with_both_owners(scene: Scene, tmp_path: Path) -> None:
    other = build_rpm(tmp_path / "offer", "other", files={"usr/share/y": "other's"})
    scene.publish(other)
    scene.run("install", "app", "other", "free")
    files = {"usr/share/x": "core's", "usr/share/y": "core's"}
    scene.update_base(
        "2", packages=[build_rpm(tmp_path / "base", "core", version="2", files=files)]
    )
    told = scene.refuse("upgrade", "--attended", "--json", code=7)
    assert "hint: pkglayer upgrade --skip-broken" in told
    done = scene.run("upgrade", "--attended", "--json", check=False)
    error = json.loads(done.stdout)["error"]
    assert {row["spec"]: row["sentence"] for row in error["blockers"]} == {
        "app": BASE_CLASH,
        "other": BASE_CLASH.replace("app", "other").replace("/x", "/y"),
    }
    assert {row["kind"] for row in error["blockers"]} == {"file-conflict"}


def test_of_two_layered_packages_the_fresh_request_fails(scene: Scene, tmp_path: Path) -> None:
    scene.publish(shares(tmp_path, "aaa", "aaa's"))
    scene.run("install", "app")
    told = scene.refuse("install", "aaa", code=7)
    assert (
        "aaa and app cannot be in one layer: /usr/share/x of aaa-1-1.noarch has other content in "
        "app-1-1.noarch"
    ) in told
    scene.run("install", "aaa", "--on-conflict", "skip")
    assert "app-1-1" in scene.packages
    assert list(skipped(scene)) == ["aaa"]


def test_version_that_is_layered_stays_where_the_new_one_clashes(
    scene: Scene, tmp_path: Path
) -> None:
    scene.publish(shares(tmp_path, "mine", "mine's"), build_rpm(tmp_path / "offer", "two"))
    scene.run("install", "mine", "two")
    (scene.repo / "two-1-1.noarch.rpm").unlink()
    scene.publish(shares(tmp_path, "two", "two's", "2"))
    done = scene.run("upgrade", "--refresh", "--unattended", "--json")
    assert {"mine-1-1", "two-1-1"} <= scene.packages
    [row] = json.loads(done.stdout)["fallbacks"]
    assert (row["nevra"], row["how"]) == ("two-1-1.noarch", "cached")
    assert "/usr/share/x of two-2-1.noarch has other content in mine-1-1.noarch" in row["why"]


def test_recommended_package_that_clashes_stays_away(scene: Scene, tmp_path: Path) -> None:
    scene.publish(
        shares(tmp_path, "docs", "docs'"),
        build_rpm(tmp_path / "offer", "book", recommends=["docs"]),
    )
    scene.run("install", "app")
    scene.run("install", "book")
    assert {"app-1-1", "book-1-1"} <= scene.packages
    assert "docs-1-1" not in scene.packages
    assert list(skipped(scene)) == ["docs"]


def test_forecast_that_builds_foretells_it(scene: Scene) -> None:
    scene.run("install", "app", "free")
    move_base(scene, "2", "core's")
    data = json.loads(scene.run("forecast", "--build", "--json").stdout)
    fates = {fate["spec"]: (fate["what"], fate["text"]) for fate in data["fates"]}
    assert fates["app"] == ("skipped", BASE_CLASH)
    assert fates["free"][0] == "unchanged"
    assert len(data["commit"]) == 64


def test_what_was_met_is_not_built_again(scene: Scene) -> None:
    """The clashing package is not even fetched: it is not there any more."""
    scene.run("install", "app", "free")
    move_base(scene, "2", "core's")
    scene.run("upgrade", "--unattended")
    scene.publish(build_rpm(scene.tmp / "offer", "free", version="2"))
    (scene.repo / "app-1-1.noarch.rpm").unlink()
    scene.run("cleanup", "--cache", "--rollback")
    plan = json.loads(scene.run("upgrade", "-n", "--refresh", "--unattended", "--json").stdout)
    assert [(row["want"]["spec"], row["why"]) for row in plan["skipped"]] == [("app", BASE_CLASH)]
    fates = json.loads(scene.run("forecast", "--json").stdout)["fates"]
    assert {f["spec"]: f["what"] for f in fates} == {"app": "skipped", "free": "updated"}
    scene.run("upgrade", "--unattended")
    assert scene.packages == {"core-2-1", "free-2-1"}
    assert skipped(scene) == {"app": BASE_CLASH}
    scene.update_base("3", {"usr/share/note": "with the same core"})
    scene.run("upgrade", "--unattended")
    assert skipped(scene) == {"app": BASE_CLASH}
    scene.run("uninstall", "app")
    assert BASE_CLASH in scene.refuse("install", "app", code=7)


def test_what_was_met_between_two_packages_is_not_built_again(scene: Scene) -> None:
    scene.publish(shares(scene.tmp, "aaa", "aaa's"))
    scene.run("install", "app")
    scene.run("install", "aaa", "--on-conflict", "skip")
    (scene.repo / "aaa-1-1.noarch.rpm").unlink()
    scene.run("cleanup", "--cache")
    scene.run("install", "free")
    assert list(skipped(scene)) == ["aaa"]
    scene.run("uninstall", "app")
    assert list(skipped(scene)) == ["aaa"], "dropping a request tries nothing"


@pytest.mark.parametrize("whose", ["app", "core"])
def test_another_build_of_either_is_tried(scene: Scene, whose: str) -> None:
    """Of the same version, and with the same content as the other one has."""
    scene.run("install", "app", "free")
    move_base(scene, "2", "core's")
    scene.run("upgrade", "--unattended")
    assert list(skipped(scene)) == ["app"]
    if whose == "app":
        scene.publish(shares(scene.tmp, "app", "core's"))
    else:
        core = build_rpm(scene.tmp / "base", "core", version="2", files={"usr/share/x": "app's"})
        scene.update_base("3", packages=[core], erase=["core"])
    scene.run("upgrade", "--refresh", "--unattended")
    assert skipped(scene) == {}
    assert "app-1-1" in scene.packages


@pytest.mark.parametrize("text", ["", "[]", '{"version": 1, "clashes": [{"package": 3}]}'])
def test_a_memory_that_is_lost_is_only_met_again(scene: Scene, text: str) -> None:
    scene.run("install", "app", "free")
    move_base(scene, "2", "core's")
    memory = scene.sysroot / "ostree/deploy/test/var/lib/pkglayer/clashes.json"
    memory.write_text(text)
    scene.run("upgrade", "--unattended")
    assert skipped(scene) == {"app": BASE_CLASH}
    assert json.loads(memory.read_text())["version"] == 1
