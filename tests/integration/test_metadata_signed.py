"""Metadata signatures: whose key counts, and for how long."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.keys import GpgKey, make_gpg_key, sign_file
from tests.support.metadata import only, rewrite
from tests.support.repos import make_repo, repo_file
from tests.support.rpms import build_rpm
from tests.support.servers import Server, http_server
from tests.support.site import Site, make_site


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return make_site(tmp_path, [build_rpm(tmp_path, "glue")])


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    """A repository with `app`, not configured yet."""
    return make_repo(tmp_path / "repo", [build_rpm(tmp_path, "app")])


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with http_server(tmp_path) as running:
        yield running


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> dict[str, GpgKey]:
    where = tmp_path_factory.mktemp("keys")
    return {name: make_gpg_key(where, name) for name in ("good", "other")}


def configure_signed(site: Site, repo: Path, key: GpgKey | str) -> None:
    address = key if isinstance(key, str) else f"file:///etc/pki/rpm-gpg/{key.public.name}"
    if isinstance(key, GpgKey):
        target = site.root / "etc/pki/rpm-gpg" / key.public.name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(key.public, target)
    site.configure("r", repo_file("r", repo, repo_gpgcheck=1, gpgkey=address))


def test_signed_metadata(site: Site, repo: Path, keys: dict[str, GpgKey]) -> None:
    configure_signed(site, repo, keys["good"])
    assert "its metadata is not signed" in only(site.load()).problem
    sign_file(repo / "repodata/repomd.xml", keys["other"])
    r = only(site.load())
    assert (r.available, "Bad GPG signature" in r.problem) == (False, True)
    sign_file(repo / "repodata/repomd.xml", keys["good"])
    assert only(site.load()).available
    rewrite(repo, "</repomd>", "<!-- changed --></repomd>")
    r = only(site.load())
    assert (r.available, r.stale) == (True, True), "what was verified earlier can still be used"
    assert "GPG" in r.problem


def test_key_that_is_configured_no_more_is_trusted_no_more(
    site: Site, repo: Path, keys: dict[str, GpgKey]
) -> None:
    sign_file(repo / "repodata/repomd.xml", keys["good"])
    configure_signed(site, repo, keys["good"])
    assert only(site.load()).available
    configure_signed(site, repo, keys["other"])
    for offline in (False, True):
        assert not only(site.load(offline=offline)).available


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("https://127.0.0.1:9/key", "would have to be fetched from the network unseen"),
        ("file:///etc/pki/rpm-gpg/gone", "does not exist in the deployment"),
        ("file:///etc/../../../../../../etc/hostname", "does not exist in the deployment"),
        ("file:///etc/yum.repos.d/r.repo", "not OpenPGP data"),
        ("", "without a gpgkey"),
    ],
)
def test_key_that_cannot_be_used_is_told(site: Site, repo: Path, address: str, says: str) -> None:
    configure_signed(site, repo, address)
    r = only(site.load())
    assert not r.available
    assert says in r.problem


def test_expired_key_is_told(site: Site, repo: Path, tmp_path: Path) -> None:
    key = make_gpg_key(tmp_path, "brief", expire="expired")
    sign_file(repo / "repodata/repomd.xml", key)
    configure_signed(site, repo, key)
    assert "expired on 2020-01-02" in only(site.load()).problem
