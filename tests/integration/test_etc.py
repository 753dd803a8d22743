"""Files of /etc that stay as the machine has them: told the same way by every way to a state."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from tests.support.booted import run_booted
from tests.support.rpms import build_rpm, config
from tests.support.scene import Scene, make_scene

Words = Sequence[str | Path]


def _conf(tmp: Path, version: str) -> Path:
    files = {"etc/conf": config(f"default {version}\n")}
    return build_rpm(tmp, "conf", version=version, files=files)


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """The base has conf 1, the repository conf 2 and a package that nobody has yet."""
    tmp = tmp_path_factory.mktemp("etc")
    fresh = build_rpm(tmp / "offer", "fresh", files={"etc/fresh": config("default\n")})
    return make_scene(
        tmp, [_conf(tmp / "offer", "2"), fresh], base_packages=[_conf(tmp / "base", "1")]
    )


@pytest.fixture
def scene(original: Scene, tmp_path: Path) -> Scene:
    """A copy for each test."""
    return original.copy_to(tmp_path)


def _install(scene: Scene) -> Words:
    return "install", "fresh"


def _override(scene: Scene) -> Words:
    return "override", "replace", "--from", "test", "conf"


def _upgrade(scene: Scene) -> Words:
    scene.update_base("2", {"etc/conf": "default of the next base\n"})
    return ("upgrade",)


def _undo(scene: Scene) -> Words:
    scene.run(*_override(scene))
    return "undo", "1"


def _apply(scene: Scene) -> Words:
    scene.run(*_override(scene))
    lock = scene.tmp / "layer.lock"
    lock.write_text(scene.run("lock").stdout)
    scene.run("rollback")
    return "apply", lock


@pytest.mark.parametrize(
    ("prepare", "path"),
    [
        (_install, "/etc/fresh"), (_override, "/etc/conf"), (_upgrade, "/etc/conf"),
        (_undo, "/etc/conf"), (_apply, "/etc/conf"),
    ],
)  # fmt: skip
def test_every_way_to_a_state_tells(
    scene: Scene, prepare: Callable[[Scene], Words], path: str
) -> None:
    words = prepare(scene)
    scene.configure("mine\n", path.removeprefix("/"))
    data = json.loads(scene.run(*words, "--json").stdout)
    assert data["kept_etc"] == [path]
    assert (scene.next.path / path[1:]).read_text() == "mine\n"
    assert f"{path} stays as edited on this machine" in scene.run("history").stdout


def test_a_person_reads_it_where_a_lock_is_applied(scene: Scene) -> None:
    words = _apply(scene)
    scene.configure("mine\n", "etc/conf")
    told = scene.run(*words).stdout
    assert "/etc/conf stays as edited here; the new default is /usr/etc/conf\n" in told


def test_the_same_commit_deployed_again_tells(scene: Scene) -> None:
    """What is pending is merged anew, with the /etc that runs."""
    override = " ".join(map(str, _override(scene)))
    script = f"echo mine > /etc/conf; pkglayer {override} -q >&2; pkglayer kargs --append=quiet"
    told = run_booted(scene.sysroot, script).stdout
    assert "/etc/conf stays as edited here; the new default is /usr/etc/conf\n" in told
    assert (scene.next.path / "etc/conf").read_text() == "mine\n"


def test_nothing_is_told_where_nothing_changes(scene: Scene) -> None:
    scene.configure("mine\n", "etc/conf")
    scene.run(*_override(scene))
    data = json.loads(scene.run(*_override(scene), "--idempotent", "--json").stdout)
    assert (data["changed"], data["kept_etc"]) == (False, [])
