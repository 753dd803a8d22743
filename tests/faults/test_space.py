"""Full file systems of exact size: refused beforehand with the numbers, or nothing changed.

The repository with its work directory, the download cache and /boot are each a file system of their
own here, filled before a run or by somebody else in the midst of it.
"""

import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.booted import run_booted
from tests.support.cli import PROJECT, clean_environment, query_pkglayer
from tests.support.disks import MB, XFS_LEAST, Ballast, disk, free
from tests.support.ostree import run_ostree
from tests.support.rpms import build_rpm
from tests.support.scene import Scene, find_leftovers, make_scene, take_snapshot
from tests.support.testos import KERNEL_VERSION
from tests.support.trees import File, Link, Node, many_files
from tests.support.witness import fsck

NO_SPACE = 9
DRACUT = "#!/bin/sh\nfor last; do :; done\nhead -c 8388608 /dev/zero > \"$last\"\n"
KERNEL = f"usr/lib/modules/{KERNEL_VERSION}"
CACHE = "ostree/deploy/test/var/cache"


def noise(size: int, seed: int) -> bytes:
    """Bytes that nothing can compress."""
    return random.Random(seed).randbytes(size)


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """A base, and packages of 6 MB, of many files, and one whose scriptlets take their time."""
    tmp = tmp_path_factory.mktemp("space")
    rpms = [
        build_rpm(tmp, "big", files={"usr/share/big": noise(6 * MB, 1)}),
        build_rpm(tmp, "many", files=many_files(300)),
        build_rpm(
            tmp, "slow", files={"usr/share/slow": noise(6 * MB, 2)},
            scripts={"pre": "sleep 1", "post": "echo done > /usr/share/slow-done; sleep 1"},
        ),
        build_rpm(
            tmp, "greedy", scripts={"post": "dd if=/dev/zero of=/usr/share/greedy bs=1M count=900"}
        ),
    ]  # fmt: skip
    tools: dict[str, Node] = {"usr/sbin/depmod": Link("../bin/busybox")}
    tools["usr/bin/dracut"] = File(DRACUT, 0o755)
    return make_scene(tmp, rpms, base_packages=[build_rpm(tmp / "base", "tools", files=tools)])


@pytest.fixture
def disks() -> Iterator[ExitStack]:
    """What is entered here is left at the end, whatever the test does."""
    with ExitStack() as stack:
        yield stack


def on_disk(
    original: Scene, tmp_path: Path, disks: ExitStack, size: int = 128 * MB, **options: str | int
) -> tuple[Scene, Ballast]:
    """The scene with its sysroot on a file system of its own; /var is on it as well."""
    at = disks.enter_context(disk(tmp_path / "image", tmp_path / "disk", size, **options))  # type: ignore[arg-type]
    subprocess.run(["cp", "-a", str(original.sysroot), str(at / "sysroot")], check=True)
    return replace(original, tmp=tmp_path, sysroot=at / "sysroot"), Ballast(at)


def below(
    scene: Scene, disks: ExitStack, where: str, size: int, *, inodes: int = 0
) -> Ballast:
    """Another file system at a directory of the sysroot, with what the directory had."""
    place, aside = scene.sysroot / where, scene.tmp / "aside"
    place.mkdir(parents=True, exist_ok=True)
    shutil.move(place, aside)
    place.mkdir()
    image = scene.tmp / f"image-{where.replace('/', '-')}"
    disks.enter_context(disk(image, place, size, inodes=inodes))
    subprocess.run(["cp", "-a", f"{aside}/.", str(place)], check=True)
    return Ballast(place)


def assert_whole(scene: Scene) -> None:
    """Every object is right and nothing of an unfinished run lies about."""
    fsck(scene.sysroot / "ostree/repo")
    assert find_leftovers(scene.sysroot) == []


def numbers(said: str, mount: Path) -> re.Match[str]:
    """The numbers of a refusal for one file system."""
    found = re.search(rf"{mount}: ([\d.]+ \wB) needed \((.*?)\), ([\d.]+ \w?B) free", said)
    assert found, said
    return found


def assert_names(said: str, mount: Path) -> None:
    """The file system is named, as full by now or as too small for what is left to do."""
    texts = (rf"{mount} has \d+ bytes and \d+ inodes free by now", rf"{mount}: .* needed")
    assert any(re.search(text, said) for text in texts), said


