"""rebase and deploy: the same requests on another branch, remote, or commit of the branch."""

from pathlib import Path

import pytest

from tests.support.cli import query_pkglayer
from tests.support.ostree import run_ostree
from tests.support.rpms import build_rpm
from tests.support.scene import Scene, make_scene

PACKAGES = {"based-1-1", "foo-1-1"}


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """`foo` is layered on version 1; the branch has versions 1, 2 and 3."""
    tmp = tmp_path_factory.mktemp("rebase")
    based = build_rpm(tmp, "based", files={"usr/share/based": "x"})
    scene = make_scene(
        tmp, [build_rpm(tmp, "foo", files={"usr/share/foo": "x"})], base_packages=[based]
    )
    scene.run("install", "foo")
    scene.update_base("2", {"usr/share/two": "2"})
    scene.update_base("3", {"usr/share/three": "3"})
    return scene


@pytest.fixture
def scene(original: Scene, tmp_path: Path) -> Scene:
    """A copy for each test."""
    return original.copy_to(tmp_path)


def base_of(scene: Scene) -> dict[str, str]:
    state = query_pkglayer("status", sysroot=scene.sysroot)["deployments"][0]
    base: dict[str, str] = state["base"]
    return base


def test_rebase_to_another_branch(scene: Scene) -> None:
    words = ["--branch=test/other", "--tree=ref=test/base", "--add-metadata-string=version=3"]
    run_ostree("commit", f"--repo={scene.base.repo}", *words)
    scene.run("rebase", "origin:test/other")
    assert scene.packages == PACKAGES
    assert (scene.next.path / "usr/share/three").exists()
    assert "refspec=origin:test/other" in scene.next.origin.splitlines()
    assert "refspec=origin:test/base" in scene.states[1].origin.splitlines()
    assert base_of(scene)["refspec"] == "origin:test/other"


def test_rebase_to_another_remote(scene: Scene) -> None:
    repo = f"--repo={scene.sysroot}/ostree/repo"
    run_ostree("remote", "add", repo, "--no-gpg-verify", "second", scene.base.repo.as_uri())
    scene.run("rebase", "second:test/base")
    assert scene.packages == PACKAGES
    assert "refspec=second:test/base" in scene.next.origin.splitlines()
    scene.run("uninstall", "foo")
    assert "refspec=second:test/base" in scene.next.origin.splitlines()


@pytest.mark.parametrize(
    ("refspec", "code", "message"),
    [
        ("nowhere:test/base", 2, "there is no remote 'nowhere' (known: origin)"),
        ("origin:test/none", 4, "test/none"),
        ("no/such/ref", 4, "there is no branch no/such/ref"),
        ("origin:", 2, "'origin:' is no refspec"),
        ("", 2, "'' is no refspec"),
        ("origin:../../etc", 2, "is no refspec"),
    ],
)
def test_rebase_to_what_is_not_there(
    scene: Scene, refspec: str, code: int, message: str
) -> None:  # fmt: skip
    assert message in scene.refuse("rebase", refspec, code=code)


def test_deploy_a_version(scene: Scene) -> None:
    scene.run("deploy", "2")
    assert scene.packages == PACKAGES
    assert (scene.next.path / "usr/share/two").exists()
    assert not (scene.next.path / "usr/share/three").exists()
    assert base_of(scene)["version"] == "2"
    scene.run("upgrade")
    assert (scene.next.path / "usr/share/three").exists()


def test_deploy_a_commit(scene: Scene) -> None:
    commit = run_ostree("rev-parse", f"--repo={scene.base.repo}", "test/base^").strip()
    for which in (commit, commit[:12]):
        scene.run("deploy", which)
        assert base_of(scene)["commit"] == commit
        assert scene.packages == PACKAGES


def test_deploy_an_older_one_and_stay_there(scene: Scene) -> None:
    scene.run("upgrade")
    scene.run("deploy", "1")
    assert base_of(scene)["version"] == "1"
    scene.run("uninstall", "foo")
    assert base_of(scene)["version"] == "1"
    assert scene.packages == {"based-1-1"}


def test_deploy_of_what_the_branch_does_not_have(scene: Scene) -> None:
    message = scene.refuse("deploy", "44", code=4)
    assert "has no commit or version '44'" in message
    assert "it has: 3, 2, 1" in message
    message = scene.refuse("deploy", "f" * 64, code=4)
    assert "f" * 64 in message


def test_deploy_of_a_layered_commit_is_refused(scene: Scene) -> None:
    layered = scene.next.checksum
    message = scene.refuse("deploy", layered, code=2)
    assert "is a layered commit of pkglayer, not a base" in message


def test_dry_runs_change_nothing(scene: Scene) -> None:
    before = scene.states
    assert "version 3" in scene.run("rebase", "origin:test/base", "-n").stdout
    assert "version 2" in scene.run("deploy", "2", "-n").stdout
    assert scene.states == before
