"""Keys that count no more: expired, revoked, of the future, weak; and subkeys."""

import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from pkglayer.model import openpgp
from tests.support.keys import EXPIRED, GpgKey, make_gpg_key, revoke, sign_rpm
from tests.support.rpms import build_rpm
from tests.support.signatures import check, gpg, refused, signature_packet, trust


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> dict[str, GpgKey]:
    where = tmp_path_factory.mktemp("keys")
    return {name: make_gpg_key(where, name) for name in ("good", "other")}


@pytest.fixture
def root(tmp_path: Path, keys: dict[str, GpgKey]) -> Path:
    """A deployment that trusts the key `good`."""
    root = tmp_path / "root"
    trust(root, keys["good"])
    return root


def test_expired_key_is_refused_with_the_date(tmp_path: Path) -> None:
    key = make_gpg_key(tmp_path, "brief", expire="expired")
    app = sign_rpm(build_rpm(tmp_path, "app"), key)
    trust(tmp_path / "root", key)
    with pytest.MonkeyPatch.context() as then:
        then.setattr(time, "time", lambda: EXPIRED + 3600)
        assert check(app, tmp_path / "root").status == "valid"
    error = refused(app, tmp_path / "root")
    assert f"signed by the key {key.fingerprint}, which expired on 2020-01-02" in error.message
    assert "the clock here says 20" in error.message


def test_key_of_the_future_is_refused(
    root: Path, tmp_path: Path, keys: dict[str, GpgKey], monkeypatch: pytest.MonkeyPatch
) -> None:
    app = sign_rpm(build_rpm(tmp_path, "app"), keys["good"])
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now - 5 * 365 * 86400)
    assert "was made on 20" in refused(app, root).message


def test_revoked_key_is_refused(tmp_path: Path) -> None:
    key = make_gpg_key(tmp_path, "lost")
    app = sign_rpm(build_rpm(tmp_path, "app"), key)
    trust(tmp_path / "root", key)
    assert check(app, tmp_path / "root").status == "valid"
    revoke(key)
    trust(tmp_path / "root", key)
    assert "was revoked by its owner" in refused(app, tmp_path / "root").message


@pytest.fixture
def with_subkey(tmp_path: Path) -> GpgKey:
    """A key that certifies, with a subkey that signs."""
    home = tmp_path / "gpg-sub"
    home.mkdir(mode=0o700)
    key = GpgKey(home, "", tmp_path / "sub.asc")
    gpg(key, "--quick-generate-key", "sub <sub@example.invalid>", "rsa2048", "cert", "never")
    listing = gpg(key, "--list-keys", "--with-colons")
    fingerprint = next(x for x in listing.splitlines() if x.startswith("fpr")).split(":")[9]
    gpg(key, "--quick-add-key", fingerprint, "rsa2048", "sign", "never")
    key.public.write_text(gpg(key, "--armor", "--export"))
    subprocess.run(["gpgconf", "--kill", "gpg-agent"], env={"GNUPGHOME": str(home),
                   "PATH": os.environ["PATH"]}, check=True)  # fmt: skip
    return GpgKey(home, fingerprint, key.public)


def test_subkey_signs_for_its_primary_key(tmp_path: Path, with_subkey: GpgKey) -> None:
    app = sign_rpm(build_rpm(tmp_path, "app"), with_subkey)
    trust(tmp_path / "root", with_subkey)
    assert check(app, tmp_path / "root").fingerprint == with_subkey.fingerprint
    signer = openpgp.parse_signature(signature_packet(app)).key_id
    assert signer != with_subkey.fingerprint[-16:]


def test_keys_are_read_as_gpg_reads_them(tmp_path: Path, with_subkey: GpgKey) -> None:
    listing = gpg(with_subkey, "--list-keys", "--with-colons").splitlines()
    expected = [row.split(":")[9] for row in listing if row.startswith("fpr")]
    found = openpgp.parse_keys(with_subkey.public.read_bytes())
    assert [k.fingerprint for k in found] == expected
    assert {k.primary for k in found} == {with_subkey.fingerprint}
    binary = openpgp.dearmor(with_subkey.public.read_bytes())
    assert openpgp.parse_keys(binary) == found


def test_weak_hash_is_refused(root: Path, tmp_path: Path, keys: dict[str, GpgKey]) -> None:
    app = build_rpm(tmp_path, "app")
    subprocess.run(
        [
            "rpmsign", f"--define=__gpg {shutil.which('gpg')}",
            f"--define=_gpg_name {keys['good'].fingerprint}",
            f"--define=_gpg_path {keys['good'].home}", "--define=_gpg_digest_algo sha1",
            "--define=_gpg_sign_cmd_extra_args --digest-algo SHA1 --allow-weak-digest-algos",
            "--addsign", str(app),
        ],
        env={"HOME": str(keys["good"].home), "GNUPGHOME": str(keys["good"].home),
             "PATH": os.environ["PATH"]},
        check=True,
        capture_output=True,
    )  # fmt: skip
    assert openpgp.parse_signature(signature_packet(app)).algorithms == "RSA/SHA1"
    assert "RSA/SHA1, which can be forged" in refused(app, root).message
