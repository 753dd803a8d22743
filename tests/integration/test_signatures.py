"""Whose signature counts: real keys from gpg, real packages from rpmbuild and rpmsign."""

import os
import shutil
from pathlib import Path

import pytest

from pkglayer.model.errors import PackageError, PkglayerError, SignatureError
from pkglayer.stages.fetch import fetch_local
from pkglayer.system import rpmlib
from pkglayer.system.keyring import check_rpm, load_keyring
from tests.support.forge import UNCOMPRESSED, forge_rpm, swap
from tests.support.keys import GpgKey, make_gpg_key, sign_rpm
from tests.support.rpms import build_rpm
from tests.support.signatures import DIRECTORY, check, refused, signature_packet, trust
from tests.support.site import Site, make_site


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


# Signed, unsigned, otherwise signed


def test_trusted_signature_tells_the_full_fingerprint(
    root: Path, tmp_path: Path, keys: dict[str, GpgKey]
) -> None:
    app = sign_rpm(build_rpm(tmp_path, "app"), keys["good"])
    report = check(app, root)
    assert (report.status, report.fingerprint) == ("valid", keys["good"].fingerprint)
    assert report.algorithm.startswith("RSA/SHA")


def test_unsigned_package_is_refused(root: Path, tmp_path: Path) -> None:
    app = build_rpm(tmp_path, "app")
    error = refused(app, root)
    assert error.message == "app-1-1.noarch.rpm from r is not signed"
    assert "gpgcheck=0" in error.hint
    with app.open("rb") as file:
        assert check_rpm(file, "app", None).status == "unsigned"


def test_key_that_is_not_trusted_is_named(
    root: Path, tmp_path: Path, keys: dict[str, GpgKey]
) -> None:
    app = sign_rpm(build_rpm(tmp_path, "app"), keys["other"])
    error = refused(app, root, ("https://127.0.0.1:9/KEY", "file:///etc/pki/rpm-gpg/gone"))
    assert f"signed by the key {keys['other'].fingerprint[-16:]}, which is not trusted" in (
        error.message
    )
    assert "the key https://127.0.0.1:9/KEY is not fetched from the network" in error.message
    assert "the key file:///etc/pki/rpm-gpg/gone does not exist" in error.message
    trust(root, keys["other"])
    assert check(app, root).fingerprint == keys["other"].fingerprint


def test_key_of_a_repository_counts(tmp_path: Path, keys: dict[str, GpgKey]) -> None:
    root = tmp_path / "bare"
    (root / "usr/share/keys").mkdir(parents=True)
    shutil.copy(keys["good"].public, root / "usr/share/keys/k")
    app = sign_rpm(build_rpm(tmp_path, "app"), keys["good"])
    refused(app, root)
    assert check(app, root, ("file:///usr/share/keys/k",)).status == "valid"


def test_key_outside_of_the_deployment_does_not_count(
    tmp_path: Path, keys: dict[str, GpgKey]
) -> None:
    root = tmp_path / "bare"
    (root / DIRECTORY).mkdir(parents=True)
    (root / DIRECTORY / "link").symlink_to(keys["good"].public)
    app = sign_rpm(build_rpm(tmp_path, "app"), keys["good"])
    address = f"file:///../../../../../../../..{keys['good'].public}"
    assert "does not exist in the deployment" in refused(app, root, (address,)).message


def test_several_keys_in_one_file_and_one_that_is_broken(
    tmp_path: Path, keys: dict[str, GpgKey]
) -> None:
    root = tmp_path / "bare"
    (root / DIRECTORY).mkdir(parents=True)
    both = keys["other"].public.read_bytes() + keys["good"].public.read_bytes()
    (root / DIRECTORY / "all").write_bytes(both)
    (root / DIRECTORY / "broken").write_bytes(both[:200])
    (root / DIRECTORY / "readme").write_text("not a key")
    os.mkfifo(root / DIRECTORY / "fifo")
    for key in keys.values():
        app = sign_rpm(build_rpm(tmp_path, "app"), key)
        assert check(app, root).fingerprint == key.fingerprint


# Changed afterwards


def test_changed_payload_is_noticed(root: Path, tmp_path: Path, keys: dict[str, GpgKey]) -> None:
    app = build_rpm(tmp_path, "app", files={"etc/x": "harmless"}, macros=UNCOMPRESSED)
    sign_rpm(app, keys["good"])
    content = app.read_bytes()
    assert content.count(b"harmless") == 1
    app.write_bytes(content.replace(b"harmless", b"harmful!"))
    with pytest.raises(PackageError, match="its payload is not what its header says"):
        check(app, root)


def test_changed_header_with_right_digests_has_a_wrong_signature(
    root: Path, tmp_path: Path, keys: dict[str, GpgKey]
) -> None:
    app = build_rpm(tmp_path, "app", scripts={"post": "echo harmless"})
    sign_rpm(app, keys["good"])
    forge_rpm(app, header=swap(b"harmless", b"harmful!"))
    error = refused(app, root)
    assert "has a wrong signature" in error.message
    assert keys["good"].fingerprint in error.message


