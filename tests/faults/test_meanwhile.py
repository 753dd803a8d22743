"""What changes, breaks or was prepared while we work: the branch, the clock, a file that a user
brought, objects of the repository, our own directories."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import IO

import pytest

from pkglayer.model.errors import PackageError
from pkglayer.stages import fetch
from tests.support.cli import read_until, start_pkglayer
from tests.support.keys import make_gpg_key, sign_rpm
from tests.support.ostree import run_ostree
from tests.support.repos import make_repo, repo_file
from tests.support.rpms import build_rpm
from tests.support.scene import Scene, make_scene

YEARS = 5 * 365 * 86400
KEY_FILE = "etc/pki/rpm-gpg/repo.asc"


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """`foo` is layered; `slow` says `started` and takes three seconds."""
    tmp = tmp_path_factory.mktemp("meanwhile")
    rpms = [build_rpm(tmp, name, files={f"usr/share/{name}": name}) for name in ("foo", "bar")]
    rpms.append(build_rpm(tmp, "slow", scripts={"post": "echo started; sleep 3"}))
    scene = make_scene(tmp, rpms, files={"usr/share/shared/mine": "base\n"})
    scene.run("install", "foo")
    return scene


# The branch moves (row 6)


def test_the_branch_moves_between_resolving_and_the_commit(scene: Scene) -> None:
    scene.run("install", "slow")
    second = scene.update_base("2", {"usr/share/two": "2"})
    with start_pkglayer("upgrade", sysroot=scene.sysroot) as running:
        read_until(running, "started")
        third = scene.update_base("3", {"usr/share/three": "3"})
        run_ostree("pull", f"--repo={scene.sysroot}/ostree/repo", "origin", scene.base.ref)
        said = running.stdout.read() if running.stdout else ""
        assert running.wait(60) == 0
    assert f"moved to {third.commit[:12]} meanwhile; this state has {second.commit[:12]}" in said
    assert (scene.next.path / "usr/share/two").exists()
    assert not (scene.next.path / "usr/share/three").exists()
    scene.run("upgrade")
    assert (scene.next.path / "usr/share/three").exists()
    assert {"foo-1-1", "slow-1-1"} <= scene.packages


# The clock is wrong (row 7)


@pytest.fixture(scope="module")
def clock(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int], dict[str, str]]:
    """Gives the environment of a program whose clock is so many seconds off."""
    library = tmp_path_factory.mktemp("clock") / "clock.so"
    source = Path(__file__).with_name("clock.c")
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
    return lambda shift: {"LD_PRELOAD": str(library), "CLOCK_SHIFT": str(shift)}


def test_states_are_in_order_whatever_the_clock_says(
    scene: Scene, clock: Callable[[int], dict[str, str]]
) -> None:
    repo = f"--repo={scene.sysroot}/ostree/repo"
    for shift, version in ((YEARS, "2"), (-YEARS, "3"), (0, "4")):
        scene.update_base(version)
        scene.run("upgrade", "--refresh", env=clock(shift))
        log = run_ostree("log", repo, scene.next.checksum)
        dates = [x.split(None, 1)[1] for x in log.splitlines() if x.startswith("Date:")]
        assert dates == sorted(dates, reverse=True)
        assert dates[0] == dates[1], "a state is as old as its base"
        assert "foo-1-1" in scene.packages
    numbers = [row.split()[0] for row in scene.run("history").stdout.splitlines() if row[0] != " "]
    assert numbers == sorted(numbers, reverse=True)


@pytest.mark.parametrize(
    ("shift", "says"), [(-YEARS, "was made on 20"), (YEARS, "expired on 20")]
)
def test_a_key_and_a_wrong_clock(
    scene: Scene, clock: Callable[[int], dict[str, str]], shift: int, says: str
) -> None:
    key = make_gpg_key(scene.tmp, "repo", expire="1y")
    shutil.rmtree(scene.repo)
    make_repo(scene.repo, [sign_rpm(build_rpm(scene.tmp / "new", "signed"), key)])
    scene.configure(key.public.read_text(), KEY_FILE)
    scene.configure(repo_file("test", scene.repo, gpgcheck=1, gpgkey=f"file:///{KEY_FILE}"))
    done = scene.run("install", "signed", "--refresh", env=clock(shift), check=False)
    assert done.returncode == 5
    assert says in done.stderr
    assert "the clock here says 20" in done.stderr
    assert "set the clock right" in done.stderr
    scene.run("install", "signed", "--refresh")


# A local RPM changes (row 26)

Meanwhile = Callable[[Path, Path], None]


def replace_it(path: Path, other: Path) -> None:
    other.replace(path)


def link_it(path: Path, other: Path) -> None:
    path.unlink()
    path.symlink_to(other)


def remove_it(path: Path, _other: Path) -> None:
    path.unlink()


@pytest.mark.parametrize("change", [replace_it, link_it, remove_it])
def test_the_file_that_was_opened_first_counts(
    tmp_path: Path, change: Meanwhile, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = build_rpm(tmp_path, "mine", files={"usr/share/mine": "mine"})
    other = build_rpm(tmp_path, "other", files={"usr/share/other": "other"})
    content = path.read_bytes()

    def copy(source: IO[bytes], target: IO[bytes], size: int) -> None:
        change(path, other)
        target.write(source.read())

    (tmp_path / "cache").mkdir(0o700)
    monkeypatch.setattr("pkglayer.stages.fetch.shutil.copyfileobj", copy)
    found = fetch.fetch_local(path, cache=tmp_path / "cache", keyring=None)
    with found.file:
        assert found.file.read() == content
    digest = subprocess.run(["sha256sum"], input=content, capture_output=True, check=True).stdout
    assert found.package.checksum == f"sha256:{digest.decode().split()[0]}"
    assert str(found.package.nevra) == "mine-1-1.noarch"


def cut_it(path: Path, _other: Path) -> None:
    os.truncate(path, path.stat().st_size - 100)


def overwrite_it(path: Path, _other: Path) -> None:
    with path.open("r+b") as file:
        file.seek(-100, os.SEEK_END)
        file.write(b"\0" * 100)


@pytest.mark.parametrize("change", [cut_it, overwrite_it])
def test_a_file_that_changes_while_it_is_read(
    tmp_path: Path, change: Meanwhile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half of it is the old, half the new: that is no package."""
    path = build_rpm(tmp_path, "mine", files={"usr/share/mine": os.urandom(10_000)})

    def copy(source: IO[bytes], target: IO[bytes], size: int) -> None:
        target.write(source.read(1000))
        change(path, path)
        target.write(source.read())

    (tmp_path / "cache").mkdir(0o700)
    monkeypatch.setattr("pkglayer.stages.fetch.shutil.copyfileobj", copy)
    with pytest.raises(PackageError):
        fetch.fetch_local(path, cache=tmp_path / "cache", keyring=None)
    assert list((tmp_path / "cache").iterdir()) == []


