"""search, info, refresh-md: what is on offer, and where."""

from pathlib import Path
from typing import Any

import pytest

from tests.support.cli import query_pkglayer
from tests.support.repos import make_repo, repo_file
from tests.support.rpms import build_rpm
from tests.support.scene import REPO_FILE, Scene, make_scene


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    """The base has editor-1; the repository has editor-2, editor-extra, and other versions."""
    rpms = [
        build_rpm(tmp_path, "editor", version="2", files={"usr/share/editor/new": "x"}),
        build_rpm(tmp_path, "editor-extra"),
        build_rpm(tmp_path, "an-editor", version="1"),
        build_rpm(tmp_path, "an-editor", version="3"),
        build_rpm(tmp_path, "player"),
    ]
    return make_scene(tmp_path, rpms, base_packages=[build_rpm(tmp_path, "editor")])


def search(scene: Scene, *terms: str) -> list[tuple[str, tuple[str, ...]]]:
    rows = query_pkglayer("search", *terms, sysroot=scene.sysroot)
    return [(row["package"]["nevra"], tuple(row["places"])) for row in rows]


def info(scene: Scene, *specs: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = query_pkglayer("info", *specs, sysroot=scene.sysroot)
    return rows


def test_search_has_one_row_a_name_with_all_places(scene: Scene) -> None:
    second = make_repo(scene.tmp / "second", [scene.repo / "player-1-1.noarch.rpm"])
    scene.configure(repo_file("second", second), "etc/yum.repos.d/second.repo")
    scene.run("install", "player")
    assert search(scene, "player") == [("player-1-1.noarch", ("layer", "second", "test"))]
    assert search(scene, "EDITOR") == [
        ("editor-2-1.noarch", ("base", "test")),
        ("an-editor-3-1.noarch", ("test",)),
        ("editor-extra-1-1.noarch", ("test",)),
    ]
    lines = scene.run("search", "editor").stdout.splitlines()
    assert [line.partition(":")[0] for line in lines] == [
        "@ editor.noarch (base, test)",
        "  an-editor.noarch (test)",
        "  editor-extra.noarch (test)",
    ]


def test_search_wants_every_word_and_says_nothing_for_none(scene: Scene) -> None:
    assert [nevra for nevra, _ in search(scene, "edit", "extra")] == ["editor-extra-1-1.noarch"]
    done = scene.run("search", "nosuchword")
    assert (done.stdout, done.returncode) == ("", 0)


def test_import_of_another_state_is_told_from_the_layer(scene: Scene) -> None:
    scene.run("install", "player")
    scene.run("uninstall", "player")
    assert search(scene, "player") == [("player-1-1.noarch", ("imported", "test"))]


def test_search_and_info_share_the_parsed_metadata_of_other_verbs(scene: Scene) -> None:
    scene.run("install", "-n", "player")
    cache = scene.sysroot / "ostree/deploy/test/var/cache/pkglayer/solv"
    parsed = {p: p.stat().st_mtime_ns for p in cache.rglob("*.solv")}
    assert [p.name for p in parsed] == ["test.solv"]
    search(scene, "player")
    info(scene, "player")
    assert {p: p.stat().st_mtime_ns for p in cache.rglob("*.solv")} == parsed


def test_info_shows_what_is_there_and_the_newest(scene: Scene) -> None:
    rows = info(scene, "editor", "an-editor")
    assert [(r["package"]["nevra"], r["places"], r["present"]) for r in rows] == [
        ("an-editor-3-1.noarch", ["test"], False),
        ("editor-1-1.noarch", ["base"], True),
        ("editor-2-1.noarch", ["test"], False),
    ]
    assert rows[0]["package"]["download_size"] > 0
    text = scene.run("info", "editor").stdout
    assert text.count("Name     : editor\n") == 2
    assert "Version  : 1-1\n" in text
    assert "From     : the base\n" in text


@pytest.mark.parametrize("spec", ["editor-2-1.noarch", "/usr/share/editor/new", "editor = 2"])
def test_info_takes_specs_as_install_does(scene: Scene, spec: str) -> None:
    assert [row["package"]["nevra"] for row in info(scene, spec)] == ["editor-2-1.noarch"]


def test_info_names_all_that_is_unknown(scene: Scene) -> None:
    told = scene.refuse("info", "editor", "nosuch", "nothing", code=3)
    assert "nothing is called 'nosuch'; nothing is called 'nothing'" in told
    assert "pkglayer search nosuch" in told


def test_refresh_md_asks_whatever_the_age(scene: Scene) -> None:
    scene.configure(repo_file("test", scene.repo, metadata_expire="never"))
    scene.run("refresh-md")
    assert search(scene, "fresh") == []
    scene.publish(build_rpm(scene.tmp, "fresh"))
    assert search(scene, "fresh") == [], "the metadata have not expired"
    [row] = query_pkglayer("refresh-md", sysroot=scene.sysroot)
    assert (row["id"], row["problem"]) == ("test", "")
    assert row["timestamp"] > 0
    assert [nevra for nevra, _ in search(scene, "fresh")] == ["fresh-1-1.noarch"]


def test_refresh_md_tells_what_is_down_and_fails_when_all_are(scene: Scene) -> None:
    down = repo_file("down", "http://127.0.0.1:9/")
    scene.configure(down, "etc/yum.repos.d/down.repo")
    found = query_pkglayer("refresh-md", sysroot=scene.sysroot)
    rows = {row["id"]: row["problem"] for row in found}
    assert rows["test"] == ""
    assert "127.0.0.1" in rows["down"]
    assert "down: " in scene.run("refresh-md").stdout
    scene.configure("", REPO_FILE)
    told = scene.refuse("refresh-md", code=4)
    assert "no repository could be reached: down: " in told
