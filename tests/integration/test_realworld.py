"""The main job on real packages: a daemon, tools, a compiler, a language runtime, and they run."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.support import world
from tests.support.cli import run_pkglayer
from tests.support.demo import Demo
from tests.support.witness import deployments, query_rpm, run_in

SEEDS = ("htop", "tmux", "nginx-light", "git", "gcc", "nodejs")
MUTABLE = {"OSTREE_SYSROOT_DEBUG": "mutable-deployments"}


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    """The full world's first base, with everything layered."""
    made = Demo(tmp_path_factory.mktemp("realworld") / "demo", world.build("full"))
    made.make_sysroot()
    run_pkglayer("install", *SEEDS, sysroot=made.sysroot, env=MUTABLE)
    return made


@pytest.fixture(scope="module")
def tree(demo: Demo) -> Path:
    return deployments(demo.sysroot)[0].path


def test_the_base_is_a_real_one(demo: Demo) -> None:
    [_, base] = deployments(demo.sysroot)
    assert len(query_rpm(base.path, "-qa")) >= 150


def test_every_package_and_its_dependencies_are_there(demo: Demo, tree: Path) -> None:
    names = set(query_rpm(tree, "-qa", "--qf", "%{name}\n"))
    wanted = {name for seed in SEEDS for name in demo.world.layer_seeds[seed]}
    assert {"htop", "nginx-common", "git-man", "gcc-12", "binutils"} <= names
    assert len(wanted - names) <= 1  # libsolv may take another provider than apt did


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (("htop", "--version"), "htop 3"),
        (("tmux", "-V"), "tmux 3"),
        (("git", "--version"), "git version 2"),
        (("nginx", "-v"), ""),
        (("gcc", "--version"), "gcc (Debian"),
        (("node", "-e", "console.log(6 * 7)"), "42"),
    ],
)
def test_programs_run(tree: Path, command: tuple[str, ...], expected: str) -> None:
    assert expected in run_in(tree, *command)


def test_requests_come_along_to_the_next_base(demo: Demo) -> None:
    world.publish(demo.world, demo.server, 2)
    run_pkglayer("upgrade", sysroot=demo.sysroot, env=MUTABLE)
    done = run_pkglayer("status", "--json", sysroot=demo.sysroot)
    newest = json.loads(done.stdout)["deployments"][0]
    assert newest["base"]["version"] == "2"
    assert {r["spec"] for r in newest["requests"]} == set(SEEDS)
    tree = deployments(demo.sysroot)[0].path
    assert "git version 2" in run_in(tree, "git", "--version")
    subprocess.run(["ostree", "fsck", f"--repo={demo.sysroot}/ostree/repo", "-q"], check=True)
