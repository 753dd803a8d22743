"""Dry runs by a user who is not root: the same plans, nothing of the system written."""

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.support.cli import NOBODY, PROJECT, let_nobody_in, run_pkglayer
from tests.support.ostree import run_ostree
from tests.support.rpms import build_rpm
from tests.support.scene import Scene, make_scene, take_snapshot

MOVES = "The base itself: 1 packages upgraded, 1 packages added."
CACHE = "ostree/deploy/test/var/cache/pkglayer"


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """`foo` is layered, `bar` is on offer; the branch has a newer base with another package."""
    tmp = tmp_path_factory.mktemp("nobody")
    rpms = [build_rpm(tmp, name, files={f"usr/share/{name}": "x"}) for name in ("foo", "bar")]
    based = build_rpm(tmp, "based", files={"usr/share/based": "x"})
    scene = make_scene(tmp, rpms, base_packages=[based])
    scene.run("install", "foo")
    scene.update_base("2", packages=[build_rpm(tmp, "came", files={"usr/share/came": "x"})])
    return scene


def run(
    scene: Scene, *words: str | Path, home: Path | None = None
) -> subprocess.CompletedProcess[str]:
    """Run as nobody, with a home directory of its own."""
    home = home or scene.tmp / "home"
    home.mkdir(exist_ok=True)
    os.chown(home, NOBODY, NOBODY)
    let_nobody_in(scene.tmp)
    return run_pkglayer(
        *words, sysroot=scene.sysroot, user=NOBODY, env={"HOME": str(home)}, cwd=PROJECT,
        check=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("words", "shows"),
    [
        (["install", "-n", "bar"], "  bar-1-1.noarch "),
        (["uninstall", "-n", "foo"], "  foo-1-1.noarch\n"),
        (["upgrade", "-n"], MOVES),
        (["upgrade", "--preview"], MOVES),
        (["rebase", "-n", "origin:test/base"], MOVES),
        (["pin-version", "-n", "foo", "1*"], "No package of the layer changes."),
        (["override", "remove", "-n", "based"], "  remove: based-1-1.noarch removed"),
        (["layer", "apply", "-n"], "No package of the layer changes."),
        (["undo", "-n", "1"], "  - foo  (by command)"),
        (["kargs", "-n", "--append=quiet"], "+ quiet"),
        (["rollback", "-n"], "The next boot would be "),
        (["pin", "-n", "0"], " would be pinned."),
        (["unpin", "-n", "rollback"], " would be not pinned."),
        (["forecast"], "Every request fits."),
        (["why-not", "bar"], "would layer it with 1 packages"),
    ],
)
def test_what_only_reads_needs_no_root(scene: Scene, words: Sequence[str], shows: str) -> None:
    before = take_snapshot(scene.sysroot)
    done = run(scene, *words)
    assert done.returncode == 0, done.stderr
    assert shows in done.stdout
    assert take_snapshot(scene.sysroot) == before
    assert _without_space(done.stdout) == _without_space(scene.run(*words).stdout)


def _without_space(text: str) -> list[str]:
    """What is free changes while we look."""
    return [line for line in text.splitlines() if not line.startswith("Space on ")]


@pytest.mark.parametrize(
    "words",
    [["install", "bar"], ["upgrade"], ["forecast", "--build"], ["deploy", "-n", "2"],
     ["cleanup", "-n"]],
)  # fmt: skip
def test_what_writes_still_does(scene: Scene, words: Sequence[str]) -> None:
    done = run(scene, *words)
    assert (done.returncode, done.stdout) == (13, "")
    assert "needs root" in done.stderr


def test_a_remote_s_signature_counts_for_anybody(scene: Scene) -> None:
    repo = f"--repo={scene.sysroot}/ostree/repo"
    run_ostree("config", repo, "set", 'remote "origin".gpg-verify', "true")
    try:
        done = run(scene, "forecast")
    finally:
        run_ostree("config", repo, "set", 'remote "origin".gpg-verify', "false")
    assert done.returncode == 4
    assert "cannot pull test/base" in done.stderr


@pytest.mark.parametrize("readable", [True, False])
def test_metadata_of_the_system_is_used_where_it_may_be_read(
    scene: Scene, readable: bool
) -> None:
    """Without a network there is no other for somebody who asks for the first time."""
    scene.run("refresh-md")
    metadata = scene.sysroot / CACHE / "metadata"
    metadata.chmod(0o755 if readable else 0o700)
    metadata.parent.chmod(0o755)
    done = run(scene, "install", "-n", "-C", "bar", home=scene.tmp / f"home-{readable}")
    assert ("  bar-1-1.noarch " in done.stdout) == readable
    assert ("never downloaded" in done.stderr) == (not readable)
