"""upgrade: the newest base of the branch, with everything that was requested on it again."""

import shutil
from pathlib import Path

import pytest

from tests.support.cli import query_pkglayer
from tests.support.ostree import run_ostree
from tests.support.repos import repo_file
from tests.support.rpms import build_rpm
from tests.support.scene import REPO_FILE, Scene, make_scene
from tests.support.servers import Server
from tests.support.trees import File, many_files
from tests.support.witness import fsck, query_rpm, run_in

LAYER = "etc/pkglayer/layers.d/mine.toml"


def program(tmp: Path, version: str) -> Path:
    text = File(f"#!/bin/sh\necho foo {version} on $(cat /usr/share/based)\n", 0o755)
    return build_rpm(
        tmp, "foo", version=version, requires=["libfoo"], files={"usr/bin/foo": text}
    )  # fmt: skip


def based(tmp: Path, version: str) -> Path:
    return build_rpm(tmp, "based", version=version, files={"usr/share/based": version})


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """`foo` is layered by command and `bar` by a layer of /etc, on version 1 of the base."""
    tmp = tmp_path_factory.mktemp("upgrade")
    rpms = [
        program(tmp, "1"),
        build_rpm(tmp, "libfoo", files={"usr/lib/libfoo": "x"}),
        build_rpm(tmp, "bar", files={"usr/share/bar": "x"}),
        build_rpm(tmp, "based-tools", requires=["based < 3"], files={"usr/share/tools": "x"}),
    ]
    scene = make_scene(
        tmp, rpms, base_packages=[based(tmp, "1")],
        files={LAYER: 'packages = ["bar"]\n', **many_files(200)},
    )  # fmt: skip
    scene.run("install", "foo")
    return scene


@pytest.fixture
def scene(original: Scene, tmp_path: Path) -> Scene:
    """A copy for each test."""
    return original.copy_to(tmp_path)


def remote_ref(scene: Scene) -> str:
    return run_ostree("rev-parse", f"--repo={scene.sysroot}/ostree/repo", "origin:test/base")


def test_everything_is_reapplied_to_the_new_base(scene: Scene) -> None:
    base = scene.update_base("2", {"usr/share/new": "2"}, [based(scene.tmp, "2")])
    before = scene.next
    done = scene.run("upgrade")
    assert scene.states[1] == before
    assert scene.packages == {"based-2-1", "foo-1-1", "libfoo-1-1", "bar-1-1"}
    assert (scene.next.path / "usr/share/new").read_text() == "2"
    assert run_in(scene.next.path, "foo") == "foo 1 on 2\n"
    assert query_rpm(scene.next.path, "-V", "foo", "libfoo", "bar", "based", "--nomtime") == []
    parent = run_ostree("log", f"--repo={scene.sysroot}/ostree/repo", scene.next.checksum)
    assert f"Parent:  {base.commit}" in parent
    assert "version 2" in done.stdout
    fsck(scene.sysroot / "ostree/repo")


def test_twice_is_no_change(scene: Scene) -> None:
    scene.update_base("2")
    scene.run("upgrade")
    before = scene.states
    assert "No change" in scene.run("upgrade").stdout
    assert scene.states == before


def test_layered_packages_move_with_it(scene: Scene) -> None:
    scene.publish(program(scene.tmp, "2"))
    scene.run("upgrade", "--refresh")
    assert scene.packages == {"based-1-1", "foo-2-1", "libfoo-1-1", "bar-1-1"}
    assert run_in(scene.next.path, "foo") == "foo 2 on 1\n"


def test_check(scene: Scene) -> None:
    ref, before = remote_ref(scene), scene.states
    assert scene.run("upgrade", "--check", check=False).returncode == 77
    base = scene.update_base("2", packages=[based(scene.tmp, "2")])
    data = query_pkglayer("upgrade", "--check", sysroot=scene.sysroot)
    assert data["base"]["commit"] == base.commit
    assert data["base"]["version"] == "2"
    assert (scene.states, remote_ref(scene)) == (before, ref)


def test_check_sees_new_layered_packages_on_the_same_base(scene: Scene) -> None:
    scene.publish(program(scene.tmp, "2"))
    data = query_pkglayer("upgrade", "--check", "--refresh", sysroot=scene.sysroot)
    assert [(c["from"]["nevra"], c["to"]["nevra"]) for c in data["changes"]["upgraded"]] == [
        ("foo-1-1.noarch", "foo-2-1.noarch")
    ]


def test_preview_fetches_only_the_package_database(scene: Scene) -> None:
    new = {f"usr/share/fresh/{i}": f"fresh {i}\n" * 50 for i in range(300)}
    base = scene.update_base("2", new, [based(scene.tmp, "2")])
    ref, before = remote_ref(scene), scene.states
    objects = scene.sysroot / "ostree/repo/objects"
    count = len(list(objects.rglob("*.file")))
    done = scene.run("upgrade", "--preview")
    assert "foo-1-1" not in done.stdout.partition("Removing")[2]
    assert base.commit in done.stdout
    assert len(list(objects.rglob("*.file"))) - count < 20
    assert (scene.states, remote_ref(scene)) == (before, ref)
    scene.run("upgrade")
    assert (scene.next.path / "usr/share/fresh/299").read_text() == "fresh 299\n" * 50
    fsck(scene.sysroot / "ostree/repo")


