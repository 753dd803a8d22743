"""Locks: the same commit elsewhere, offline, at another time and under another hostname."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.cli import PROJECT, clean_environment, query_pkglayer, run_pkglayer
from tests.support.ostree import make_base, make_sysroot
from tests.support.repos import make_repo, repo_file
from tests.support.rpms import Entry, build_rpm
from tests.support.trees import File
from tests.support.witness import deployments, run_in


@pytest.fixture
def locked(tmp_path: Path) -> tuple[Path, Path, str]:
    """A sysroot with foo layered, the directory of its packages, and the lock's text."""
    rpms = [
        build_rpm(
            tmp_path / "rpms",
            "foo",
            requires=["bar"],
            files={
                "usr/bin/foo": File("#!/bin/sh\necho foo\n", 0o755),
                "var/lib/foo/x": Entry(File("x", 0o600), user="food"),
            },
            scripts={
                "pre": "getent passwd food >/dev/null || useradd -r food",
                "post": "echo made > /etc/foo.made",
            },
        ),
        build_rpm(tmp_path / "rpms", "bar"),
    ]
    repo = make_repo(tmp_path / "repo", rpms)
    base = make_base(tmp_path, {"etc/yum.repos.d/test.repo": repo_file("test", repo)})
    sysroot = make_sysroot(tmp_path, base)
    run_pkglayer("install", "foo", sysroot=sysroot)
    make_sysroot(tmp_path, base, name="other/place")
    return sysroot, repo, run_pkglayer("lock", "0", sysroot=sysroot).stdout


def under_another_name(*args: str | Path) -> subprocess.CompletedProcess[str]:
    """Run pkglayer with another hostname and in another time zone."""
    script = 'hostname elsewhere && exec "$@"'
    return subprocess.run(
        ["unshare", "--uts", "sh", "-c", script, "-", sys.executable, "-m", "pkglayer", *args],
        env=clean_environment() | {"TZ": "Pacific/Auckland", "PYTHONPATH": str(PROJECT)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_lock_gives_the_same_commit_elsewhere_and_offline(
    locked: tuple[Path, Path, str], tmp_path: Path
) -> None:
    sysroot, repo, text = locked
    other = tmp_path / "other/place"
    lock = tmp_path / "layer.lock"
    lock.write_text(text)
    # The RPMs alone, in a directory without metadata, and no repository to ask.
    bare = tmp_path / "bare"
    bare.mkdir()
    for rpm in repo.glob("*.rpm"):
        rpm.rename(bare / rpm.name)
    done = under_another_name("apply", lock, "--rpms", bare, "--offline", "--sysroot", other)
    assert done.returncode == 0, done.stderr
    assert deployments(other)[0].checksum == deployments(sysroot)[0].checksum
    assert run_in(deployments(other)[0].path, "foo") == "foo\n"
    # The lock of the copy is the same file.
    assert run_pkglayer("lock", "0", sysroot=other).stdout == text


def test_edited_lock_deploys_nothing(locked: tuple[Path, Path, str], tmp_path: Path) -> None:
    _, _, text = locked
    other = tmp_path / "other/place"
    lock = tmp_path / "layer.lock"
    lock.write_text(text.replace('reason = "user"', 'reason = "dependency"'))
    before = deployments(other)
    done = run_pkglayer("apply", lock, sysroot=other, check=False)
    assert done.returncode == 11
    assert "the lock was edited" in done.stderr
    assert deployments(other) == before


def test_overrides_rules_and_what_rests_are_in_the_lock(tmp_path: Path) -> None:
    rpms = [
        build_rpm(tmp_path / "rpms", "foo", scripts={"post": "echo ran > /usr/lib/ran"}),
        build_rpm(tmp_path / "rpms", "based", version="2"),
        build_rpm(tmp_path / "rpms", "gone"),
    ]
    based, gone = build_rpm(tmp_path, "based"), build_rpm(tmp_path, "gone")
    repo = make_repo(tmp_path / "repo", rpms)
    settings = (
        '[[scripts.rules]]\npackage = "foo"\nscriptlet = "post"\naction = "skip"\nreason = "no"\n'
    )
    files = {"etc/yum.repos.d/test.repo": repo_file("test", repo)}
    base = make_base(tmp_path, files, [based, gone])
    sysroot, other = make_sysroot(tmp_path, base), make_sysroot(tmp_path, base, name="other/place")
    etc = deployments(sysroot)[0].path / "etc/pkglayer"
    etc.mkdir(parents=True, exist_ok=True)
    (etc / "pkglayer.toml").write_text(settings)
    run_pkglayer("install", "foo", "based", "--allow-inactive", sysroot=sysroot)
    run_pkglayer("override", "replace", "based", "--from", "test", sysroot=sysroot)
    run_pkglayer("override", "remove", "gone", sysroot=sysroot)
    lock = tmp_path / "layer.lock"
    lock.write_text(run_pkglayer("lock", "0", sysroot=sysroot).stdout)
    assert {"[[override]]", "[[rule]]", "[[inactive]]"} <= set(lock.read_text().splitlines())
    run_pkglayer("apply", lock, sysroot=other)
    assert deployments(other)[0].checksum == deployments(sysroot)[0].checksum
    assert run_pkglayer("lock", "0", sysroot=other).stdout == lock.read_text()


@pytest.mark.parametrize("text", ["", "version = 2", "version = 1\n[state]\ncommit = 'x'", "[["])
def test_what_is_no_lock_is_named(tmp_path: Path, sysroot: Path, text: str) -> None:
    lock = tmp_path / "bad.lock"
    lock.write_text(text)
    done = run_pkglayer("apply", lock, sysroot=sysroot, check=False)
    assert done.returncode == 12
    assert f"{lock} is no lock of a state" in done.stderr


def test_verify_builds_again_and_compares(locked: tuple[Path, Path, str]) -> None:
    sysroot, _, _ = locked
    before = deployments(sysroot)
    data = query_pkglayer("verify", "0", sysroot=sysroot)
    assert data["same"] is True
    assert data["rebuilt"] == before[0].checksum
    assert deployments(sysroot) == before


def test_verify_names_what_varies(tmp_path: Path) -> None:
    clock = build_rpm(
        tmp_path / "rpms", "clock", scripts={"post": "cat /proc/uptime > /usr/lib/born"}
    )
    repo = make_repo(tmp_path / "repo", [clock])
    base = make_base(tmp_path, {"etc/yum.repos.d/test.repo": repo_file("test", repo)})
    sysroot = make_sysroot(tmp_path, base)
    run_pkglayer("install", "clock", sysroot=sysroot)
    kept = deployments(sysroot)[0].checksum
    data = query_pkglayer("verify", "0", sysroot=sysroot, check=False)
    assert data["same"] is False
    assert [d.split()[-1] for d in data["differences"]] == ["/usr/lib/born"]
    assert deployments(sysroot)[0].checksum == kept


def test_lock_of_a_bare_base_is_refused(sysroot: Path) -> None:
    done = run_pkglayer("lock", "0", sysroot=sysroot, check=False)
    assert done.returncode == 11
    assert "bare base" in done.stderr
