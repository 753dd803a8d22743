"""RPM files that a user brings: whole, changed, cut off, absurd."""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from pkglayer.log import Quiet
from pkglayer.model.errors import (
    PackageError,
    UsageError,
)
from pkglayer.model.package import Package
from pkglayer.stages import fetch as stage
from pkglayer.stages.fetch import fetch_local
from tests.support.forge import forge_rpm, set_tag
from tests.support.repos import make_repo, repo_file
from tests.support.rpms import build_rpm
from tests.support.servers import Server, http_server
from tests.support.site import Site, make_site
from tests.support.trees import File


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return make_site(tmp_path, [build_rpm(tmp_path, "glue")])


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with http_server(tmp_path) as running:
        yield running


@pytest.fixture
def app(tmp_path: Path) -> Path:
    """A package of about 300 kB that does not compress."""
    return build_rpm(tmp_path, "app", files={"usr/bin/app": File(os.urandom(300_000), 0o755)})


def serve(site: Site, server: Server, rpms: list[Path]) -> Path:
    directory = make_repo(site.root.parent / "repo", rpms)
    text = repo_file("r", f"{server.url}/repo", timeout=2, retries=1, minrate=1000)
    site.configure("r", text)
    return directory


def offered(site: Site, *names: str) -> list[Package]:
    """Packages as a plan would have them."""
    sack = site.sack()
    return [sack.package(offer) for name in names for offer in sack.find(name)]


def cached(site: Site) -> list[str]:
    where = site.cachedir / "packages"
    return sorted(p.name for p in where.iterdir()) if where.exists() else []


class Meter(Quiet):
    """Remembers what was reported."""

    def __init__(self) -> None:
        self.total = 0
        self.count = 0

    def start(self, what: str, total: int = 0, unit: str = "") -> None:
        self.total = total

    def advance(self, amount: int = 1, detail: str = "") -> None:
        self.count += amount


def take(site: Site, path: Path) -> stage.FetchedRpm:
    return fetch_local(path, cache=site.cachedir / "packages", keyring=None)


def test_local_file_becomes_a_package(site: Site, app: Path) -> None:
    got = take(site, app)
    with got.file:
        package = got.package
        assert (str(package.nevra), package.repo) == ("app-1-1.noarch", "@local")
        assert package.checksum == f"sha256:{hashlib.sha256(app.read_bytes()).hexdigest()}"
        assert (package.download_size, package.install_size) == (app.stat().st_size, 300_000)
        assert package.location == app.name
        assert got.file.read() == app.read_bytes()


def test_local_file_may_change_afterwards(site: Site, app: Path) -> None:
    content = app.read_bytes()
    got = take(site, app)
    with app.open("r+b") as same_inode:
        same_inode.write(b"x" * len(content))
    with got.file:
        assert got.file.read() == content


def test_local_file_by_a_link_of_the_user_s(site: Site, app: Path, tmp_path: Path) -> None:
    (tmp_path / "link.rpm").symlink_to(app)
    take(site, tmp_path / "link.rpm").close()


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("missing.rpm", "No such file"),
        ("directory", "directory"),
        ("fifo", "is not a file"),
        ("device", "is not a file"),
    ],
)
def test_local_path_that_is_no_file(site: Site, tmp_path: Path, name: str, says: str) -> None:
    (tmp_path / "directory").mkdir()
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "device").symlink_to("/dev/zero")
    with pytest.raises(UsageError, match=says):
        take(site, tmp_path / name)


def test_local_source_package_is_refused(site: Site, app: Path) -> None:
    data = bytearray(app.read_bytes())
    data[6:8] = b"\0\x01"
    app.write_bytes(data)
    with pytest.raises(PackageError, match="is a source package"):
        take(site, app)


@pytest.mark.parametrize("size", [0, 4, 95, 100, 200, 4000, -1])
def test_truncated_local_file_is_refused(site: Site, app: Path, size: int) -> None:
    app.write_bytes(app.read_bytes()[:size])
    with pytest.raises(PackageError):
        take(site, app)


@pytest.mark.parametrize(
    ("tag", "change"),
    [
        (1000, {"count": 2**31}),
        (1000, {"offset": 2**32 - 1}),
        (1000, {"offset": 2**31 - 1}),
        (1117, {"count": 2**31 - 1}),
        (1116, {"offset": 2**30}),
        (5092, {"count": 0}),
    ],
)
def test_absurd_header_is_refused_without_a_crash(
    site: Site, app: Path, tag: int, change: dict[str, int]
) -> None:
    forge_rpm(app, header=set_tag(tag, **change))
    with pytest.raises(PackageError):
        take(site, app)
    assert cached(site) == []
