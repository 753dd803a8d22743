"""Whatever goes wrong: the message names thing, reason and way out, and the system is as before."""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.cli import (
    NOBODY,
    PROJECT,
    let_nobody_in,
    query_pkglayer,
    run_pkglayer,
    start_pkglayer,
)
from tests.support.keys import GpgKey, make_gpg_key, sign_rpm
from tests.support.repos import make_repo, repo_file
from tests.support.rpms import build_rpm, corrupt
from tests.support.scene import Scene, find_leftovers, make_scene, take_snapshot
from tests.support.witness import fsck

SLOW = {"post": "echo started; sleep 30"}


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """Packages that are in order, and some that are not."""
    tmp = tmp_path_factory.mktemp("bad")
    let_nobody_in(tmp)
    rpms = [
        build_rpm(tmp, "foo", files={"usr/share/foo": "x"}),
        build_rpm(tmp, "bar", files={"usr/share/bar": "x"}),
        build_rpm(tmp, "rival", conflicts=["foo"], files={"usr/share/rival": "x"}),
        build_rpm(tmp, "hater", conflicts=["based"], files={"usr/share/hater": "x"}),
        build_rpm(tmp, "needy", requires=["libnone.so.7"], files={"usr/share/needy": "x"}),
        build_rpm(tmp, "thief", files={"usr/share/based": "other content"}),
        build_rpm(tmp, "left", files={"usr/share/common": "left"}),
        build_rpm(tmp, "right", files={"usr/share/common": "right"}),
        build_rpm(tmp, "broken", scripts={"post": "echo no luck today; exit 3"}),
        build_rpm(tmp, "slow", scripts=SLOW),
    ]
    based = build_rpm(tmp, "based", files={"usr/share/based": "x"})
    return make_scene(tmp, rpms, base_packages=[based])


@pytest.fixture
def scene(original: Scene, tmp_path: Path) -> Iterator[Scene]:
    """A copy for each test; afterwards the repository is whole and nothing is left over."""
    scene = original.copy_to(tmp_path)
    yield scene
    if (scene.sysroot / "ostree/repo").exists():
        fsck(scene.sysroot / "ostree/repo")
        assert find_leftovers(scene.sysroot) == []


def test_unknown_package(scene: Scene) -> None:
    message = scene.refuse("install", "fooo", "nonesuch", code=3)
    assert "'fooo'" in message
    assert "did you mean foo?" in message
    assert "'nonesuch'" in message
    assert "hint: " in message


def test_conflict_of_two_requests(scene: Scene) -> None:
    scene.run("install", "foo")
    message = scene.refuse("install", "rival", code=3)
    assert "rival" in message
    assert "foo" in message
    assert "hint: " in message


def test_conflict_with_the_base(scene: Scene) -> None:
    message = scene.refuse("install", "hater", code=3)
    assert "hater-1-1.noarch conflicts with based-1-1.noarch of the base" in message
    assert "hint: " in message


def test_dependency_that_nobody_has(scene: Scene) -> None:
    message = scene.refuse("install", "needy", code=3)
    assert "needy" in message
    assert "libnone.so.7" in message


def test_unreachable_repository(scene: Scene) -> None:
    scene.configure(repo_file("test", "http://127.0.0.1:9/none"))
    done = scene.run("install", "foo", check=False)
    assert done.returncode in (3, 4)
    scene.refuse("install", "foo", code=done.returncode)
    assert "test" in done.stderr
    assert "127.0.0.1" in done.stderr


@pytest.mark.parametrize("name", ["repomd.xml", "primary.xml.gz"])
def test_broken_metadata(scene: Scene, name: str) -> None:
    path = scene.repo / "repodata" / name
    path.write_bytes(path.read_bytes()[:100])
    done = scene.run("install", "foo", check=False)
    assert done.returncode in (3, 4)
    message = scene.refuse("install", "foo", code=done.returncode)
    assert "test" in message


