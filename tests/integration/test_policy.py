"""The conflict policy end to end: skip, hold, fail, coming back, dead repositories, pins."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.cli import query_pkglayer
from tests.support.ostree import commit_base_update, make_base, make_sysroot
from tests.support.repos import make_repo, repo_file
from tests.support.rpms import build_rpm
from tests.support.scene import Scene

STATE = "ostree/deploy/test/var/lib/pkglayer"


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    """A base with lib-1; the repository has app-1, which needs that lib, and free-1."""
    rpms = tmp_path / "rpms"
    repo = make_repo(
        tmp_path / "repo",
        [build_rpm(rpms, "app", requires=["lib = 1"]), build_rpm(rpms, "free")],
    )
    files = {"etc/yum.repos.d/test.repo": repo_file("test", repo)}
    base = make_base(tmp_path, files, [build_rpm(rpms, "lib")])
    return Scene(tmp_path, repo, base, make_sysroot(tmp_path, base))


def move_base(scene: Scene, version: str) -> Scene:
    """The branch gets a new base with another lib."""
    lib = build_rpm(scene.tmp / "rpms", "lib", version=version)
    return replace(scene, base=commit_base_update(scene.base, version, packages=[lib]))


def status(scene: Scene) -> dict[str, object]:
    data: dict[str, object] = query_pkglayer("status", sysroot=scene.sysroot)
    return data


def notices(scene: Scene) -> str:
    return "\n".join(map(str, status(scene)["notices"]))  # type: ignore[call-overload]


def test_skipped_is_recorded_and_comes_back_by_itself(scene: Scene) -> None:
    scene.run("install", "app", "free")
    scene = move_base(scene, "2")
    scene.run("upgrade", "--refresh")
    assert scene.packages == {"lib-2-1", "free-1-1"}
    [skip] = query_pkglayer("status", sysroot=scene.sysroot)["deployments"][0]["skipped"]
    assert skip["want"]["spec"] == "app"
    assert "app-1-1.noarch needs lib = 1; the base has lib-2-1.noarch" in skip["why"]
    assert "Skipped since " in notices(scene)
    # Nothing new: nothing is built, whatever words the reason would have today.
    assert json.loads(scene.run("reconcile", "--json").stdout)["changed"] is False
    scene.publish(build_rpm(scene.tmp / "rpms", "app", version="2", requires=["lib = 2"]))
    scene.run("reconcile", "--refresh")
    assert scene.packages == {"lib-2-1", "free-1-1", "app-2-1"}
    assert "Skipped since " not in notices(scene)


def test_hold_keeps_base_and_layer_and_gets_loud(scene: Scene) -> None:
    scene.run("install", "app", "--on-conflict", "hold")
    before = scene.next
    scene = move_base(scene, "2")
    done = scene.run("upgrade")
    assert "No change: the base 2 is held back for app" in done.stdout
    assert scene.next == before
    assert "The base is held back since " in notices(scene)
    path = scene.sysroot / STATE / "standing.json"
    data = json.loads(path.read_text())
    data["hold"]["since"] -= 8 * 86400
    path.write_text(json.dumps(data))
    loud = scene.run("upgrade", check=False)
    assert loud.returncode == 15
    assert "for longer than max-hold allows" in loud.stderr
    assert "WARNING: longer than the 7 days" in notices(scene)
    scene.run("upgrade", "--skip-broken")
    assert scene.packages == {"lib-2-1"}
    assert "held back" not in notices(scene)


def test_all_blockers_are_told_at_once_with_ways_out(scene: Scene) -> None:
    scene.publish(build_rpm(scene.tmp / "rpms", "tool", requires=["lib < 2"]))
    scene.run("install", "app", "tool", "free")
    scene = move_base(scene, "2")
    data = json.loads(scene.run("upgrade", "--attended", "--json", check=False).stdout)["error"]
    rows = {row["spec"]: row for row in data["blockers"]}
    assert set(rows) == {"app", "tool"}
    assert rows["tool"]["needs"] == "lib < 2"
    assert rows["tool"]["base"] == ["lib-2-1.noarch"]
    commands = [way["command"] for way in rows["app"]["ways"]]
    assert commands[-2:] == ["pkglayer upgrade --skip-broken", "pkglayer uninstall app"]


def test_what_is_asked_for_now_fails_though_others_are_skipped(scene: Scene) -> None:
    scene.run("install", "app")
    scene = move_base(scene, "2")
    scene.run("upgrade", "--refresh")
    assert scene.run("install", "nothing", check=False).returncode == 3
    scene.run("install", "free")
    assert "free-1-1" in scene.packages
    scene.run("install", "later", "--on-conflict", "skip")
    scene.publish(build_rpm(scene.tmp / "rpms", "later"))
    scene.run("reconcile", "--refresh")
    assert "later-1-1" in scene.packages


def test_cached_version_is_used_and_named(scene: Scene) -> None:
    """The newest does not fit, the one that did has left the repository."""
    scene.run("install", "app")
    (scene.repo / "app-1-1.noarch.rpm").unlink()
    scene.publish(build_rpm(scene.tmp / "rpms", "app", version="2", requires=["lib = 9"]))
    [fate] = json.loads(scene.run("forecast", "--refresh", "--json").stdout)["fates"]
    assert (fate["what"], fate["text"].partition(":")[0]) == (
        "unchanged",
        "app-1-1.noarch is the version that was layered already, from the import cache",
    )
    [row] = json.loads(scene.run("upgrade", "--refresh", "--json").stdout)["fallbacks"]
    assert row["nevra"] == "app-1-1.noarch"
    assert row["how"] == "cached"
    assert "app-2-1.noarch needs lib = 9" in row["why"]
    assert row["requests"] == ["app"]
    said = "app-1-1.noarch is the version that was layered already, from the import cache: app-2"
    assert said in notices(scene)
    assert said in scene.run("history").stdout
    scene.run("install", "free")
    assert said in notices(scene), "what was not chosen anew still has its reason"
    scene.run("uninstall", "app")
    assert said not in notices(scene)


def test_dead_repository_keeps_what_is_layered(scene: Scene) -> None:
    scene.run("install", "free")
    shutil.rmtree(scene.repo)
    base = commit_base_update(scene.base, "2")
    scene = replace(scene, base=base)
    [row] = json.loads(scene.run("upgrade", "--refresh", "--json").stdout)["fallbacks"]
    assert (row["nevra"], row["how"]) == ("free-1-1.noarch", "stale")
    scene.run("uninstall", "free")
    assert scene.packages == {"lib-1-1"}


@pytest.mark.parametrize(
    ("install", "pinned"),
    [
        (lambda s: s.run("install", "free = 1*"), True),
        (lambda s: (s.run("install", "free"), s.run("pin-version", "free")), True),
        (lambda s: (s.run("install", "free"), s.run("pin-version", "free", "2*")), False),
    ],
    ids=["constraint", "pin as layered", "pin at a glob"],
)
def test_versions_stay_where_they_are_pinned(
    scene: Scene, install: Callable[[Scene], object], pinned: bool
) -> None:
    two = build_rpm(scene.tmp / "rpms", "free", version="2")
    if not pinned:
        scene.publish(two)
    install(scene)
    scene.publish(two, build_rpm(scene.tmp / "rpms", "free", version="3"))
    scene.run("upgrade", "--refresh")
    assert ("free-1-1" if pinned else "free-2-1") in scene.packages


def test_forecast_tells_it_without_pulling_and_status_shows_it(scene: Scene) -> None:
    scene.run("install", "app", "free")
    before = scene.next
    scene = move_base(scene, "2")
    done = scene.run("forecast", "--watch-exit-code", "--json", check=False)
    assert done.returncode == 20
    data = json.loads(done.stdout)
    fates = {fate["spec"]: fate["what"] for fate in data["fates"]}
    assert fates == {"app": "skipped", "free": "unchanged"}
    assert data["space"]["fits"] is True
    assert scene.next == before
    assert "app would be skipped" in notices(scene)
    built = json.loads(scene.run("forecast", "--build", "--json").stdout)
    assert len(built["commit"]) == 64
    assert scene.next == before


def test_why_and_why_not(scene: Scene) -> None:
    scene.publish(build_rpm(scene.tmp / "rpms", "top", requires=["middle"]),
                  build_rpm(scene.tmp / "rpms", "middle", requires=["free"]))  # fmt: skip
    scene.run("install", "top")
    [row] = query_pkglayer("why", "free", "0", sysroot=scene.sysroot)["packages"]
    assert row["chain"] == ["top-1-1.noarch", "middle-1-1.noarch", "free-1-1.noarch"]
    assert row["sentence"] == (
        "free-1-1.noarch came along for top, requested by command: top-1-1.noarch needs "
        "middle-1-1.noarch, which needs free-1-1.noarch."
    )
    assert scene.run("why", "top").stdout == "top-1-1.noarch was requested by command.\n"
    assert scene.run("why", "lib", "0").stdout == "lib-1-1.noarch is a package of the base.\n"
    assert "Nothing: pkglayer install app" in scene.run("why-not", "app").stdout
    done = scene.run("why-not", "fre", check=False)
    assert done.returncode == 3
    assert "nothing provides 'fre' (did you mean free?)" in done.stdout
    assert "pkglayer install free" in done.stdout