def test_an_older_base_is_followed_when_asked(scene: Scene) -> None:
    old = scene.base.commit
    scene.update_base("2")
    scene.run("upgrade")
    run_ostree("reset", f"--repo={scene.base.repo}", "test/base", old)
    message = scene.refuse("upgrade", code=11)
    assert "older than the base in use" in message
    assert "--allow-downgrade" in message
    scene.run("upgrade", "--allow-downgrade")
    assert f'"commit": "{old}"' in (
        scene.next.path / "usr/lib/pkglayer/record.json"
    ).read_text()  # fmt: skip


def test_an_older_base_is_followed_by_the_policy_of_the_remote(scene: Scene) -> None:
    old = scene.base.commit
    scene.update_base("2")
    scene.run("upgrade")
    run_ostree("reset", f"--repo={scene.base.repo}", "test/base", old)
    repo = f"--repo={scene.sysroot}/ostree/repo"
    run_ostree("config", repo, "set", 'remote "origin".pkglayer-allow-downgrade', "true")
    data = query_pkglayer("upgrade", sysroot=scene.sysroot)
    assert data["base"]["commit"] == old
    assert data["changed"] is True


def test_follows_a_local_ref(scene: Scene) -> None:
    repo = f"--repo={scene.sysroot}/ostree/repo"
    run_ostree("refs", repo, "--create=local/base", "origin:test/base")
    scene.run("rebase", "local/base")
    base = scene.update_base("2", packages=[based(scene.tmp, "2")])
    run_ostree("pull", repo, "origin", "test/base")
    assert "No change" in scene.run("upgrade").stdout
    run_ostree("refs", repo, "--create=local/base", "--force", base.commit)
    scene.run("upgrade")
    assert scene.packages == {"based-2-1", "foo-1-1", "libfoo-1-1", "bar-1-1"}


def test_a_base_that_blocks_a_request_is_not_deployed(scene: Scene) -> None:
    scene.run("install", "based-tools")
    scene.update_base("3", packages=[based(scene.tmp, "3")])
    ref = remote_ref(scene)
    message = scene.refuse("upgrade", "--attended", code=3)
    assert "based-tools" in message
    assert "based < 3" in message
    assert "pkglayer uninstall based-tools" in message
    assert remote_ref(scene) == ref


def test_unreachable_remote(scene: Scene) -> None:
    shutil.rmtree(scene.base.repo)
    message = scene.refuse("upgrade", code=4)
    assert "origin" in message
    assert scene.base.repo.as_uri() in message


def test_offline_reapplies_what_is_imported(scene: Scene) -> None:
    """A base that is here already can be layered on without any repository."""
    scene.update_base("2", packages=[based(scene.tmp, "2")])
    run_ostree("pull", f"--repo={scene.sysroot}/ostree/repo", "origin", "test/base")
    shutil.rmtree(scene.repo)
    shutil.rmtree(scene.base.repo)
    scene.run("upgrade", "--offline")
    assert scene.packages == {"based-2-1", "foo-1-1", "libfoo-1-1", "bar-1-1"}


def test_repository_that_is_down_does_not_hold_up_a_base_update(scene: Scene) -> None:
    scene.configure(repo_file("test", "http://127.0.0.1:9/none", skip_if_unavailable=1))
    shutil.rmtree(scene.sysroot / "ostree/deploy/test/var/cache/pkglayer/metadata")
    scene.update_base("2", packages=[based(scene.tmp, "2")])
    scene.run("upgrade")
    assert scene.packages == {"based-2-1", "foo-1-1", "libfoo-1-1", "bar-1-1"}


def test_request_becomes_inactive_and_comes_back(scene: Scene) -> None:
    scene.update_base("2", packages=[build_rpm(scene.tmp, "foo", version="5")])
    scene.run("upgrade")
    state = query_pkglayer("status", sysroot=scene.sysroot)["deployments"][0]
    assert [i["provider"] for i in state["inactive"]] == ["foo-5-1.noarch"]
    assert scene.packages == {"based-1-1", "foo-5-1", "bar-1-1"}
    scene.update_base("3", erase=["foo"])
    scene.run("upgrade")
    assert scene.packages == {"based-1-1", "foo-1-1", "libfoo-1-1", "bar-1-1"}


def test_over_http(original: Scene, tmp_path: Path, server: Server) -> None:
    scene = original.copy_to(tmp_path)
    repo = f"--repo={scene.sysroot}/ostree/repo"
    run_ostree("config", repo, "set", 'remote "origin".url', f"{server.url}/base-repo")
    scene.configure(repo_file("test", f"{server.url}/repo"))
    scene.update_base("2", packages=[based(scene.tmp, "2")])
    scene.publish(program(scene.tmp, "2"))
    scene.run("upgrade", "--refresh")
    assert scene.packages == {"based-2-1", "foo-2-1", "libfoo-1-1", "bar-1-1"}
    assert "/repo/foo-2-1.noarch.rpm" in server.paths()
    assert REPO_FILE in {str(p.relative_to(scene.next.path)) for p in (
        scene.next.path / "etc/yum.repos.d").iterdir()}  # fmt: skip
