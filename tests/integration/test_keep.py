"""The setting `[states] keep`: how many states stay to roll back to, and that pins are apart."""

from pathlib import Path

import pytest

from tests.support.booted import run_booted
from tests.support.rpms import build_rpm
from tests.support.scene import Scene, make_scene
from tests.support.witness import fsck

NAMES = ("a", "b", "c", "d")


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return make_scene(tmp_path, [build_rpm(tmp_path, name) for name in NAMES])


def keep(scene: Scene, number: int) -> None:
    scene.configure(f"[states]\nkeep = {number}\n", "etc/pkglayer/pkglayer.toml")


def install_all(scene: Scene) -> list[str]:
    """One state after the other; returns their commits, the newest first, the base's last."""
    commits = [scene.next.checksum]
    for name in NAMES:
        scene.run("install", name)
        commits.insert(0, scene.next.checksum)
    return commits


def test_one_is_kept_without_a_setting(scene: Scene) -> None:
    commits = install_all(scene)
    assert [s.checksum for s in scene.states] == commits[:2]


def test_as_many_are_kept_as_the_setting_says(scene: Scene) -> None:
    keep(scene, 3)
    commits = install_all(scene)
    assert [s.checksum for s in scene.states] == commits[:4]
    assert all(s.path.is_dir() for s in scene.states)
    fsck(scene.sysroot / "ostree/repo")
    scene.run("cleanup", "--rollback")
    assert [s.checksum for s in scene.states] == commits[:1]


def test_fewer_from_the_next_change_on(scene: Scene) -> None:
    keep(scene, 4)
    commits = install_all(scene)
    assert len(scene.states) == 5
    keep(scene, 1)
    scene.run("kargs", "--append=quiet")
    assert [s.checksum for s in scene.states] == [commits[0], commits[0]]
    scene.run("rollback")
    assert len(scene.states) == 2


def test_pinned_states_count_apart_and_the_pin_is_no_heirloom(scene: Scene) -> None:
    keep(scene, 2)
    scene.run("pin", "0")
    commits = install_all(scene)
    assert [s.checksum for s in scene.states] == [*commits[:3], commits[-1]]
    assert "pinned=true" in scene.states[-1].origin
    assert not any("pinned" in s.origin for s in scene.states[:-1])


def test_on_a_booted_machine_the_running_state_is_one_of_them(scene: Scene) -> None:
    keep(scene, 2)
    commits = [scene.next.checksum]
    for name in NAMES:
        run_booted(scene.sysroot, f"pkglayer install {name}; pkglayer status | tee /var/status")
        commits.insert(0, scene.next.checksum)
    assert [s.checksum for s in scene.states] == commits[:3]
    shown = (scene.sysroot / "ostree/deploy/test/var/status").read_text()
    assert "staged" in shown
    assert "pinned" not in shown
    run_booted(scene.sysroot, "pkglayer cleanup --rollback")
    assert [s.checksum for s in scene.states] == commits[:1]


def test_on_a_booted_machine_a_pin_is_a_persons(scene: Scene) -> None:
    keep(scene, 2)
    run_booted(scene.sysroot, "pkglayer install a")
    run_booted(scene.sysroot, "pkglayer install b")
    base = scene.states[-1].checksum
    run_booted(scene.sysroot, "pkglayer pin 2; pkglayer install c")
    keep(scene, 1)
    run_booted(scene.sysroot, "pkglayer install d")
    assert [s.checksum for s in scene.states][2:] == [base]
    run_booted(scene.sysroot, "pkglayer unpin 2; pkglayer kargs --append=quiet")
    assert len(scene.states) == 2