def test_wrong_signature(scene: Scene, gpg_key: GpgKey) -> None:
    key = "etc/pki/rpm-gpg/test.asc"
    scene.configure(gpg_key.public.read_text(), key)
    scene.configure(repo_file("test", scene.repo, gpgcheck=1, gpgkey=f"file:///{key}"))
    message = scene.refuse("install", "foo", code=5)
    assert "foo-1-1.noarch" in message
    stranger = make_gpg_key(scene.tmp, "stranger")
    make_repo(scene.repo, [sign_rpm(build_rpm(scene.tmp, "signed"), stranger)])
    message = scene.refuse("install", "signed", "--refresh", code=5)
    assert "signed-1-1.noarch" in message
    make_repo(scene.repo, [sign_rpm(build_rpm(scene.tmp, "proper"), gpg_key)])
    scene.run("install", "proper", "--refresh")
    record = query_pkglayer("status", sysroot=scene.sysroot)["deployments"][0]
    [package] = record["packages"]
    assert package["key"].lower() == gpg_key.fingerprint.lower()


def test_local_rpm_without_signature(scene: Scene) -> None:
    local = build_rpm(scene.tmp / "mine", "mine")
    message = scene.refuse("install", local, code=5)
    assert "mine" in message
    assert "--no-gpg-check" in message


def test_corrupt_packages(scene: Scene) -> None:
    corrupt(scene.repo / "foo-1-1.noarch.rpm")
    done = scene.run("install", "foo", check=False)
    assert done.returncode in (4, 6)
    assert "foo-1-1.noarch" in scene.refuse("install", "foo", code=done.returncode)
    local = corrupt(build_rpm(scene.tmp / "mine", "mine", files={"usr/share/mine": "x" * 5000}))
    message = scene.refuse("install", local, "--no-gpg-check", local, code=6)
    assert "mine" in message
    local.write_text("no package at all")
    message = scene.refuse("install", local, "--no-gpg-check", local, code=6)
    assert "mine" in message
    assert "No such file" in scene.refuse("install", "./none.rpm", code=2)


def test_file_conflict_with_the_base(scene: Scene) -> None:
    message = scene.refuse("install", "thief", code=7)
    assert "/usr/share/based" in message
    assert "thief-1-1.noarch" in message
    assert "based-1-1.noarch" in message


def test_file_conflict_of_two_packages(scene: Scene) -> None:
    message = scene.refuse("install", "left", "right", code=7)
    assert "/usr/share/common" in message
    assert "left-1-1.noarch" in message
    assert "right-1-1.noarch" in message


def test_failing_scriptlet(scene: Scene) -> None:
    message = scene.refuse("install", "broken", code=8)
    assert "%post of broken-1-1.noarch failed with exit code 3" in message
    assert "no luck today" in message
    [entry] = query_pkglayer("history", sysroot=scene.sysroot)["entries"]
    assert (entry["outcome"], entry["before"]) == ("failed", entry["after"])
    assert "%post of broken" in entry["message"]
    error = query_pkglayer("install", "broken", sysroot=scene.sysroot, check=False)["error"]
    assert error["kind"] == "scriptlet"
    assert "no luck today" in str(error)


@contextmanager
def small_disk(scene: Scene, room: int) -> Iterator[Scene]:
    """The scene's sysroot on a file system of its own with so many bytes left."""
    image, moved = scene.tmp / "disk", scene.tmp / "full"
    used = int(subprocess.check_output(["du", "-sb", scene.sysroot], text=True).split()[0])
    moved.mkdir()
    with image.open("wb") as file:
        file.truncate(used * 2 + room + (256 << 20))
    subprocess.run(["mkfs.ext4", "-q", "-m", "0", image], check=True)
    subprocess.run(["mount", "-o", "loop", image, moved], check=True)
    try:
        subprocess.run(["cp", "-a", f"{scene.sysroot}/.", moved], check=True)
        filler = os.statvfs(moved).f_bavail * os.statvfs(moved).f_frsize - room
        with (moved / "filler").open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, max(1, filler))
        yield Scene(scene.tmp, scene.repo, scene.base, moved)
    finally:
        subprocess.run(["umount", moved], check=True)


def test_full_disk_is_foretold(scene: Scene) -> None:
    with small_disk(scene, 4 << 20) as full:
        message = full.refuse("install", "foo", code=9)
        assert f"not enough room on {full.sysroot}: " in message
        assert "MB" in message
        assert "pkglayer cleanup" in message
        (full.sysroot / "filler").unlink()
        full.run("install", "foo")
        assert "foo-1-1" in full.packages


