"""Kernel arguments of deployments: read, changed, carried along."""

import json
from pathlib import Path

from tests.support.rpms import build_rpm
from tests.support.scene import Scene, make_scene


def _entry(scene: Scene) -> str:
    """The command line of the entry that boots next, as the boot loader reads it."""
    entries = sorted((scene.sysroot / "boot/loader/entries").glob("*.conf"))
    options = [
        line for line in entries[-1].read_text().splitlines() if line.startswith("options ")
    ]
    return options[0].removeprefix("options ")


def _scene(tmp: Path) -> Scene:
    return make_scene(tmp, [build_rpm(tmp / "offer", "extra", files={"usr/bin/extra": "e"})])


def test_changes_them_in_a_state_of_their_own(tmp_path: Path) -> None:
    scene = _scene(tmp_path)
    assert scene.run("kargs").stdout == "root=LABEL=root rw\n"
    scene.run("install", "extra")
    done = scene.run("kargs", "--append=mitigations=auto", "--delete=rw", "--append-if-missing=ro")
    assert done.stdout.splitlines()[:3] == ["- rw", "+ mitigations=auto", "+ ro"]
    assert _entry(scene).startswith("root=LABEL=root mitigations=auto ro ostree=/ostree/boot.")
    assert scene.packages == {"extra-1-1"}
    assert '"spec": "extra"' in scene.next.origin
    assert scene.run("kargs", "--state", "1").stdout == "root=LABEL=root rw\n"


def test_later_states_keep_them(tmp_path: Path) -> None:
    scene = _scene(tmp_path)
    scene.run("kargs", "--append=quiet")
    scene.run("install", "extra")
    scene.update_base("2")
    scene.run("upgrade")
    assert json.loads(scene.run("kargs", "--json").stdout)["kargs"] == [
        "root=LABEL=root", "rw", "quiet"
    ]  # fmt: skip
    scene.run("kargs", "--replace=root=LABEL=other")
    scene.run("rollback")
    assert scene.run("kargs").stdout == "root=LABEL=root rw quiet\n"


def test_changes_nothing_when_it_fails_or_needs_not(tmp_path: Path) -> None:
    scene = _scene(tmp_path)
    said = scene.refuse("kargs", "--append=quiet", "--delete=nosuch", code=2)
    assert "there is no kernel argument 'nosuch'" in said
    assert "No change" in scene.run("kargs", "--append-if-missing=rw").stdout
    assert "dry run" in scene.run("kargs", "--append=quiet", "--dry-run").stdout
    assert len(scene.states) == 1


def test_an_editor_changes_them(tmp_path: Path) -> None:
    scene = _scene(tmp_path)
    editor = tmp_path / "editor"
    editor.write_text('#!/bin/sh\nsed -i "s/^rw$/ro/" "$1"\n')
    editor.chmod(0o755)
    scene.run("kargs", "--editor", env={"EDITOR": str(editor)})
    assert scene.run("kargs").stdout == "root=LABEL=root ro\n"
