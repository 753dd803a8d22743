"""Local RPMs: by address, from standard input, and following a repository."""

import json
import subprocess
import sys
from pathlib import Path

from tests.support.cli import clean_environment
from tests.support.keys import GpgKey, make_gpg_key, sign_rpm
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
        said = scene.refuse("install", f"{server.url}/{rpm.name}", code=5)
        assert f"error: {server.url}/{rpm.name} is not signed" in said


def test_an_unsigned_rpm_from_standard_input_is_called_so(tmp_path: Path) -> None:
    scene = _scene(tmp_path)
    done = subprocess.run(
        [sys.executable, "-m", "pkglayer", "install", "-", "--sysroot", str(scene.sysroot)],
        env=clean_environment(),
        input=_tool(tmp_path / "mine", "1").read_bytes(),
        capture_output=True,
        check=False,
    )
    assert done.returncode == 5
    assert b"error: standard input is not signed" in done.stderr


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
    scene.update_base("2")
    scene.run("upgrade", "--refresh")
    assert scene.packages == {"tool-2-1"}


def _signing_scene(tmp: Path, *, url: str | None = None) -> tuple[Scene, GpgKey, GpgKey]:
    """A base that trusts two keys."""
    keys = [make_gpg_key(tmp, name) for name in ("mine", "other")]
    trusted = {f"etc/pki/rpm-gpg/{n}": k.public.read_text() for n, k in enumerate(keys)}
    scene = make_scene(tmp, [build_rpm(tmp / "offer", "extra")], files=trusted, url=url)
    return scene, keys[0], keys[1]


def test_follows_the_same_key_and_asks_only_once(tmp_path: Path) -> None:
    with http_server(tmp_path) as server:
        scene, mine, other = _signing_scene(tmp_path, url=server.url)
        scene.run("install", sign_rpm(_tool(tmp_path / "mine", "1", ""), mine), "--follow")
        scene.publish(
            sign_rpm(_tool(tmp_path / "offer", "2", ""), mine),
            sign_rpm(_tool(tmp_path / "offer", "3", ""), other),
        )
        [row] = json.loads(scene.run("upgrade", "--refresh", "--json").stdout)["followed"]
        assert (row["local"], row["nevra"]) == ("tool-1-1.noarch", "tool-2-1.noarch")
        assert row["why"] == f"signed by the same key, {mine.fingerprint}"
        assert scene.packages == {"tool-2-1"}
        scene.publish()
        scene.run("install", "extra")
        asked = len(server.requests)
        scene.run("upgrade", "--refresh")
    assert "/repo/tool-2-1.noarch.rpm" not in [r.path for r in server.requests[asked:]]
    assert scene.packages == {"tool-2-1", "extra-1-1"}


def test_a_dry_run_says_what_would_be_followed(tmp_path: Path) -> None:
    scene, mine, _ = _signing_scene(tmp_path)
    scene.run("install", sign_rpm(_tool(tmp_path / "mine", "1", ""), mine), "--follow")
    scene.publish(sign_rpm(_tool(tmp_path / "offer", "2", ""), mine))
    shown = scene.run("upgrade", "--refresh", "--dry-run").stdout
    said = "tool-1-1.noarch: now tool-2-1.noarch: signed by the same key, "
    assert said + mine.fingerprint in shown


def test_stays_without_being_told_to_follow(tmp_path: Path) -> None:
    scene = _scene(tmp_path)
    rpm = _tool(tmp_path / "mine", "1")
    scene.run("install", rpm, "--no-gpg-check", rpm)
    scene.publish(_tool(tmp_path / "offer", "2"))
    shown = scene.run("upgrade").stdout
    assert scene.packages == {"tool-1-1"}
    said = "tool-1-1.noarch: local: test offers tool-2-1.noarch (the same vendor, Acme); the file"
    assert f"{said} was not installed with --follow" in shown
    shown = " ".join(scene.run("status").stdout.split())
    assert "tool-1-1.noarch is a file that was brought, though a repository has something" in shown


def test_says_that_a_stranger_has_something_newer(tmp_path: Path) -> None:
    scene, mine, other = _signing_scene(tmp_path)
    scene.run("install", sign_rpm(_tool(tmp_path / "mine", "1"), mine), "--follow")
    scene.publish(sign_rpm(_tool(tmp_path / "offer", "2", "Somebody"), other))
    [row] = json.loads(scene.run("upgrade", "--refresh", "--json").stdout)["fallbacks"]
    assert (row["nevra"], row["how"]) == ("tool-1-1.noarch", "local")
    assert row["why"].startswith("test offers tool-2-1.noarch, neither known to be of the same")
    assert scene.packages == {"tool-1-1"}
