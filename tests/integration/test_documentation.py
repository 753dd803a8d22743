"""documentation = false: the files that `rpm --nodocs` leaves out, and its states of them."""

import json
import subprocess
from pathlib import Path

from tests.support.rpms import Entry, RpmTree, build_rpm
from tests.support.scene import make_scene
from tests.support.trees import Dir, File
from tests.support.witness import query_rpm

SETTINGS = "etc/pkglayer/pkglayer.toml"
STATES = ("-q", "--qf", "[%{FILENAMES} %{FILESTATES}\n]", "tool")


def _doc(text: str) -> Entry:
    return Entry(File(text), tag="%doc")


FILES: RpmTree = {
    "usr/bin/tool": File("x"),
    "usr/share/man/man1/tool.1": _doc("manual"),
    "usr/share/doc/tool/README": _doc("read"),
    "usr/share/doc/tool": Entry(Dir()),
    "usr/share/doc/mixed": Entry(Dir()),
    "usr/share/doc/mixed/page": _doc("page"),
    "usr/share/doc/mixed/data": File("data"),
    "usr/share/licenses/tool": Entry(File("licence"), tag="%license"),
}


def test_files_and_states_are_those_of_rpm(tmp_path: Path) -> None:
    tool = build_rpm(tmp_path / "offer", "tool", files=FILES)
    scene = make_scene(tmp_path, [tool])
    scene.configure("[packages]\ndocumentation = false\n", SETTINGS)
    scene.run("install", "tool")
    root = tmp_path / "rpm"
    command = ["rpm", "--root", str(root), "-i", "--nodocs", "--nodeps", "--nosignature", str(tool)]
    subprocess.run(command, check=True)
    here, there = (
        {path for path in FILES if (tree / path).exists()} for tree in (scene.next.path, root)
    )
    assert here == there
    assert "usr/bin/tool" in here
    assert "usr/share/doc/tool" not in here
    theirs = subprocess.run(
        ["rpm", "--root", str(root), *STATES], check=True, text=True, capture_output=True
    )
    assert query_rpm(scene.next.path, *STATES) == theirs.stdout.splitlines()
    assert query_rpm(scene.next.path, "-V", "--nomtime", "tool") == []
    notes = json.loads(scene.run("status", "--json").stdout)["deployments"][0]["notes"]
    assert any("documentation = false" in note["why"] for note in notes)


def test_the_setting_is_part_of_the_state(tmp_path: Path) -> None:
    scene = make_scene(tmp_path, [build_rpm(tmp_path / "offer", "tool", files=FILES)])
    scene.run("install", "tool")
    assert (scene.next.path / "usr/share/man/man1/tool.1").exists()
    scene.configure("[packages]\ndocumentation = false\n", SETTINGS)
    scene.run("reconcile")
    assert not (scene.next.path / "usr/share/man/man1/tool.1").exists()
    lock = tmp_path / "layer.lock"
    lock.write_text(scene.run("lock").stdout)
    assert "documentation = false" in lock.read_text()
    scene.configure("", SETTINGS)
    commit = scene.next.checksum
    scene.run("apply", str(lock))
    assert scene.next.checksum == commit
    assert "The same commit" in scene.run("verify").stdout


def test_documents_that_stay_away_clash_with_nothing(tmp_path: Path) -> None:
    one, two = (
        build_rpm(tmp_path / "offer", name, files={"usr/share/doc/x": _doc(name)})
        for name in ("one", "two")
    )
    scene = make_scene(tmp_path, [one, two])
    assert "usr/share/doc/x" in scene.refuse("install", "one", "two", code=7)
    scene.configure("[packages]\ndocumentation = false\n", SETTINGS)
    scene.run("install", "one", "two")
    assert not (scene.next.path / "usr/share/doc/x").exists()