def test_changed_header_is_corrupt_without_any_key(tmp_path: Path) -> None:
    app = build_rpm(tmp_path, "app", scripts={"post": "echo harmless"})
    app.write_bytes(app.read_bytes().replace(b"harmless", b"harmful!"))
    with app.open("rb") as file, pytest.raises(PackageError, match="its header is damaged"):
        check_rpm(file, "app", None)


def test_signature_of_another_package_does_not_count(
    root: Path, tmp_path: Path, keys: dict[str, GpgKey]
) -> None:
    good = sign_rpm(build_rpm(tmp_path, "good"), keys["good"])
    evil = sign_rpm(build_rpm(tmp_path, "evil"), keys["other"])
    wanted = signature_packet(good)
    own = signature_packet(evil)
    assert len(wanted) == len(own)
    evil.write_bytes(evil.read_bytes().replace(own, wanted))
    assert "has a wrong signature" in refused(evil, root).message


@pytest.mark.parametrize("step", [1, 7, 31])
def test_no_changed_byte_of_header_or_payload_passes(
    root: Path, tmp_path: Path, keys: dict[str, GpgKey], step: int
) -> None:
    app = sign_rpm(build_rpm(tmp_path, "app", files={"etc/x": "content"}), keys["good"])
    with app.open("rb") as file:
        head = rpmlib.read_head(file)
    start = len(head) - len(rpmlib.main_header(head))
    content = app.read_bytes()
    bad = tmp_path / "bad.rpm"
    keyring = load_keyring(root)
    for place in range(start + step, len(content), max(31, len(content) // 40) + step):
        bad.write_bytes(content[:place] + bytes([content[place] ^ 0xFF]) + content[place + 1 :])
        with bad.open("rb") as file, pytest.raises(PkglayerError):
            check_rpm(file, "bad", keyring)


def test_two_signatures_of_one_kind_are_refused(
    root: Path, tmp_path: Path, keys: dict[str, GpgKey]
) -> None:
    """Which of the two librpm verifies would be its own affair."""
    app = sign_rpm(build_rpm(tmp_path, "app"), keys["good"])
    content = app.read_bytes()
    # The entry of the MD5 (1004) becomes a second one of the signature, of the same type.
    entry = content.index((1004).to_bytes(4, "big") + (7).to_bytes(4, "big"))
    app.write_bytes(content[:entry] + (268).to_bytes(4, "big") + content[entry + 4 :])
    with pytest.raises(PkglayerError):
        check(app, root)


# By policy, on the way from a repository


def test_policy_of_each_repository(tmp_path: Path, keys: dict[str, GpgKey]) -> None:
    site = make_site(tmp_path, [build_rpm(tmp_path, "glue")])
    trust(site.root, keys["good"])
    signed = sign_rpm(build_rpm(tmp_path, "signed"), keys["good"])
    unsigned = build_rpm(tmp_path, "unsigned")
    site.add_repo("strict", [signed, unsigned], gpgcheck=1)
    assert fetch_one(site, "signed") == [keys["good"].fingerprint]
    with pytest.raises(SignatureError, match=r"unsigned-1-1\.noarch from strict is not signed"):
        fetch_one(site, "unsigned")
    left = {p.name for p in (site.cachedir / "packages").iterdir()}
    assert len(left) == 1, "what was refused does not stay in the cache"
    site.add_repo("strict", [], gpgcheck=0)
    assert fetch_one(site, "unsigned") == [""]


def fetch_one(site: Site, name: str) -> list[str]:
    """The signer of the package of that name."""
    sack = site.sack()
    fetched = site.fetch([sack.package(offer) for offer in sack.find(name)])
    for rpm in fetched:
        rpm.close()
    return [rpm.package.key for rpm in fetched]


def test_local_package_by_policy(root: Path, tmp_path: Path, keys: dict[str, GpgKey]) -> None:
    cache = tmp_path / "cache"
    unsigned = build_rpm(tmp_path, "unsigned")
    signed = sign_rpm(build_rpm(tmp_path, "signed"), keys["good"])
    with pytest.raises(SignatureError, match=r"unsigned-1-1\.noarch\.rpm is not signed"):
        fetch_local(unsigned, cache=cache, keyring=load_keyring(root))
    fetch_local(unsigned, cache=cache, keyring=None).close()
    got = fetch_local(signed, cache=cache, keyring=load_keyring(root))
    got.close()
    assert got.package.key == keys["good"].fingerprint


def test_running_system_s_database_is_not_opened(
    root: Path, tmp_path: Path, keys: dict[str, GpgKey], monkeypatch: pytest.MonkeyPatch
) -> None:
    """librpm would look for keys there, and make a database if there is none."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    app = sign_rpm(build_rpm(tmp_path, "app"), keys["good"])
    check(app, root)
    assert not (tmp_path / "home").exists()
