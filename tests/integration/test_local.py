"""Local RPMs: by address, from standard input, and following a repository."""

import subprocess
import sys
from pathlib import Path

from tests.support.cli import clean_environment
from tests.support.rpms import build_rpm
from tests.support.scene import Scene, make_scene
from tests.support.servers import http_server


def _tool(tmp: Path, version: str, vendor: str = "Acme") -> Path:
    return build_rpm(
        tmp,
        "tool",
        version=version,
        files={"usr/bin/tool": f"{version}\n"},
        extra_spec=f"Vendor: {vendor}" if vendor else "",
    )


def _scene(tmp: Path) -> Scene:
    return make_scene(tmp, [build_rpm(tmp / "offer", "extra")])


def test_takes_an_rpm_from_an_address_and_needs_it_only_once(tmp_path: Path) -> None:
    scene = _scene(tmp_path)
    rpm = _tool(tmp_path / "www", "1")
    with http_server(tmp_path / "www") as server:
        url = f"{server.url}/{rpm.name}"
        scene.run("install", url, "--no-gpg-check", url)
        said = scene.refuse("install", f"{server.url}/nosuch.rpm", code=4)
    assert "nosuch.rpm cannot be fetched" in said
    assert scene.packages == {"tool-1-1"}
    rpm.unlink()
    scene.update_base("2")
    scene.run("upgrade")
    assert scene.packages == {"tool-1-1"}


def test_an_address_needs_a_signature_as_a_file_does(tmp_path: Path) -> None:
    scene = _scene(tmp_path)
    rpm = _tool(tmp_path / "www", "1")
    with http_server(tmp_path / "www") as server:
        scene.refuse("install", f"{server.url}/{rpm.name}", code=5)


def test_takes_an_rpm_from_standard_input(tmp_path: Path) -> None:
    scene = _scene(tmp_path)
    words = ["install", "-", "--no-gpg-check", "-", "--sysroot", str(scene.sysroot)]
    done = subprocess.run(
        [sys.executable, "-m", "pkglayer", *words],
        env=clean_environment(),
        input=_tool(tmp_path / "mine", "1").read_bytes(),
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert scene.packages == {"tool-1-1"}


def test_follows_the_same_vendor(tmp_path: Path) -> None:
    scene = _scene(tmp_path)
    rpm = _tool(tmp_path / "mine", "1")
    scene.run("install", rpm, "--no-gpg-check", rpm, "--follow")
    scene.publish(_tool(tmp_path / "offer", "3", "Somebody"), _tool(tmp_path / "offer", "2"))
    scene.run("upgrade")
    assert scene.packages == {"tool-2-1"}
    assert '"follow": true' in scene.next.origin


def test_stays_without_being_told_to_follow(tmp_path: Path) -> None:
    scene = _scene(tmp_path)
    rpm = _tool(tmp_path / "mine", "1")
    scene.run("install", rpm, "--no-gpg-check", rpm)
    scene.publish(_tool(tmp_path / "offer", "2"))
    scene.run("upgrade")
    assert scene.packages == {"tool-1-1"}
