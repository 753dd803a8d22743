"""Whose signature counts: real keys from gpg, real packages from rpmbuild and rpmsign."""

import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from pkglayer.model import openpgp
from pkglayer.model.errors import PackageError, PkglayerError, SignatureError
from pkglayer.stages.fetch import fetch_local
from pkglayer.system import keyring as module
from pkglayer.system import rpmlib
from pkglayer.system.keyring import SignatureReport, check_rpm, load_keyring
from tests.support.forge import UNCOMPRESSED, forge_rpm, swap
from tests.support.keys import GpgKey, make_gpg_key, sign_rpm
from tests.support.rpms import build_rpm
from tests.support.site import Site, make_site

DIRECTORY = "etc/pki/rpm-gpg"


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


def trust(root: Path, key: GpgKey, name: str = "") -> None:
    path = root / DIRECTORY / (name or key.public.name)
    path.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(key.public, path)


def check(path: Path, root: Path, gpgkeys: tuple[str, ...] = ()) -> SignatureReport:
    with path.open("rb") as file:
        return check_rpm(file, path.name, load_keyring(root, gpgkeys), source="r")


def refused(path: Path, root: Path, gpgkeys: tuple[str, ...] = ()) -> SignatureError:
    with pytest.raises(SignatureError) as caught:
        check(path, root, gpgkeys)
    return caught.value


def gpg(key: GpgKey, *words: str, text: str = "") -> str:
    return subprocess.run(
        ["gpg", "--batch", "--pinentry-mode=loopback", "--passphrase=", *words],
        env={"HOME": str(key.home), "GNUPGHOME": str(key.home), "PATH": os.environ["PATH"]},
        input=text,
        text=True,
        check=True,
        capture_output=True,
    ).stdout


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


def signature_packet(path: Path) -> bytes:
    with path.open("rb") as file:
        head = rpmlib.read_head(file)
    tags = dict(module._signature_tags(head))
    return tags[268]


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


# Keys that count no more


def test_expired_key_is_refused_with_the_date(tmp_path: Path) -> None:
    key = make_gpg_key(tmp_path, "brief", expire="seconds=3")
    app = sign_rpm(build_rpm(tmp_path, "app"), key)
    trust(tmp_path / "root", key)
    assert check(app, tmp_path / "root").status == "valid"
    time.sleep(3.2)
    error = refused(app, tmp_path / "root")
    assert f"signed by the key {key.fingerprint}, which expired on 20" in error.message
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
    revocation = (key.home / f"openpgp-revocs.d/{key.fingerprint}.rev").read_text()
    gpg(key, "--import", text=revocation.replace(":-----BEGIN", "-----BEGIN"))
    key.public.write_text(gpg(key, "--armor", "--export"))
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