@pytest.mark.parametrize(("fs", "size"), [("ext4", 128 * MB), ("xfs", XFS_LEAST)])
def test_repository_too_small(
    original: Scene, tmp_path: Path, disks: ExitStack, fs: str, size: int
) -> None:
    scene, ballast = on_disk(original, tmp_path, disks, size, fs=fs)
    ballast.leave(36 * MB)
    said = scene.refuse("install", "big", code=NO_SPACE)
    assert "6.3 MB to download, 7.9 MB of packages, " in numbers(said, tmp_path / "disk")[2]
    assert "pkglayer cleanup --rollback --cache" in said
    assert list((scene.sysroot / CACHE).glob("pkglayer/packages/*")) == []
    done = scene.run("install", "big", "--json", check=False)
    [room] = json.loads(done.stdout)["error"]["space"]
    assert room["mount"] == str(tmp_path / "disk")
    assert room["needed"] + room["reserve"] > room["free"]
    assert abs(room["free"] - 36 * MB) < 4 * MB
    assert sum(need["bytes"] for need in room["needs"]) == room["needed"]
    assert_whole(scene)
    ballast.drop()
    scene.run("install", "big")
    assert "big-1-1" in scene.packages
    assert_whole(scene)


def test_plan_and_forecast_tell_it_and_go_on(
    original: Scene, tmp_path: Path, disks: ExitStack
) -> None:
    scene, ballast = on_disk(original.copy_to(tmp_path), tmp_path, disks)
    fits = query_pkglayer("install", "big", "--dry-run", sysroot=scene.sysroot)["space"]
    assert fits["fits"]
    ballast.leave(20 * MB)
    said = scene.run("install", "big", "--dry-run").stdout
    assert numbers(said, tmp_path / "disk")
    assert "That does not fit: make room" in said
    told = query_pkglayer("forecast", sysroot=scene.sysroot)["space"]
    assert told == {"fits": True, "rooms": []}, "nothing new is nothing to write"
    ballast.drop()
    scene.run("install", "big")
    ballast.leave(20 * MB)
    scene.update_base("2", {"usr/share/new": "x"})
    told = query_pkglayer("forecast", sysroot=scene.sysroot)["space"]
    assert not told["fits"]
    assert "That does not fit" in scene.run("forecast").stdout
    assert "does not fit" in scene.run("status").stdout


def test_no_room_to_download(original: Scene, tmp_path: Path, disks: ExitStack) -> None:
    scene, _ = on_disk(original, tmp_path, disks)
    ballast = below(scene, disks, CACHE, 16 * MB)
    scene.run("install", "big", "--dry-run")
    ballast.leave(4 * MB)
    said = scene.refuse("install", "big", code=NO_SPACE)
    assert "6.3 MB to download" in numbers(said, scene.sysroot / CACHE)[2]
    assert_whole(scene)
    ballast.drop()
    scene.run("install", "big")


def test_no_inodes(original: Scene, tmp_path: Path, disks: ExitStack) -> None:
    scene, ballast = on_disk(original, tmp_path, disks, inodes=8192)
    ballast.leave_inodes(200)
    said = scene.refuse("install", "many", code=NO_SPACE)
    assert re.search(r"\d+ inodes needed, \d+ free", said), said
    assert_whole(scene)
    ballast.drop()
    scene.run("install", "many")


def test_headers_tell_what_the_metadata_did_not(
    original: Scene, tmp_path: Path, disks: ExitStack
) -> None:
    """300 files of a few bytes: nobody would guess that from the size of the package."""
    scene, ballast = on_disk(original, tmp_path, disks, inodes=8192)
    rooms = query_pkglayer("install", "many", "--dry-run", sysroot=scene.sysroot)["space"]["rooms"]
    ballast.leave_inodes(max(r["needed_files"] for r in rooms) + 60)
    said = scene.refuse("install", "many", code=NO_SPACE)
    assert re.search(r"\(2.1 MB of packages\).* 5\d\d inodes needed, \d+ free", said), said
    assert_whole(scene)


