"""Same base and same packages give the same commit: elsewhere, later, under another host name."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.oracle.bases import world_base
from tests.oracle.twice import build_twice
from tests.support import world
from tests.support.cli import clean_environment
from tests.support.rpms import build_rpm
from tests.support.scene import Scene, make_scene

POST = {
    "pre": "getent group svc >/dev/null || groupadd -r svc\n"
    "getent passwd svc >/dev/null || useradd -r -g svc svc",
    "post": "ls /usr/bin > /usr/share/svc-list; ldconfig",
}


def _scene(tmp: Path) -> Scene:
    rpms = [
        build_rpm(tmp, "svc", files={"usr/share/svc": "x", "var/lib/svc/data": "x"}, scripts=POST),
        build_rpm(tmp, "foo", requires=["svc"], files={"usr/share/foo": "x"}),
    ]
    return make_scene(tmp, rpms)


def _install(scene: Scene, *before: str) -> str:
    """Install in a way of one's own, the words in front of the command; returns the commit."""
    command = [*before, sys.executable, "-m", "pkglayer", "install", "foo"]
    done = subprocess.run(
        [*command, "--sysroot", str(scene.sysroot)],
        env=clean_environment(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return scene.next.checksum


def test_another_place_host_and_day(tmp_path: Path) -> None:
    original = _scene(tmp_path / "one")
    names = ("two", "three", "deep/er/still")
    others = [original.copy_to(_made(tmp_path / name)) for name in names]
    first = _install(original)
    hostname = ["unshare", "--uts", "sh", "-c", 'hostname elsewhere && exec "$@"', "sh"]
    assert _install(others[0], *hostname) == first
    assert _install(others[1], "unshare", "--time", "--boottime", "90000000", "--fork") == first
    umask = ["sh", "-c", 'umask 077; export TZ=Asia/Tokyo LC_ALL=C; exec "$@"', "sh"]
    assert _install(others[2], *umask) == first


def test_one_after_the_other_gives_what_both_at_once_give(tmp_path: Path) -> None:
    original = _scene(tmp_path / "one")
    other = original.copy_to(_made(tmp_path / "two"))
    original.run("install", "svc", "foo")
    other.run("install", "svc")
    other.run("install", "foo")
    assert other.next.checksum == original.next.checksum


def test_built_anew_it_is_the_same(tmp_path: Path) -> None:
    scene = _scene(tmp_path / "one")
    first = _install(scene)
    scene.run("uninstall", "--all")
    scene.run("cleanup", "--rollback", "--cache", "--metadata")
    assert _install(scene) == first


def test_real_packages_from_their_lock_on_another_machine(tmp_path: Path) -> None:
    """A sample of `make reproduce`, which takes all packages of the full test world."""
    try:
        small = world.build("small")
    except world.WorldError as e:
        pytest.skip(str(e))
    base = world_base(tmp_path, small)
    done = build_twice(tmp_path, base, small.repo_v1, sorted(small.layer_seeds))
    assert done.packages > 30
    assert done.scriptlets >= 8
    assert done.left_out == ()
    assert done.differences == ()
    assert done.commits[0] == done.commits[1]


def _made(path: Path) -> Path:
    path.mkdir(parents=True)
    return path
