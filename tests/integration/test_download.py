"""download: all that an offline machine needs, checked, and nothing twice."""

import hashlib
import os
from pathlib import Path

import pytest

from tests.support.cli import NOBODY, PROJECT, let_nobody_in, query_pkglayer, run_pkglayer
from tests.support.keys import GpgKey, sign_rpm
from tests.support.ostree import make_sysroot
from tests.support.rpms import build_rpm
from tests.support.scene import Scene, make_scene
from tests.support.servers import Server
from tests.support.witness import deployments, query_rpm

KEYS = "etc/pki/rpm-gpg"


@pytest.fixture
def scene(tmp_path: Path, server: Server, gpg_key: GpgKey) -> Scene:
    """Signed `foo` (which needs `bar`) and `baz` behind a server; `bar` is layered already."""
    rpms = [
        build_rpm(tmp_path / "rpms", "foo", requires=["bar"], files={"usr/bin/foo": "f" * 9000}),
        build_rpm(tmp_path / "rpms", "bar", files={"usr/bin/bar": "b"}),
        build_rpm(tmp_path / "rpms", "baz", files={"usr/bin/baz": "z"}),
    ]
    based = build_rpm(tmp_path / "rpms", "based")
    for rpm in rpms:
        sign_rpm(rpm, gpg_key)
    scene = make_scene(
        tmp_path, rpms, base_packages=[based], url=server.url, repo_options={"gpgcheck": 1}
    )
    scene.configure(gpg_key.public.read_text(), f"{KEYS}/test")
    scene.run("install", "bar")
    return scene


def other_machine(scene: Scene) -> Path:
    """Another machine with the same base; its repositories are the same and not reachable."""
    sysroot = make_sysroot(scene.tmp, scene.base, name="other")
    for repository in (deployments(sysroot)[0].path / "etc/yum.repos.d").iterdir():
        repository.write_text("[test]\nname=test\nbaseurl=http://127.0.0.1:1/\ngpgcheck=1\n")
    return sysroot


def trust(sysroot: Path, key: Path) -> None:
    """What the administrator of that machine does with a key."""
    directory = deployments(sysroot)[0].path / KEYS
    directory.mkdir(parents=True, exist_ok=True)
    (directory / key.name).write_bytes(key.read_bytes())


def names(directory: Path) -> list[str]:
    return sorted(str(p.relative_to(directory)) for p in directory.rglob("*") if p.is_file())


def test_requests_with_all_they_need(scene: Scene, gpg_key: GpgKey) -> None:
    states, usb = scene.states, scene.tmp / "usb"
    done = scene.run("download", "foo", "--to", usb)
    key = f"keys/{gpg_key.fingerprint}.asc"
    assert names(usb) == ["bar-1-1.noarch.rpm", "foo-1-1.noarch.rpm", key]
    for file in usb.glob("*.rpm"):
        assert file.read_bytes() == (scene.repo / file.name).read_bytes()
    assert f"Signed by {key}" in done.stdout
    assert scene.states == states
    other = other_machine(scene)
    trust(other, usb / key)
    run_pkglayer("install", *sorted(usb.glob("*.rpm")), sysroot=other)
    assert {"foo-1-1.noarch", "bar-1-1.noarch"} <= set(query_rpm(deployments(other)[0].path, "-qa"))


def test_a_lock_is_applied_with_no_repository(scene: Scene, gpg_key: GpgKey) -> None:
    scene.run("install", "foo", "baz")
    lock, usb = scene.tmp / "layer.lock", scene.tmp / "usb"
    lock.write_text(scene.run("lock", "0").stdout)
    other = other_machine(scene)
    refused = run_pkglayer("apply", lock, sysroot=other, check=False)
    assert refused.returncode == 4, refused.stderr
    scene.run("download", "--lock", lock, "--to", usb)
    # The keys beside the packages are not trusted by being there.
    refused = run_pkglayer("apply", lock, "--rpms", usb, sysroot=other, check=False)
    assert refused.returncode == 5, refused.stderr
    trust(other, usb / f"keys/{gpg_key.fingerprint}.asc")
    run_pkglayer("apply", lock, "--rpms", usb, sysroot=other)
    assert deployments(other)[0].checksum == scene.next.checksum


def test_keys_that_repositories_name_count_for_a_lock(scene: Scene, gpg_key: GpgKey) -> None:
    lock, usb = scene.tmp / "layer.lock", scene.tmp / "usb"
    lock.write_text(scene.run("lock", "0").stdout)
    scene.run("download", "--lock", lock, "--to", usb)
    other = other_machine(scene)
    etc = deployments(other)[0].path / "etc"
    (etc / "own.asc").write_bytes(gpg_key.public.read_bytes())
    with (etc / "yum.repos.d/test.repo").open("a") as file:
        file.write("gpgkey=file:///etc/own.asc\n")
    run_pkglayer("apply", lock, "--rpms", usb, sysroot=other)
    assert deployments(other)[0].checksum == scene.next.checksum


