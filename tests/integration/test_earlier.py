"""The package database as a %pre finds it: what rpm would have installed until then."""

import subprocess
from pathlib import Path

from tests.support.rpms import build_rpm
from tests.support.scene import make_scene
from tests.support.trees import DIR

KEEP = """
mkdir -p /usr/share/{0} && cp /usr/lib/sysimage/rpm/rpmdb.sqlite /usr/share/{0}/  # as rpm sees it
"""


def _seen(tree: Path, name: str) -> set[str]:
    """The packages of a database that a scriptlet kept."""
    query = ["rpm", f"--dbpath={tree}/usr/share/{name}", "-qa", "--qf", "%{name}-%{version}\n"]
    lines = subprocess.run(query, check=True, capture_output=True, text=True).stdout.split()
    return {line for line in lines if not line.startswith("testos-")}


def _asker(tmp: Path, version: str, kinds: tuple[str, ...] = ("pre", "post")) -> Path:
    return build_rpm(
        tmp,
        "asker",
        version=version,
        files={"usr/share/asker": DIR},
        scripts={kind: KEEP.format(f"{kind}-{version}") for kind in kinds},
        extra_spec="Requires(pre): first",
    )


def test_a_pre_sees_what_was_there_before_its_package(tmp_path: Path) -> None:
    scene = make_scene(
        tmp_path,
        [
            _asker(tmp_path / "offer", "1", ("pretrans", "pre", "post")),
            build_rpm(tmp_path / "offer", "first"),
        ],
        base_packages=[build_rpm(tmp_path / "base", "old")],
    )
    scene.run("install", "asker")
    tree = scene.next.path
    assert _seen(tree, "pretrans-1") == {"old-1"}
    assert _seen(tree, "pre-1") == {"old-1", "first-1"}
    assert _seen(tree, "post-1") == {"old-1", "first-1", "asker-1"}


def test_a_pre_of_a_replacement_sees_the_package_that_goes(tmp_path: Path) -> None:
    base = [build_rpm(tmp_path / "base", "first"), _asker(tmp_path / "base", "1")]
    scene = make_scene(tmp_path, [build_rpm(tmp_path / "offer", "x")], base_packages=base)
    newer = _asker(tmp_path / "mine", "2")
    scene.run("override", "replace", newer, "--no-gpg-check", newer)
    tree = scene.next.path
    assert _seen(tree, "pre-2") == {"first-1", "asker-1"}
    assert "asker-2" in _seen(tree, "post-2")
