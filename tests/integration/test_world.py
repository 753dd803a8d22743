"""The small test world is what it says it is: real packages, installed by real rpm, that solve."""

import shutil
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import hawkey
import pytest

from pkglayer.system.rpmconfig import database_path
from tests.support import world
from tests.support.world.compose import DATABASE
from tests.support.world.model import World

pytestmark = [pytest.mark.integration, pytest.mark.realworld]


@pytest.fixture(scope="module")
def small() -> World:
    return world.build("small")


@pytest.fixture(scope="module")
def trees(small: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[int, Path]]:
    """Both bases checked out, by version."""
    directory = tmp_path_factory.mktemp("bases")
    found = {}
    for version in (1, 2):
        found[version] = directory / f"v{version}"
        command = ["ostree", f"--repo={small.ostree_repo}", "checkout", f"world/v{version}"]
        subprocess.run([*command, str(found[version])], check=True)
    yield found
    shutil.rmtree(directory)


def installed(tree: Path, query: str = "%{NAME}\n") -> list[str]:
    command = ["rpm", "--root", str(tree), "--dbpath", f"/{DATABASE}", "-qa", "--qf", query]
    result = subprocess.run(command, check=True, capture_output=True, text=True)
    return result.stdout.split()


def solve(tree: Path, repo: Path, name: str, scratch: Path) -> tuple[set[str], str]:
    """Names to install for `name` on the base in `tree`, and what stands against it."""
    sack = hawkey.Sack(
        rootdir=str(tree), cachedir=str(scratch / "cache"), make_cache_dir=True, arch="x86_64"
    )
    with database_path(DATABASE):
        sack.load_system_repo(build_cache=False)
    with pytest.warns(DeprecationWarning):
        available = hawkey.Repo("world")
    metadata = repo / "repodata"
    available.repomd_fn = str(metadata / "repomd.xml")
    available.primary_fn = str(next(metadata.glob("*-primary.xml.*")))
    sack.load_repo(available)
    goal = hawkey.Goal(sack)
    goal.install(select=hawkey.Selector(sack).set(name=name))
    if not goal.run(ignore_weak_deps=True):
        return set(), "\n".join(line for problem in goal.problem_rules() for line in problem)
    assert not goal.list_erasures() and not goal.list_upgrades()
    return {package.name for package in goal.list_installs()}, ""


def test_rpm_knows_exactly_the_packages_of_the_base(small: World, trees: dict[int, Path]) -> None:
    assert len(small.base_names) > 60
    assert sorted(installed(trees[1])) == sorted(small.base_names)


def test_the_repository_is_sound_and_has_both_versions(small: World) -> None:
    repo = f"--repo={small.ostree_repo}"
    subprocess.run(["ostree", repo, "fsck", "--quiet"], check=True, stdout=subprocess.DEVNULL)
    refs = subprocess.run(["ostree", repo, "refs"], check=True, capture_output=True, text=True)
    assert set(refs.stdout.split()) == {"world/stable", "world/v1", "world/v2"}


def test_programs_of_the_base_run(trees: dict[int, Path]) -> None:
    command = ["chroot", str(trees[1]), "/bin/bash", "-c", "echo '{\"a\": 7}' | jq .a"]
    assert subprocess.run(command, check=True, capture_output=True, text=True).stdout == "7\n"


def test_owners_and_modes_are_those_of_the_packages(trees: dict[int, Path]) -> None:
    usr = trees[1] / "usr"
    assert stat.S_IMODE((usr / "bin/su").stat().st_mode) == 0o4755
    shadow = (usr / "etc/shadow").stat()
    assert (stat.S_IMODE(shadow.st_mode), shadow.st_uid, shadow.st_gid) == (0o640, 0, 42)
    checker = (usr / "sbin/unix_chkpwd").stat()
    assert (stat.S_IMODE(checker.st_mode), checker.st_gid) == (0o2755, 42)


def test_triggers_and_scriptlets_have_run(trees: dict[int, Path]) -> None:
    etc = trees[1] / "usr/etc"
    assert (etc / "ld.so.cache").stat().st_size > 1000
    assert "/usr/bin/bash" in (etc / "shells").read_text().split()
    assert str((etc / "alternatives/awk").readlink()) == "/usr/bin/mawk"
    assert (etc / "ssl/certs/ca-certificates.crt").stat().st_size > 100_000
    assert "systemd-network" in (etc / "passwd").read_text()


@pytest.mark.parametrize(
    "seed", ["htop", "tmux", "tree", "mc", "nginx-light", "redis-server", "strace"]
)
def test_every_layer_solves_to_what_apt_planned(
    seed: str,
    small: World,
    trees: dict[int, Path],
    tmp_path: Path,
) -> None:
    names, problem = solve(trees[1], small.repo_v1, seed, tmp_path)
    assert not problem
    assert seed in names
    # Of alternatives (lsb-base | sysvinit-utils) apt may bring both, the solver one.
    assert names <= set(small.layer_seeds[seed])
    assert len(small.layer_seeds[seed]) - len(names) <= 1


def test_the_second_base_changes_what_it_should(trees: dict[int, Path]) -> None:
    before, after = (set(installed(trees[version])) for version in (1, 2))
    assert before - after == {"jq", "nano", "world-v1only"}
    assert after - before == {"jq-ng", "tree"}
    evr = "%{NAME}=%{EPOCH}:%{VERSION}-%{RELEASE}\n"
    old, new = (
        dict(row.split("=", 1) for row in installed(trees[version], evr)) for version in (1, 2)
    )
    rebuilt = [name for name in old.keys() & new.keys() if old[name] != new[name]]
    assert {"bash", "curl", "libc6"} <= set(rebuilt)
    assert 0.05 < len(rebuilt) / len(old) < 0.4
    assert all(old[name].removesuffix("w1") == new[name].removesuffix("w2") for name in rebuilt)


def test_a_layer_conflicts_with_the_second_base_alone(
    small: World, trees: dict[int, Path], tmp_path: Path
) -> None:
    names, problem = solve(trees[2], small.repo_v2, "mc", tmp_path)
    assert not names
    assert "conflicts with mc" in problem


def test_publishing_moves_the_branch(small: World, tmp_path: Path) -> None:
    def checksum(repo: Path, ref: str) -> str:
        command = ["ostree", f"--repo={repo}", "rev-parse", ref]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    for version in (1, 2):
        world.publish(small, tmp_path / "repo", version)
        expected = checksum(small.ostree_repo, f"world/v{version}")
        assert checksum(tmp_path / "repo", "world/stable") == expected
