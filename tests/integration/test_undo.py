"""undo: one change of the history taken back, while the base and newer requests stay."""

import shutil
from pathlib import Path

import pytest

from tests.support.cli import query_pkglayer
from tests.support.ostree import run_ostree
from tests.support.rpms import build_rpm
from tests.support.scene import Scene, make_scene

LAYER = "etc/pkglayer/layers.d/mine.toml"


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """Change 1 asked for `foo`, 2 for `bar`; the base has `based`."""
    tmp = tmp_path_factory.mktemp("undo")
    rpms = [build_rpm(tmp, name, files={f"usr/share/{name}": "x"}) for name in
            ("foo", "bar", "baz")]  # fmt: skip
    rpms.append(build_rpm(tmp, "based", version="2", files={"usr/share/based": "y"}))
    based = build_rpm(tmp, "based", files={"usr/share/based": "x"})
    scene = make_scene(tmp, rpms, base_packages=[based])
    scene.run("install", "foo")
    scene.run("install", "bar")
    return scene


@pytest.fixture
def scene(original: Scene, tmp_path: Path) -> Scene:
    """A copy for each test."""
    return original.copy_to(tmp_path)


def test_newer_base_and_newer_requests_stay(scene: Scene) -> None:
    scene.update_base("2")
    scene.run("upgrade")
    done = scene.run("undo", "1", "--comment", "was not it")
    assert "  - foo\n" in done.stdout
    assert scene.packages == {"based-1-1", "bar-1-1"}
    assert query_pkglayer("status", sysroot=scene.sysroot)["deployments"][0]["base"][
        "version"] == "2"  # fmt: skip
    [entry, *_] = query_pkglayer("history", sysroot=scene.sysroot)["entries"]
    assert entry["message"].startswith("takes back change 1: pkglayer install foo")
    assert entry["comment"] == "was not it"
    assert [row["name"] for row in entry["changes"]] == ["foo"]


def test_removing_needs_no_network(scene: Scene) -> None:
    shutil.rmtree(scene.repo)
    shutil.rmtree(scene.sysroot / "ostree/deploy/test/var/cache")
    scene.run("undo", "1")
    assert scene.packages == {"based-1-1", "bar-1-1"}


def test_the_last_request_leaves_the_bare_base(scene: Scene) -> None:
    scene.run("undo", "1")
    scene.run("undo", "2")
    assert scene.next.checksum == scene.base.commit


def test_dropped_requests_come_back_as_they_were(scene: Scene) -> None:
    scene.run("install", "baz", "--on-conflict", "skip", "--no-recommends")
    before, origin = scene.next, scene.next.origin
    scene.run("uninstall", "--all")
    data = query_pkglayer("undo", "4", sysroot=scene.sysroot)
    assert scene.next.checksum == before.checksum
    assert scene.next.origin == origin
    assert sorted(row["name"] for row in data["undo"]["undone"]) == ["bar", "baz", "foo"]
    assert data["changed"] is True


def test_altered_requests_are_as_before(scene: Scene) -> None:
    before = scene.next.origin
    scene.run("pin-version", "foo", "1*")
    assert scene.next.origin != before
    scene.run("undo", "3")
    assert scene.next.origin == before


def test_undo_of_an_undo(scene: Scene) -> None:
    before = scene.next
    scene.run("undo", "1")
    scene.run("undo", "3")
    assert scene.next.checksum == before.checksum
    # It is what change 1 asked for again, and can be taken back again, either way.
    scene.run("undo", "1")
    assert scene.packages == {"based-1-1", "bar-1-1"}
    assert "by change 5 (pkglayer undo 1" in scene.run("undo", "1").stdout
    scene.run("undo", "5")
    scene.run("undo", "4")
    assert scene.packages == {"based-1-1", "bar-1-1"}


def test_what_is_dropped_already_needs_nothing(scene: Scene) -> None:
    scene.run("uninstall", "foo")
    states = scene.states
    done = scene.run("undo", "1")
    assert "foo: nothing to do, taken back already, by change 3 (pkglayer uninstall" in done.stdout
    assert done.stdout.endswith("No change.\n")
    data = query_pkglayer("undo", "1", sysroot=scene.sysroot)
    assert (data["changed"], [r["name"] for r in data["undo"]["over"]]) == (False, ["foo"])
    assert scene.states == states


def test_a_younger_change_of_the_same_thing_is_named(scene: Scene) -> None:
    scene.run("pin-version", "foo", "1*")
    said = scene.refuse("undo", "1", code=2)
    assert "foo is asked for in another way since, by change 3 (pkglayer pin-version foo" in said
    assert ": pkglayer undo 3\n  or: pkglayer uninstall foo" in said
    # The way out leads out.
    scene.run("undo", "3")
    scene.run("undo", "1")
    assert scene.packages == {"based-1-1", "bar-1-1"}


def test_asked_for_again_is_a_newer_request(scene: Scene) -> None:
    scene.run("uninstall", "foo")
    scene.run("install", "foo")
    assert "by change 4 (pkglayer install foo" in scene.refuse("undo", "1", code=2)


def test_all_of_a_change_or_nothing(scene: Scene) -> None:
    scene.run("uninstall", "foo", "bar")
    scene.run("install", "foo", "--no-recommends")
    assert "by change 4" in scene.refuse("undo", "3", code=2)
    assert scene.packages == {"based-1-1", "foo-1-1"}


