"""Rows that an administrator or a layer writes about scriptlets, down to the state."""

import json
from pathlib import Path

from tests.support.rpms import build_rpm
from tests.support.scene import Scene, make_scene

SETTINGS = "etc/pkglayer/pkglayer.toml"
SKIP = '[[scripts.rules]]\npackage = "bad"\nscriptlet = "p*t"\naction = "skip"\nreason = "fails"\n'
LIMIT = '[[scripts.rules]]\npackage = "bad"\naction = "run"\ntimeout = 1\nreason = "waits"\n'
LAYER = """packages = ["bad"]
[[scripts]]
package = "bad"
action = "replace"
body = "echo replaced $1 > /usr/share/replaced"
reason = "ours is better"
"""


def _scene(tmp: Path, post: str = "exit 1") -> Scene:
    bad = build_rpm(tmp / "offer", "bad", scripts={"post": post})
    other = build_rpm(tmp / "offer", "other", scripts={"post": "touch /usr/share/other"})
    return make_scene(tmp, [bad, other])


def test_a_failing_scriptlet_can_be_skipped_and_status_says_why(tmp_path: Path) -> None:
    scene = _scene(tmp_path)
    assert "man pkglayer.toml" in scene.refuse("install", "bad", "other", code=8)
    scene.configure(SKIP, SETTINGS)
    scene.run("install", "bad", "other")
    assert (scene.next.path / "usr/share/other").exists()
    shown = scene.run("status").stdout
    assert "Scriptlets  %post of bad-1-1.noarch not run: fails (settings)" in shown
    [ruling] = json.loads(scene.run("status", "--json").stdout)["deployments"][0]["rulings"]
    assert (ruling["kind"], ruling["action"], ruling["reason"]) == ("post", "skip", "fails")


def test_a_scriptlet_has_a_time_limit_of_its_own(tmp_path: Path) -> None:
    scene = _scene(tmp_path, "sleep 100")
    scene.configure(LIMIT, SETTINGS)
    assert "exceeded the limit on time" in scene.refuse("install", "bad", code=8)


def test_a_layer_brings_rules_and_changing_them_builds_anew(tmp_path: Path) -> None:
    scene = _scene(tmp_path)
    scene.configure(LAYER, "etc/pkglayer/layers.d/bad.toml")
    scene.run("layer", "apply")
    assert (scene.next.path / "usr/share/replaced").read_text() == "replaced 1\n"
    assert "replaced: ours is better (layer bad)" in scene.run("status").stdout
    assert scene.run("reconcile").stdout == ""
    scene.configure(LAYER.replace("replaced $1", "anew"), "etc/pkglayer/layers.d/bad.toml")
    scene.run("reconcile")
    assert (scene.next.path / "usr/share/replaced").read_text() == "anew\n"


def test_settings_come_before_layers(tmp_path: Path) -> None:
    scene = _scene(tmp_path)
    scene.configure(LAYER, "etc/pkglayer/layers.d/bad.toml")
    scene.configure(SKIP, SETTINGS)
    scene.run("layer", "apply")
    assert not (scene.next.path / "usr/share/replaced").exists()
    assert "not run: fails (settings)" in scene.run("status").stdout
