"""Forged packages are broken as ordered and whole in all else, as rpm itself sees them."""

import subprocess
from pathlib import Path

import pytest

from tests.support.forge import UNCOMPRESSED, forge_rpm, set_tag, swap
from tests.support.keys import GpgKey, sign_rpm
from tests.support.ostree import ENVIRONMENT
from tests.support.rpms import build_rpm

NAME_TAG = 1000


def run_rpm(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, env=ENVIRONMENT, capture_output=True, text=True, check=False)


def query_size(path: Path) -> int:
    return int(run_rpm("rpm", "--nosignature", "-qp", "--qf", "%{SIGSIZE}", path).stdout)


def build_climber(tmp: Path) -> Path:
    files = {"usr/share/aaaa/shadow": "x"}
    path = build_rpm(tmp, "climber", files=files, macros=UNCOMPRESSED)
    climb = swap(b"/usr/share/aaaa/", b"/usr/../../etc//")
    return forge_rpm(path, header=climb, payload=climb)


def test_path_that_climbs_out(tmp_path: Path) -> None:
    path = build_climber(tmp_path)
    done = run_rpm("rpmkeys", "--nosignature", "--checksig", "-v", path)
    assert done.returncode == 0, done.stdout
    assert "Payload SHA256 digest: OK" in done.stdout
    assert "MD5 digest: OK" in done.stdout
    assert run_rpm("rpm", "-qpl", path).stdout == "/usr/../../etc//shadow\n"
    assert b"./usr/../../etc//shadow" in path.read_bytes()


def test_forged_package_can_be_signed(tmp_path: Path, gpg_key: GpgKey) -> None:
    path = sign_rpm(build_climber(tmp_path), gpg_key)
    keys = ["--dbpath", str(tmp_path / "db"), f"--define=_keyringpath {tmp_path}/keys"]
    assert run_rpm("rpmkeys", *keys, "--import", gpg_key.public).returncode == 0
    done = run_rpm("rpmkeys", *keys, "--define=_pkgverify_level all", "--checksig", path)
    assert done.stdout == f"{path}: digests signatures OK\n"


@pytest.mark.parametrize("count", [2**31, 2**32 - 1])
def test_tag_that_lies(tmp_path: Path, count: int) -> None:
    path = forge_rpm(
        build_rpm(tmp_path, "liar", files={"x": ""}), header=set_tag(NAME_TAG, count=count)
    )
    done = run_rpm("rpm", "-qp", path)
    assert done.returncode != 0
    assert "liar" not in done.stdout


def test_payload_of_other_length(tmp_path: Path) -> None:
    whole = build_rpm(tmp_path, "cut", files={"x": "y" * 5000}, macros=UNCOMPRESSED)
    size, told = whole.stat().st_size, query_size(whole)
    path = forge_rpm(whole, payload=lambda payload: payload[:-1000])
    assert path.stat().st_size == size - 1000
    assert "NOT OK" not in run_rpm("rpmkeys", "--nosignature", "--checksig", path).stdout
    assert query_size(path) == told - 1000


def test_swap_insists(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="length"):
        swap(b"a", b"bb")
    with pytest.raises(AssertionError, match="not there"):
        forge_rpm(build_rpm(tmp_path, "foo"), header=swap(b"zzzz", b"yyyy"))