def as_nobody(*args: str | Path) -> subprocess.CompletedProcess[str]:
    return run_pkglayer(
        *args, user=NOBODY, env={"HOME": "/nonexistent"}, cwd=PROJECT, check=False
    )


@pytest.mark.parametrize(
    "args",
    [["install", "foo"], ["uninstall", "foo"], ["upgrade"], ["rollback"], ["reconcile"],
     ["cleanup"], ["pin", "0"], ["rebase", "origin:test/base"], ["deploy", "1"]],
)  # fmt: skip
def test_no_root(original: Scene, args: list[str]) -> None:
    before = take_snapshot(original.sysroot)
    done = as_nobody(*args, "--sysroot", original.sysroot)
    assert done.returncode == 13
    assert "needs root" in done.stderr
    assert "sudo" in done.stderr
    assert take_snapshot(original.sysroot) == before


def test_no_ostree_system(tmp_path: Path) -> None:
    for args in (["status"], ["install", "foo"], ["db", "list"]):
        done = run_pkglayer(*args, sysroot=tmp_path, check=False)
        assert done.returncode == 11
        assert f"{tmp_path} is not an OSTree sysroot" in done.stderr
        assert "--sysroot" in done.stderr
    done = run_pkglayer("status", sysroot=tmp_path / "none", check=False)
    assert done.returncode == 11


@pytest.mark.parametrize("delay", [0.15, 0.35, 0.5, 0.7, 0.9])
def test_killed_at_any_time(scene: Scene, delay: float) -> None:
    """After SIGKILL there is the old state or the new one, and the next run cleans up."""
    before = [s.checksum for s in scene.states]
    with start_pkglayer("install", "foo", "bar", sysroot=scene.sysroot) as running:
        time.sleep(delay)
        running.kill()
    after = [s.checksum for s in scene.states]
    assert after == before or after[1:] == before
    scene.run("install", "foo", "bar", "--idempotent")
    assert scene.packages == {"based-1-1", "foo-1-1", "bar-1-1"}
    assert find_leftovers(scene.sysroot) == []


@pytest.mark.parametrize("spec", ["-rf", "--root=/", "a;reboot", "$(reboot)", "../../etc"])
def test_hostile_words_are_only_words(scene: Scene, spec: str) -> None:
    message = scene.refuse("install", "--", spec, code=3)
    assert spec[:40] in message


@pytest.mark.parametrize("spec", ["", "a\nb", "a\x1b[2J", "x" * 2000])
def test_words_that_are_no_spec(scene: Scene, spec: str) -> None:
    assert "not a package spec" in scene.refuse("install", "--", spec, code=2)


@pytest.mark.parametrize(
    ("name", "text", "where"),
    [
        ("etc/pkglayer/pkglayer.toml", "[scripts]\ntimout = 3\n", "pkglayer.toml:2"),
        ("etc/pkglayer/layers.d/x.toml", "packages = 3\n", "x.toml"),
        ("etc/yum.repos.d/test.repo", "baseurl=http://x\n", "test.repo"),
    ],
)
def test_wrong_configuration(scene: Scene, name: str, text: str, where: str) -> None:
    scene.configure(text, name)
    done = scene.run("install", "foo", check=False)
    assert done.returncode in (3, 4, 12)
    assert where in done.stderr


def test_states_are_shown_whatever_the_settings_say(scene: Scene) -> None:
    scene.configure("[scripts]\ntimout = 3\n", "etc/pkglayer/pkglayer.toml")
    done = scene.run("status")
    assert "next boot" in done.stdout
    assert "timout" in done.stderr
    assert "changes are refused until that is mended" in done.stderr
    assert scene.run("cleanup", check=False).returncode == 12


def test_base_object_is_damaged(scene: Scene) -> None:
    """A missing directory object of the base is named, and nothing changes."""
    repo = scene.sysroot / "ostree/repo"
    commit = scene.base.commit
    shutil.move(repo / "objects" / commit[:2] / f"{commit[2:]}.commit", scene.tmp / "kept")
    done = scene.run("install", "foo", check=False)
    assert done.returncode != 0
    assert commit[:12] in done.stderr
    assert "Traceback" not in done.stderr
    shutil.move(scene.tmp / "kept", repo / "objects" / commit[:2] / f"{commit[2:]}.commit")