def generate_sizes(scene: Scene) -> None:
    """Commit the newest base again, with what its objects take in its metadata."""
    base = scene.base
    run_ostree(
        *("commit", f"--repo={base.repo}", f"--branch={base.ref}", "--generate-sizes"),
        *(f"--tree=ref={base.commit}", f"--timestamp=@{base.timestamp + 60}", "--bootable"),
        f"--add-metadata-string=version={base.version}",
    )


def test_no_room_for_the_next_base(original: Scene, tmp_path: Path, disks: ExitStack) -> None:
    """A plan knows how large it is where the commit says so; else it shows while it is pulled."""
    scene, ballast = on_disk(original.copy_to(tmp_path), tmp_path, disks)
    scene.run("install", "big")
    scene.update_base("2", {"usr/share/large": noise(8 * MB, 5)})
    assert " of the base" not in scene.run("upgrade", "--preview").stdout
    generate_sizes(scene)
    ballast.leave(9 * MB)
    assert re.search(r"8\.\d MB of the base", scene.run("upgrade", "--preview").stdout)
    said = scene.refuse("upgrade", code=NO_SPACE)
    assert_names(said, tmp_path / "disk")
    assert_whole(scene)
    ballast.drop()
    scene.run("upgrade")
    assert 'VERSION_ID="2"' in (scene.next.path / "usr/lib/os-release").read_text()
    assert "big-1-1" in scene.packages


def test_work_directory_on_another_disk(
    original: Scene, tmp_path: Path, disks: ExitStack
) -> None:
    scene, _ = on_disk(original, tmp_path, disks)
    place = scene.sysroot / "ostree/pkglayer"
    disks.enter_context(disk(tmp_path / "image-work", place, 16 * MB))
    said = scene.refuse("install", "big", code=11)
    assert f"{place} is on another file system than the repository" in said
    assert f"unmount {place}" in said


# --- /boot -------------------------------------------------------------------------------------


def with_boot(
    original: Scene, tmp_path: Path, disks: ExitStack
) -> tuple[Scene, Ballast]:
    """The next base has a kernel of 8 MB; /boot is a file system of its own."""
    scene = original.copy_to(tmp_path)
    ballast = below(scene, disks, "boot", 24 * MB)
    scene.update_base("2", {f"{KERNEL}/initramfs.img": noise(8 * MB, 3)})
    return scene, ballast


def test_boot_too_small_for_the_next_kernel(
    original: Scene, tmp_path: Path, disks: ExitStack
) -> None:
    scene, ballast = with_boot(original, tmp_path, disks)
    scene.run("install", "big")
    ballast.leave(5 * MB)
    said = scene.refuse("upgrade", code=NO_SPACE)
    assert "8.4 MB of kernel and initramfs" in numbers(said, scene.sysroot / "boot")[2]
    assert_whole(scene)
    scene.run("kargs", "--append=quiet")  # the kernel is there already
    ballast.drop()
    scene.run("upgrade")
    assert_whole(scene)


def test_boot_too_small_on_a_booted_machine(
    original: Scene, tmp_path: Path, disks: ExitStack
) -> None:
    """Staged it would fail at the shutdown, where nobody sees it."""
    scene, ballast = with_boot(original, tmp_path, disks)
    ballast.leave(5 * MB)
    before = take_snapshot(scene.sysroot)
    done = run_booted(scene.sysroot, "pkglayer upgrade", check=False)
    assert done.returncode == NO_SPACE
    assert "8.4 MB of kernel and initramfs" in numbers(done.stderr, Path("/boot"))[2]
    assert take_snapshot(scene.sysroot) == before
    ballast.drop()
    run_booted(scene.sysroot, "pkglayer upgrade")
    assert 'VERSION_ID="2"' in (scene.next.path / "usr/lib/os-release").read_text()