# Objects of the repository (row 4); calls that fail with EIO are the sweep's


def object_of(scene: Scene, kind: str) -> Path:
    """The file of an object that a new layer needs."""
    repo = scene.sysroot / "ostree/repo"
    if kind == "commit":
        name = scene.base.commit
    else:
        path, column = {"dirtree": ("/usr/share", -3), "file": ("/usr/lib/os-release", -2)}[kind]
        words = ["ls", f"--repo={repo}", "-C", *(["-d"] if kind != "file" else [])]
        name = run_ostree(*words, scene.base.commit, path).split()[column]
    return repo / "objects" / name[:2] / f"{name[2:]}.{kind}"


@pytest.mark.parametrize(
    ("kind", "how"),
    [("commit", "missing"), ("commit", "empty"), ("dirtree", "missing"), ("dirtree", "empty"),
     ("file", "missing")],
)  # fmt: skip
def test_a_damaged_object_of_the_base(scene: Scene, kind: str, how: str) -> None:
    """Empty files are what a crash leaves of objects that were not synced."""
    path = object_of(scene, kind)
    kept = scene.tmp / "kept"
    shutil.move(path, kept)
    if how == "empty":
        path.touch()
    code = scene.run("install", "bar", check=False).returncode
    assert code in (11, 14)
    message = scene.refuse("install", "bar", code=code)
    name = path.parent.name + path.stem
    assert name[:12] in message, message
    assert "Traceback" not in message
    path.unlink(missing_ok=True)
    shutil.move(kept, path)
    scene.run("install", "bar")


def test_a_damaged_import(scene: Scene) -> None:
    """What a kept package needs is gone: it is named, and fetched again where that is possible."""
    repo = scene.sysroot / "ostree/repo"
    refs = run_ostree("refs", f"--repo={repo}", "--list", "pkglayer/pkg").split()
    name = run_ostree("rev-parse", f"--repo={repo}", refs[0]).strip()
    path = repo / "objects" / name[:2] / f"{name[2:]}.commit"
    shutil.move(path, scene.tmp / "kept")
    done = scene.run("install", "bar", check=False)
    assert "Traceback" not in done.stderr
    if done.returncode:
        assert name[:12] in done.stderr
        shutil.move(scene.tmp / "kept", path)
        scene.run("install", "bar")
    assert {"foo-1-1", "bar-1-1"} <= scene.packages


# Our own directories, made beforehand (row 27)


def make_link(path: Path) -> None:
    shutil.move(path, path.with_name("elsewhere"))
    path.symlink_to("elsewhere")


def give_away(path: Path) -> None:
    os.chown(path, 65534, 65534)


def open_up(path: Path) -> None:
    path.chmod(0o777)


def make_file(path: Path) -> None:
    shutil.rmtree(path)
    path.write_text("")


def describe(path: Path) -> tuple[object, ...]:
    info = path.lstat()
    below = sorted(path.iterdir()) if path.is_dir() else []
    return info.st_mode, info.st_uid, info.st_gid, info.st_nlink, below


OURS, CACHE = "ostree/pkglayer", "ostree/deploy/test/var/cache/pkglayer"


@pytest.mark.parametrize(
    ("place", "spoil"),
    [(OURS, make_link), (OURS, give_away), (OURS, open_up), (OURS, make_file),
     (CACHE, give_away), (CACHE, open_up), (CACHE, make_file)],
)  # fmt: skip
def test_a_directory_that_somebody_made_for_us(
    scene: Scene, place: str, spoil: Callable[[Path], None]
) -> None:
    path = scene.sysroot / place
    shutil.rmtree(path)
    path.mkdir(mode=0o700, parents=True)
    spoil(path)
    before = describe(path)
    done = scene.run("install", "bar", "--refresh", check=False)
    assert done.returncode in (1, 11), done.stderr
    assert place.rpartition("/")[2] in done.stderr
    assert "hint: " in done.stderr
    assert place != OURS or "is no directory, not root's, or writable by others" in done.stderr
    assert describe(path) == before
    assert "bar-1-1" not in scene.packages
    path.unlink() if not path.is_dir() or path.is_symlink() else shutil.rmtree(path)
    shutil.rmtree(path.with_name("elsewhere"), ignore_errors=True)
    scene.run("install", "bar", "--refresh")
