"""Whose signature was seen, and what came in without: in plan, record, status and history."""

import json
from pathlib import Path

import pytest

from tests.support.cli import query_pkglayer
from tests.support.keys import GpgKey, sign_rpm
from tests.support.repos import repo_file
from tests.support.rpms import build_rpm
from tests.support.scene import Scene, make_scene

KEY_FILE = "etc/pki/rpm-gpg/test.asc"


@pytest.fixture
def scene(tmp_path: Path, gpg_key: GpgKey) -> Scene:
    """A repository whose packages must be signed by a key of the deployment."""
    signed = sign_rpm(build_rpm(tmp_path, "signed"), gpg_key)
    scene = make_scene(tmp_path, [signed], files={KEY_FILE: gpg_key.public.read_text()})
    scene.configure(repo_file("test", scene.repo, gpgcheck=1, gpgkey=f"file:///{KEY_FILE}"))
    return scene


def test_an_exception_is_recorded_and_told(scene: Scene, tmp_path: Path) -> None:
    mine = build_rpm(tmp_path / "mine", "mine")
    said = scene.run("install", mine, "--no-gpg-check", mine).stdout
    assert "+ mine-1-1.noarch (local RPM)  (by command, signature not checked)" in said
    assert "Signed by\n  not checked: mine-1-1.noarch\n" in said
    record = json.loads((scene.next.path / "usr/lib/pkglayer/record.json").read_text())
    [want] = record["plan"]["request"]["wants"]
    assert (want["spec"], want["no_gpg_check"]) == ("mine-1-1.noarch", True)
    assert "no-gpg-check" in scene.next.origin
    assert "mine-1-1.noarch (local RPM, signature not checked)" in scene.run("status").stdout
    [entry] = query_pkglayer("history", sysroot=scene.sysroot)["entries"]
    assert entry["message"] == "mine-1-1.noarch: signature not checked (--no-gpg-check)"
    assert f"--no-gpg-check {mine}" in entry["command"]


def test_an_exception_stays_with_the_request_and_goes_with_it(
    scene: Scene, tmp_path: Path
) -> None:
    mine = build_rpm(tmp_path / "mine", "mine")
    scene.run("install", mine, "--no-gpg-check", mine)
    scene.update_base("2")
    scene.run("upgrade")
    assert "signature not checked)" in scene.run("status").stdout.split("\n\n")[0]
    assert query_pkglayer("history", sysroot=scene.sysroot)["entries"][0]["message"] == ""
    scene.run("install", "signed")
    scene.run("uninstall", "mine")
    assert "not checked" not in scene.run("status", "--verbose").stdout.split("\n\n")[0]


def test_an_exception_is_for_one_file_only(scene: Scene, tmp_path: Path) -> None:
    mine, other = build_rpm(tmp_path / "a", "mine"), build_rpm(tmp_path / "b", "other")
    message = scene.refuse("install", mine, other, "--no-gpg-check", mine, code=5)
    assert "other-1-1.noarch.rpm is not signed" in message
    message = scene.refuse("install", mine, "--no-gpg-check", other, code=2)
    assert f"--no-gpg-check names {other}, which is not asked for" in message
    message = scene.refuse("install", "signed", "--no-gpg-check", "signed", code=2)
    assert "--no-gpg-check names signed, which is not asked for" in message


def test_the_full_fingerprint_is_in_plan_record_and_status(scene: Scene, gpg_key: GpgKey) -> None:
    assert len(gpg_key.fingerprint) == 40
    assert "Signed by" not in scene.run("install", "signed", "--dry-run").stdout
    said = scene.run("install", "signed").stdout
    assert f"Signed by\n  {gpg_key.fingerprint}: 1 package\n" in said
    record = json.loads((scene.next.path / "usr/lib/pkglayer/record.json").read_text())
    assert [p["key"] for p in record["plan"]["packages"]] == [gpg_key.fingerprint]
    assert gpg_key.fingerprint in scene.run("status", "--verbose").stdout
    data = query_pkglayer("install", "signed", "--idempotent", sysroot=scene.sysroot)
    assert [p["key"] for p in data["packages"]] == [gpg_key.fingerprint]
