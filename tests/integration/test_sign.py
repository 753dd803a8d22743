"""Commits signed with the machine's own key, and what `verify` says of a signature."""

import fcntl
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.keys import GpgKey, make_gpg_key
from tests.support.ostree import run_ostree
from tests.support.rpms import build_rpm
from tests.support.scene import Scene, make_scene
from tests.support.witness import fsck

KEY = "etc/pkglayer/sign.asc"
SIGNATURE = 5


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return make_scene(tmp_path, [build_rpm(tmp_path, "foo"), build_rpm(tmp_path, "bar")])


def gpg(home: Path, *words: str, stdin: str | None = None) -> str:
    """Run gpg in a home of its own, and leave no agent."""
    command = ["gpg", "--homedir", str(home), "--batch", "--quiet", "--pinentry-mode=loopback"]
    done = subprocess.run(
        [*command, *words], input=stdin, capture_output=True, text=True, check=False
    )
    subprocess.run(["gpgconf", "--homedir", str(home), "--kill", "gpg-agent"], check=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def configure(scene: Scene, key: GpgKey | None, *trusted: Path, mode: int = 0o600) -> None:
    """Write the settings as an administrator does."""
    lines = ["[sign]"]
    if key:
        scene.configure(gpg(key.home, "--armor", "--export-secret-keys", key.fingerprint), KEY)
        for state in scene.states:
            (state.path / KEY).chmod(mode)
        lines.append(f'key = "/{KEY}"')
    for path in trusted:
        scene.configure(path.read_text(), f"etc/pkglayer/{path.name}")
    names = ", ".join(f'"/etc/pkglayer/{path.name}"' for path in trusted)
    lines.append(f"trusted = [{names}]")
    scene.configure("\n".join(lines), "etc/pkglayer/pkglayer.toml")


def verify(scene: Scene, code: int) -> tuple[str, str]:
    """What `verify` says in words, and the status in its data."""
    said = scene.run("verify", "0", check=False)
    assert said.returncode == code, said.stdout + said.stderr
    data = json.loads(scene.run("verify", "0", "--json", check=False).stdout)
    assert data["same"] is True
    assert data["signature"]["good"] is (code == 0)
    return said.stdout, data["signature"]["status"]


def signatures(scene: Scene) -> str:
    """What ostree itself shows of the next boot's commit."""
    return run_ostree("show", f"--repo={scene.sysroot}/ostree/repo", scene.next.checksum)


def revoke(key: GpgKey) -> Path:
    """Revoke a key with the certificate that was made along with it; the public key with that."""
    text = (key.home / f"openpgp-revocs.d/{key.fingerprint}.rev").read_text()
    gpg(key.home, "--import", stdin=text.replace(":-----BEGIN", "-----BEGIN"))
    path = key.home.parent / "revoked.asc"
    path.write_text(gpg(key.home, "--armor", "--export", key.fingerprint))
    return path


def test_signed_and_the_checksum_is_the_same(scene: Scene, gpg_key: GpgKey) -> None:
    scene.run("install", "foo")
    unsigned = scene.next.checksum
    assert verify(scene, 0)[1] == "unsigned"
    scene.run("uninstall", "foo")
    configure(scene, gpg_key)
    assert json.loads(scene.run("install", "foo", "--json").stdout)["reused"]
    assert scene.next.checksum == unsigned
    assert "Found 1 signature" in signatures(scene)
    said, status = verify(scene, 0)
    assert f"Signature: signed by {gpg_key.fingerprint}." in said
    assert status == "valid"
    assert "Found 1 signature" in signatures(scene), "building again leaves it alone"
    fsck(scene.sysroot / "ostree/repo")


def is_held(directory: Path) -> bool:
    """Whether a run is still at work with it, or was until now: a test beside this one."""
    try:
        lock = os.open(directory, os.O_RDONLY)
    except FileNotFoundError:
        return True
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False


def test_reused_and_not_signed_twice(scene: Scene, gpg_key: GpgKey) -> None:
    configure(scene, gpg_key)
    scene.run("install", "foo")
    scene.run("install", "bar")
    done = json.loads(scene.run("uninstall", "bar", "--json").stdout)
    assert done["reused"]
    assert "Found 1 signature" in signatures(scene)
    assert [p for p in Path("/run").glob("pkglayer-scratch-*") if not is_held(p)] == []


def test_what_was_there_before_is_signed_by_the_next_change(
    scene: Scene, gpg_key: GpgKey
) -> None:
    scene.run("install", "foo")
    configure(scene, gpg_key)
    said, status = verify(scene, SIGNATURE)
    assert status == "unsigned"
    assert "not signed, though the settings name a key" in said
    scene.run("upgrade", "--idempotent")
    assert verify(scene, 0)[1] == "valid"


def test_another_key_and_the_one_before(scene: Scene, gpg_key: GpgKey, tmp_path: Path) -> None:
    configure(scene, gpg_key)
    scene.run("install", "foo")
    new = make_gpg_key(tmp_path, "new")
    configure(scene, new)
    said, status = verify(scene, SIGNATURE)
    assert status == "other-key"
    assert f"signed by {gpg_key.fingerprint}, which is not among the keys" in said
    configure(scene, new, gpg_key.public)
    assert verify(scene, 0)[1] == "valid"
    configure(scene, None)
    assert verify(scene, 0)[1] == "unchecked"


def test_revoked(scene: Scene, tmp_path: Path) -> None:
    key, other = make_gpg_key(tmp_path, "lost"), make_gpg_key(tmp_path, "next")
    configure(scene, key)
    scene.run("install", "foo")
    revoked = revoke(key)
    configure(scene, other, revoked)
    said, status = verify(scene, SIGNATURE)
    assert status == "revoked"
    assert f"signed by {key.fingerprint}, which has been revoked" in said
    configure(scene, key)
    said = scene.refuse("install", "bar", code=SIGNATURE)
    assert f"cannot be signed with the key {key.fingerprint}" in said
    configure(scene, other, revoked)
    scene.run("upgrade", "--idempotent")
    assert verify(scene, 0)[1] == "valid"


def test_a_signature_from_another_commit(scene: Scene, gpg_key: GpgKey) -> None:
    configure(scene, gpg_key)
    scene.run("install", "foo")
    first = scene.next.checksum
    scene.run("install", "bar")
    objects = scene.sysroot / "ostree/repo/objects"
    theirs, mine = (objects / c[:2] / f"{c[2:]}.commitmeta" for c in (first, scene.next.checksum))
    shutil.copyfile(theirs, mine)
    said, status = verify(scene, SIGNATURE)
    assert status == "bad"
    assert "does not belong to this commit" in said


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644])
def test_a_key_that_others_can_read_is_refused_before_any_work(
    scene: Scene, gpg_key: GpgKey, mode: int
) -> None:
    configure(scene, gpg_key, mode=mode)
    said = scene.refuse("install", "foo", code=12)
    assert f"sign.asc can be read by others (mode {mode:04o})" in said
    assert "Importing" not in said


def test_a_key_that_is_none(scene: Scene, gpg_key: GpgKey) -> None:
    scene.configure('[sign]\nkey = "/etc/pkglayer/none.asc"\n', "etc/pkglayer/pkglayer.toml")
    said = scene.refuse("install", "foo", code=12)
    assert "none.asc cannot be read: No such file or directory" in said
    configure(scene, gpg_key)
    for state in scene.states:
        (state.path / KEY).write_text("no key\n")
    said = scene.refuse("install", "foo", code=12)
    assert "a key cannot be read" in said
    assert "Importing" not in said
    for state in scene.states:
        shutil.copyfile(gpg_key.public, state.path / KEY)
    assert "has 0 secret keys" in scene.refuse("install", "foo", code=12)