def test_dry_run(scene: Scene) -> None:
    states, count = scene.states, len(query_pkglayer("history", sysroot=scene.sysroot)["entries"])
    done = scene.run("undo", "1", "--dry-run")
    assert "Removing 1 package\n  foo-1-1.noarch" in done.stdout
    assert "this was a dry run" in done.stdout
    assert scene.states == states
    assert len(query_pkglayer("history", sysroot=scene.sysroot)["entries"]) == count


def test_kernel_arguments_go_back_to_their_place(scene: Scene) -> None:
    scene.run("kargs", "--replace=root=LABEL=other", "--append=quiet")
    scene.run("kargs", "--append=debug")
    checksum = scene.next.checksum
    assert "- kernel argument quiet" in scene.run("undo", "3", "--dry-run").stdout
    assert scene.run("kargs").stdout == "root=LABEL=other rw quiet debug\n"
    scene.run("undo", "3")
    assert scene.run("kargs").stdout == "root=LABEL=root rw debug\n"
    assert scene.next.checksum == checksum
    scene.run("kargs", "--replace=debug=2")
    said = scene.refuse("undo", "4", code=2)
    assert "kernel argument debug is asked for in another way since, by change 6" in said


def test_a_rollback_is_taken_back_with_all_that_it_dropped(scene: Scene) -> None:
    scene.run("kargs", "--append=quiet")
    scene.run("pin", "1")
    scene.run("install", "baz")
    run_ostree("admin", "undeploy", f"--sysroot={scene.sysroot}", "1")
    scene.run("rollback")
    [entry, *_] = query_pkglayer("history", sysroot=scene.sysroot)["entries"]
    assert {row["name"] for row in entry["changes"]} == {"quiet", "baz"}
    scene.update_base("2")
    scene.run("upgrade")
    base = query_pkglayer("status", sysroot=scene.sysroot)["deployments"][0]["base"]
    scene.run("undo", str(entry["number"]))
    assert scene.packages == {"based-1-1", "foo-1-1", "bar-1-1", "baz-1-1"}
    assert scene.run("kargs").stdout == "root=LABEL=root rw quiet\n"
    [newest, *_] = query_pkglayer("status", sysroot=scene.sysroot)["deployments"]
    assert newest["base"] == base


def test_overrides(scene: Scene) -> None:
    scene.run("override", "remove", "based")
    scene.run("install", "baz")
    scene.run("undo", "3")
    assert scene.packages == {"based-1-1", "foo-1-1", "bar-1-1", "baz-1-1"}
    scene.run("override", "remove", "based")
    scene.run("override", "reset", "based")
    scene.run("undo", "7")
    assert scene.packages == {"foo-1-1", "bar-1-1", "baz-1-1"}
    scene.run("override", "replace", "based", "--from", "test")
    assert "based-2-1" in scene.packages
    # A replacement took the place of the removal, which therefore comes back.
    scene.run("undo", "9", "--offline")
    assert scene.packages == {"foo-1-1", "bar-1-1", "baz-1-1"}


def test_on_a_base_that_something_else_put_first(scene: Scene) -> None:
    scene.update_base("2")
    run_ostree("admin", "upgrade", f"--sysroot={scene.sysroot}", "--os=test")
    assert scene.packages == {"based-1-1"}
    scene.run("undo", "1")
    assert scene.packages == {"based-1-1", "bar-1-1"}
    [newest, *_] = query_pkglayer("status", sysroot=scene.sysroot)["deployments"]
    assert newest["base"]["version"] == "2"


def test_a_replaced_local_rpm_comes_back_or_is_asked_for(scene: Scene, tmp_path: Path) -> None:
    old, new = (build_rpm(tmp_path / "mine", "own", version=v) for v in "12")
    scene.run("install", old, "--no-gpg-check", old)
    scene.run("install", new, "--no-gpg-check", new)
    scene.run("undo", "4")
    assert "own-1-1" in scene.packages
    scene.run("undo", "3")
    scene.run("install", "baz")
    scene.run("cleanup", "--rollback")
    said = scene.refuse("undo", "6", code=11)
    assert "own-1-1.noarch came as a file that no state keeps any more" in said
    assert "pkglayer install ./own-1-1.noarch.rpm" in said


def test_layers_and_bases_are_taken_back_elsewhere(scene: Scene) -> None:
    scene.configure('packages = ["baz"]\n', LAYER)
    scene.run("layer", "apply")
    said = scene.refuse("undo", "3", code=2)
    assert "edit /etc/pkglayer/layers.d/mine.toml (one there masks the base's), then:" in said
    old = scene.base.commit
    scene.update_base("2")
    scene.run("upgrade")
    assert f"pkglayer deploy {old}" in scene.refuse("undo", "5", code=2)


def test_what_cannot_be_taken_back(scene: Scene) -> None:
    scene.run("install", "none", check=False)
    scene.run("pin", "0")
    assert "the history has no change 99" in scene.refuse("undo", "99", code=2)
    assert "change 3 (pkglayer install none" in scene.refuse("undo", "3", code=2)
    assert "asked for nothing in another way" in scene.refuse("undo", "4", code=2)


def test_a_request_that_does_not_fit_any_more_changes_nothing(scene: Scene) -> None:
    scene.run("uninstall", "foo")
    scene.run("cleanup", "--rollback")
    (scene.repo / "foo-1-1.noarch.rpm").unlink()
    scene.publish()
    assert "foo" in scene.refuse("undo", "3", "--refresh", code=3)
