"""status: what a person and a program are told of every state."""

import shutil
from pathlib import Path

import pytest

from tests.support.cli import NOBODY, PROJECT, let_nobody_in, query_pkglayer, run_pkglayer
from tests.support.rpms import build_rpm
from tests.support.scene import Scene, make_scene

LAYER = "etc/pkglayer/layers.d/mine.toml"
STATE_KEYS = {
    "accounts", "base", "booted", "commit", "digest", "inactive", "index", "layered", "notes",
    "origin", "packages", "pinned", "problem", "requests", "role", "root", "scripts", "serial",
    "skipped", "staged", "stateroot",
}  # fmt: skip


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """One request by command with a dependency, one of a layer, one inactive, one local RPM."""
    tmp = tmp_path_factory.mktemp("status")
    let_nobody_in(tmp)
    rpms = [
        build_rpm(tmp, "foo", requires=["libfoo"], files={"usr/share/foo": "x"}),
        build_rpm(tmp, "libfoo", files={"usr/lib/libfoo": "x"}),
        build_rpm(tmp, "bar", files={"usr/share/bar": "x"}),
    ]
    based = build_rpm(tmp, "based", files={"usr/share/based": "x"})
    scene = make_scene(tmp, rpms, base_packages=[based],
                       files={LAYER: 'packages = ["bar"]\n'})  # fmt: skip
    local = build_rpm(tmp / "mine", "mine", files={"usr/share/mine": "x"})
    words: list[str | Path] = ["foo", "based", local, "--allow-inactive", "--no-gpg-check", local]
    scene.run("install", *words)
    return scene


@pytest.fixture
def scene(original: Scene, tmp_path: Path) -> Scene:
    """A copy for each test that changes something."""
    return original.copy_to(tmp_path)


def test_text_tells_all(original: Scene) -> None:
    next_boot, rollback = original.run("status").stdout.split("\n\n")
    lines = [" ".join(line.split()) for line in next_boot.splitlines()]
    assert lines[0] == "0 next boot"
    assert "Base origin:test/base, version 1, of 2023-11-14 22:13 UTC" in lines
    assert f"Base commit {original.base.commit}" in lines
    assert f"Commit {original.next.checksum}" in lines
    text = " ".join(lines)
    assert "foo, mine-1-1.noarch (local RPM, signature not checked) (by command)" in text
    assert "bar (by layer mine)" in text
    assert "Inactive based: the base has based-1-1.noarch" in text
    assert "Layered 4 packages" in text
    assert rollback.splitlines()[0].split() == ["1", "rollback"]


def test_data_is_complete_and_its_keys_are_stable(original: Scene) -> None:
    data = query_pkglayer("status", sysroot=original.sysroot)
    assert set(data) == {"version", "stateroot", "booted", "deployments", "notices"}
    assert (data["version"], data["stateroot"], data["booted"]) == (1, "test", None)
    first, second = data["deployments"]
    assert set(first) >= STATE_KEYS
    assert set(second) >= STATE_KEYS
    assert first["commit"] == original.next.checksum
    assert first["base"] == {
        "commit": original.base.commit, "refspec": "origin:test/base", "timestamp": 1700000000,
        "version": "1",
    }  # fmt: skip
    assert [(r["spec"], r["source"], r["kind"]) for r in first["requests"]] == [
        ("bar", "layer:mine", "package"),
        ("based", "command", "package"),
        ("foo", "command", "package"),
        ("mine-1-1.noarch", "command", "local"),
    ]
    assert {p["nevra"]: (p["reason"], p["requests"]) for p in first["packages"]} == {
        "bar-1-1.noarch": ("user", ["bar"]),
        "foo-1-1.noarch": ("user", ["foo"]),
        "libfoo-1-1.noarch": ("dependency", ["foo"]),
        "mine-1-1.noarch": ("user", ["mine-1-1.noarch"]),
    }
    assert (second["layered"], second["packages"], second["requests"]) == (False, [], [])


def test_needs_no_root_and_writes_nothing(original: Scene) -> None:
    before = sorted((str(p), p.lstat().st_mtime_ns) for p in original.sysroot.rglob("*"))
    done = run_pkglayer(
        "status", sysroot=original.sysroot, user=NOBODY, env={"HOME": "/nonexistent"}, cwd=PROJECT,
        check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == original.run("status").stdout
    assert sorted((str(p), p.lstat().st_mtime_ns) for p in original.sysroot.rglob("*")) == before


def test_corrupt_record_is_told_and_not_guessed(scene: Scene) -> None:
    path = scene.next.path / "usr/lib/pkglayer/record.json"
    text = path.read_text()
    path.unlink()
    path.write_text(text[: len(text) // 2])
    assert "the state's record" in scene.run("status").stdout
    state = query_pkglayer("status", sysroot=scene.sysroot)["deployments"][0]
    assert "cannot be read" in state["problem"]
    message = scene.refuse("install", "libfoo", code=11)
    assert "the next boot's state cannot be read" in message
    assert "pkglayer rollback" in message
    scene.run("rollback")
    scene.run("install", "libfoo")


def test_origin_of_a_newer_version(scene: Scene) -> None:
    path = scene.next.path
    origin = path.with_name(path.name + ".origin")
    origin.write_text(origin.read_text().replace("version=1", "version=99"))
    message = scene.refuse("install", "libfoo", code=11)
    assert "version '99'" in message


def test_record_of_a_newer_version(scene: Scene) -> None:
    path = scene.next.path / "usr/lib/pkglayer/record.json"
    text = path.read_text()
    path.unlink()
    path.write_text(text.replace('"version": 1\n', '"version": 99\n'))
    assert "has version 99" in scene.run("status").stdout


def test_every_state_without_packages_or_origin(scene: Scene) -> None:
    path = scene.states[1].path
    path.with_name(path.name + ".origin").unlink()
    shutil.rmtree(scene.repo)
    data = query_pkglayer("status", sysroot=scene.sysroot)
    assert [s["index"] for s in data["deployments"]] == [0, 1]