def test_boot_filled_after_staging(original: Scene, tmp_path: Path, disks: ExitStack) -> None:
    """What nobody can foretell: the shutdown cannot finish, and the state before boots again."""
    scene, ballast = with_boot(original, tmp_path, disks)
    before = scene.states
    fill = "head -c 40M /dev/zero > /boot/ballast || :"
    done = run_booted(scene.sysroot, f"pkglayer upgrade\n{fill}", check=False)
    assert done.returncode != 0
    assert "No space left on device" in done.stderr
    assert scene.states == before
    run_booted(scene.sysroot, "pkglayer status --json > /var/status.json")  # the next start
    shown = json.loads((scene.sysroot / "ostree/deploy/test/var/status.json").read_text())
    assert [d["booted"] for d in shown["deployments"]] == [True]
    assert any("was not put in place" in text for text in shown["notices"])
    ballast.drop()
    run_booted(scene.sysroot, "pkglayer upgrade")
    assert 'VERSION_ID="2"' in (scene.next.path / "usr/lib/os-release").read_text()
    assert_whole(scene)


def test_boot_too_small_for_a_layered_kernel(
    original: Scene, tmp_path: Path, disks: ExitStack
) -> None:
    """How large it is shows when the state is built; the state is not deployed then."""
    scene, ballast = with_boot(original, tmp_path, disks)
    new = "usr/lib/modules/6.9.0-new"
    kernel = build_rpm(
        tmp_path / "mine", "testos-kernel", version="9",
        files={f"{new}/kernel/a.ko": "no module\n", f"{new}/vmlinuz": "kernel\n"},
    )  # fmt: skip
    ballast.leave(5 * MB)
    words = ("override", "replace", kernel, "--no-gpg-check", kernel)
    said = scene.refuse(*words, code=NO_SPACE)
    assert "8.4 MB of kernel and initramfs" in numbers(said, scene.sysroot / "boot")[2]
    assert_whole(scene)
    ballast.drop()
    scene.run(*words)


# --- in the midst of the work ------------------------------------------------------------------


def run_while_filled(scene: Scene, ballast: Ballast, when: str, *words: str) -> tuple[int, str]:
    """Run pkglayer; as soon as a path like `when` is in the sysroot, another fills the disk."""
    command = [sys.executable, "-m", "pkglayer", *words, "--sysroot", str(scene.sysroot)]
    process = subprocess.Popen(
        command, env=clean_environment(), cwd=PROJECT, text=True, start_new_session=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    while process.poll() is None and not any(scene.sysroot.glob(when)):
        time.sleep(0.002)
    assert process.poll() is None, f"it ended before {when} was there"
    os.killpg(process.pid, signal.SIGSTOP)
    ballast.leave(0)
    assert free(ballast.directory) < 64 << 10
    os.killpg(process.pid, signal.SIGCONT)
    said, _ = process.communicate(timeout=300)
    return process.returncode, said


@pytest.mark.parametrize(
    "when",
    [
        "ostree/pkglayer/work-*",
        f"{CACHE}/pkglayer/packages/*.rpm",
        "ostree/repo/tmp/pkglayer-objects-*",
        "ostree/pkglayer/work-*/build-*/upper",
        "ostree/pkglayer/work-*/build-*/upper/usr/share/slow-done",
    ],
)
def test_filled_by_another(
    original: Scene, tmp_path: Path, disks: ExitStack, when: str
) -> None:
    scene, ballast = on_disk(original, tmp_path, disks)
    before = take_snapshot(scene.sysroot)
    code, said = run_while_filled(scene, ballast, when, "install", "slow")
    assert code == NO_SPACE, said
    assert_names(said, tmp_path / "disk")
    assert "Traceback" not in said
    assert take_snapshot(scene.sysroot) == before
    ballast.drop()
    scene.run("install", "slow")
    assert (scene.next.path / "usr/share/slow-done").is_file()
    assert_whole(scene)


def test_filled_by_a_scriptlet(original: Scene, tmp_path: Path, disks: ExitStack) -> None:
    scene, _ = on_disk(original, tmp_path, disks)
    said = scene.refuse("install", "greedy", code=NO_SPACE)
    assert "No space left on device" in said
    assert_whole(scene)
    scene.run("install", "big")


def test_cleaning_up_needs_no_room(original: Scene, tmp_path: Path, disks: ExitStack) -> None:
    """The way out that is named must be open when not one byte is left."""
    scene, ballast = on_disk(original, tmp_path, disks)
    scene.run("install", "big")
    scene.run("uninstall", "big")
    ballast.leave(0)
    scene.run("cleanup", "--rollback", "--cache")
    assert len(scene.states) == 1
    assert free(ballast.directory) > 12 * MB
    assert_whole(scene)
