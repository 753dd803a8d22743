"""cleanup: what was asked for and what nothing needs goes, and never more than that."""

import re
from pathlib import Path

import pytest

from tests.support.cli import query_pkglayer
from tests.support.ostree import run_ostree
from tests.support.rpms import build_rpm
from tests.support.scene import Scene, make_scene
from tests.support.trees import many_files
from tests.support.witness import fsck, query_rpm

CACHE = "ostree/deploy/test/var/cache/pkglayer"


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """`foo` (1 MB) is layered, and `bar` on top of that; two states."""
    tmp = tmp_path_factory.mktemp("cleanup")
    big = bytes(i * 7 % 251 for i in range(1 << 20))
    rpms = [
        build_rpm(tmp, "foo", files={"usr/share/foo": big}),
        build_rpm(tmp, "bar", files={"usr/share/bar": "x"}),
    ]
    scene = make_scene(tmp, rpms, files=many_files(50))
    scene.run("install", "foo")
    scene.run("install", "bar")
    return scene


@pytest.fixture
def scene(original: Scene, tmp_path: Path) -> Scene:
    """A copy for each test."""
    return original.copy_to(tmp_path)


def refs(scene: Scene) -> list[str]:
    text = run_ostree("refs", f"--repo={scene.sysroot}/ostree/repo", "--list", "pkglayer")
    return text.splitlines()


def objects(scene: Scene) -> int:
    return sum(
        p.lstat().st_size for p in (scene.sysroot / "ostree/repo/objects").rglob("*.file")
    )  # fmt: skip


def test_nothing_to_clean(scene: Scene) -> None:
    before = (scene.states, refs(scene))
    data = query_pkglayer("cleanup", sysroot=scene.sysroot)
    assert (data["deployments"], data["refs"]) == ([], [])
    assert (scene.states, refs(scene)) == before
    fsck(scene.sysroot / "ostree/repo")


def test_rollback_state_goes_with_all_that_was_only_its_own(scene: Scene) -> None:
    newest, old = scene.states
    scene.run("uninstall", "foo")
    scene.run("cleanup", "--rollback")
    assert len(scene.states) == 1
    assert not old.path.exists()
    assert not newest.path.exists()
    assert "foo-1-1" not in scene.packages
    size = objects(scene)
    assert size < 40 << 20
    files = (scene.sysroot / "ostree/repo/objects").rglob("*.file")
    assert not any(p.lstat().st_size == 1 << 20 for p in files)
    assert len([r for r in refs(scene) if "/state/" in f"/{r}"]) == 1
    assert query_rpm(scene.next.path, "-V", "bar", "--nomtime") == []
    fsck(scene.sysroot / "ostree/repo")


def test_says_how_much_came_free(scene: Scene) -> None:
    scene.run("uninstall", "foo")
    before = objects(scene)
    data = query_pkglayer("cleanup", "-r", sysroot=scene.sysroot)
    assert len(data["deployments"]) == 1
    assert data["freed"] >= (1 << 20)
    assert before - objects(scene) >= (1 << 20)


def test_pending_state(scene: Scene) -> None:
    newest, old = scene.states
    done = scene.run("cleanup", "--pending")
    assert newest.checksum[:12] in done.stdout
    assert scene.states == [old]
    assert not newest.path.exists()


def test_the_last_state_is_never_dropped(scene: Scene) -> None:
    scene.run("cleanup", "--pending", "--rollback")
    [left] = scene.states
    scene.run("cleanup", "--pending", "--rollback")
    assert scene.states == [left]


def test_caches(scene: Scene) -> None:
    assert list((scene.sysroot / CACHE / "packages").iterdir())
    scene.run("cleanup", "--cache")
    assert not list((scene.sysroot / CACHE).glob("packages/*"))
    assert list((scene.sysroot / CACHE / "metadata").iterdir())
    data = query_pkglayer("cleanup", "--metadata", sysroot=scene.sysroot)
    assert data["freed"] > 0
    assert not list((scene.sysroot / CACHE).glob("metadata/*"))
    scene.run("uninstall", "bar")
    assert scene.packages == {"foo-1-1"}


def test_dry_run(scene: Scene) -> None:
    before = (scene.states, refs(scene), objects(scene))
    done = scene.run("cleanup", "-r", "--cache", "-n")
    assert re.search(r"Would drop state 1 \(\w{12}\).* of caches\.\n", done.stdout)
    assert (scene.states, refs(scene), objects(scene)) == before
    assert list((scene.sysroot / CACHE / "packages").iterdir())


def test_states_do_not_pile_up(scene: Scene) -> None:
    below = scene.sysroot / "ostree/deploy/test/deploy"
    directories = [p for p in below.iterdir() if p.is_dir()]
    for _ in range(2):
        scene.run("uninstall", "bar")
        scene.run("install", "bar")
    assert len(scene.states) == 2
    directories = [p for p in (scene.sysroot / "ostree/deploy/test/deploy").iterdir() if p.is_dir()]
    assert sorted(directories) == sorted(s.path for s in scene.states)
    assert len([r for r in refs(scene) if "/state/" in f"/{r}"]) == 2


def test_old_bases_go(scene: Scene) -> None:
    first = scene.base.commit
    for version in ("2", "3"):
        scene.update_base(version, {f"usr/share/only{version}": version})
        scene.run("upgrade")
    repo = scene.sysroot / "ostree/repo"
    assert not list((repo / "objects" / first[:2]).glob(f"{first[2:]}.commit"))
    assert scene.packages == {"foo-1-1", "bar-1-1"}
    fsck(repo)