def test_what_is_there_and_right_is_not_fetched_again(scene: Scene, server: Server) -> None:
    usb = scene.tmp / "usb"
    scene.run("download", "foo", "--to", usb)
    scene.run("cleanup", "--cache")
    (usb / "bar-1-1.noarch.rpm").write_bytes(b"x" * (usb / "bar-1-1.noarch.rpm").stat().st_size)
    server.requests.clear()
    data = query_pkglayer("download", "foo", "--to", usb, sysroot=scene.sysroot)
    assert [p for p in server.paths() if p.endswith(".rpm")] == ["/repo/bar-1-1.noarch.rpm"]
    assert {p["file"]: p["there"] for p in data["packages"]} == {
        "bar-1-1.noarch.rpm": False, "foo-1-1.noarch.rpm": True
    }  # fmt: skip
    for file in usb.glob("*.rpm"):
        assert file.read_bytes() == (scene.repo / file.name).read_bytes()


def test_a_broken_download_is_gone_on_with(scene: Scene, server: Server) -> None:
    usb = scene.tmp / "usb"
    server.fail("/repo/foo-1-1", truncate_at=3000)
    scene.refuse("download", "foo", "--to", usb, code=4)
    assert names(usb) == []
    server.heal()
    scene.run("download", "foo", "--to", usb)
    assert len(list(usb.glob("*.rpm"))) == 2


def test_the_signature_policy_holds_for_what_is_there_too(scene: Scene, server: Server) -> None:
    unsigned = build_rpm(scene.tmp / "more", "plain")
    scene.publish(unsigned)
    usb = scene.tmp / "usb"
    usb.mkdir()
    said = scene.refuse("download", "plain", "--to", usb, "--refresh", code=5)
    assert "plain-1-1.noarch from test is not signed" in said
    assert names(usb) == []
    (usb / "plain-1-1.noarch.rpm").write_bytes(unsigned.read_bytes())
    assert "is not signed" in scene.refuse("download", "plain", "--to", usb, code=5)


def test_dry_run_names_sizes_and_writes_nothing(scene: Scene, server: Server) -> None:
    usb = scene.tmp / "usb"
    server.requests.clear()
    data = query_pkglayer("download", "foo", "based", "--to", usb, "-n", sysroot=scene.sysroot)
    files = [scene.repo / "bar-1-1.noarch.rpm", scene.repo / "foo-1-1.noarch.rpm"]
    assert not usb.exists()
    assert not [p for p in server.paths() if p.endswith(".rpm")]
    assert data["size"] == data["fetched"] == sum(f.stat().st_size for f in files)
    assert [p["checksum"] for p in data["packages"]] == [
        f"sha256:{hashlib.sha256(f.read_bytes()).hexdigest()}" for f in files
    ]
    assert [i["want"]["spec"] for i in data["inactive"]] == ["based"]
    assert "based: the base has based-1-1.noarch" in scene.run(
        "download", "based", "--to", usb).stdout  # fmt: skip


def test_local_packages_of_a_lock_are_asked_for(scene: Scene) -> None:
    own = build_rpm(scene.tmp / "mine", "own")
    scene.run("install", own, "--no-gpg-check", own)
    lock, usb = scene.tmp / "layer.lock", scene.tmp / "usb"
    lock.write_text(scene.run("lock", "0").stdout)
    said = scene.refuse("download", "--lock", lock, "--to", usb, code=4)
    assert "own-1-1.noarch.rpm came as files, and no repository has them" in said
    assert "bar-1-1.noarch.rpm" in names(usb)
    (usb / own.name).write_bytes(own.read_bytes())
    scene.run("download", "--lock", lock, "--to", usb)


def test_what_is_refused(scene: Scene) -> None:
    usb = scene.tmp / "usb"
    assert "name requests, or a lock" in scene.refuse("download", "--to", usb, code=2)
    assert "is a file already" in scene.refuse("download", "./own.rpm", "--to", usb, code=2)
    assert "none" in scene.refuse("download", "none", "--to", usb, code=3)
    lock = scene.tmp / "bad.lock"
    lock.write_text("version = 1\n")
    scene.refuse("download", "--lock", lock, "--to", usb, code=12)
    assert not usb.exists()


def test_needs_no_root(scene: Scene) -> None:
    let_nobody_in(scene.tmp)
    home = scene.tmp / "home"
    home.mkdir()
    os.chown(home, NOBODY, NOBODY)
    run_pkglayer(
        "download", "foo", "--to", home / "usb", sysroot=scene.sysroot, user=NOBODY,
        env={"HOME": str(home)}, cwd=PROJECT,
    )  # fmt: skip
    assert len(list((home / "usb").glob("*.rpm"))) == 2
