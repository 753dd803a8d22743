"""From packages of a plan to verified open files, from good and bad servers."""

import hashlib
import os
import resource
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pkglayer.log import Quiet
from pkglayer.model.errors import (
    PackageError,
    PkglayerError,
    RepositoryError,
    SpaceError,
)
from pkglayer.model.package import Package
from pkglayer.stages import fetch as stage
from pkglayer.stages.fetch import fetch
from pkglayer.system.keyring import Keyring
from pkglayer.system.privatedir import open_private
from pkglayer.system.rpmmd import Repository
from tests.support.repos import make_repo, repo_file
from tests.support.rpms import build_rpm, corrupt
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


# What comes, and where it lies


def test_hands_on_the_open_verified_file(site: Site, server: Server, app: Path) -> None:
    serve(site, server, [app, build_rpm(app.parent, "lib")])
    packages = offered(site, "lib", "app")
    meter = Meter()
    lib, got = fetch(
        packages,
        site.load(),
        cache=site.cachedir / "packages",
        keyring=Keyring(),
        progress=meter,
    )
    with lib.file, got.file:
        assert [f.package.nevra.name for f in (lib, got)] == ["lib", "app"]
        assert got.file.read() == app.read_bytes()
        assert len(got.package.header_checksum) == 64
        assert meter.count == meter.total == sum(p.download_size for p in packages)
    digest = hashlib.sha256(app.read_bytes()).hexdigest()
    assert f"sha256-{digest}.rpm" in cached(site)
    assert (site.cachedir / "packages").stat().st_mode & 0o777 == 0o700


def test_second_time_comes_from_the_cache(site: Site, server: Server, app: Path) -> None:
    serve(site, server, [app])
    packages, repositories = offered(site, "app"), site.load()
    for file in site.fetch(packages, repositories):
        file.close()
    asked = len(server.paths())
    for file in site.fetch(packages, repositories):
        file.close()
    assert len(server.paths()) == asked


def test_goes_on_where_a_download_stopped(site: Site, server: Server, app: Path) -> None:
    serve(site, server, [app])
    packages = offered(site, "app")
    server.fail("/repo/app", truncate_at=100_000)
    with pytest.raises(RepositoryError):
        site.fetch(packages)
    server.heal()
    [got] = site.fetch(packages)
    with got.file:
        assert got.file.read() == app.read_bytes()


def test_takes_files_of_a_local_repository(site: Site, app: Path) -> None:
    site.add_repo("r", [app])
    [got] = site.fetch(offered(site, "app"))
    with got.file:
        assert got.file.read() == app.read_bytes()
    assert str(got.file.name).startswith(str(site.cachedir)), "a copy that nobody else can change"


def test_many_packages_stay_open_at_once(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built = [build_rpm(tmp_path, f"p{n}") for n in range(20)]
    site.add_repo("r", built)
    packages = offered(site, *(f"p{n}" for n in range(20)))
    used = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - the directory's own descriptor counts
    monkeypatch.setattr(stage, "_SPARE_FILES", used + 10)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (used + 15, hard))
        got = site.fetch(packages)
        assert len(got) == 20
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    for file in got:
        file.close()


# What must not come


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ({"status": 404}, "404"),
        ({"status": 503}, "503"),
        ({"redirect": "file:///etc/passwd"}, "file"),
        ({"truncate_at": 10}, ""),
        ({"bytes_per_second": 1}, "too slow"),
    ],
)
def test_failed_download_names_package_repository_and_reason(
    site: Site, server: Server, app: Path, fault: dict[str, str | int], says: str
) -> None:
    serve(site, server, [app, build_rpm(app.parent, "lib")])
    packages = offered(site, "app", "lib")
    server.fail("/repo/app", **fault)
    with pytest.raises(RepositoryError) as caught:
        site.fetch(packages)
    assert "1 of 2 packages cannot be downloaded: app-1-1.noarch from r: " in caught.value.message
    assert says in caught.value.message
    assert "lib-1-1" not in caught.value.message
    assert "refresh-md" in caught.value.hint


def test_file_that_differs_from_the_metadata_is_refused(
    site: Site, server: Server, app: Path
) -> None:
    directory = serve(site, server, [app])
    packages = offered(site, "app")
    corrupt(directory / app.name)
    with pytest.raises(PkglayerError) as caught:
        site.fetch(packages)
    assert "app-1-1.noarch" in caught.value.message
    assert cached(site) == []


def test_file_that_changes_in_the_cache_is_fetched_again(
    site: Site, server: Server, app: Path
) -> None:
    serve(site, server, [app])
    packages = offered(site, "app")
    for file in site.fetch(packages):
        file.close()
    [name] = cached(site)
    corrupt(site.cachedir / "packages" / name)
    [got] = site.fetch(packages)
    with got.file:
        assert got.file.read() == app.read_bytes()


def test_link_in_the_cache_is_not_followed(site: Site, server: Server, app: Path) -> None:
    serve(site, server, [app])
    packages = offered(site, "app")
    where = open_private(site.cachedir / "packages")
    victim = site.root / "victim"
    victim.write_text("untouched")
    (where / f"sha256-{packages[0].checksum.partition(':')[2]}.rpm").symlink_to(victim)
    with pytest.raises(PackageError, match="cannot be read as a plain file"):
        site.fetch(packages)
    assert victim.read_text() == "untouched"


def test_package_that_is_another_than_promised(site: Site, server: Server, app: Path) -> None:
    """The checksum is right, the name in the metadata is not."""
    serve(site, server, [app])
    [package] = offered(site, "app")
    other = replace(package, nevra=replace(package.nevra, version="2"))
    with pytest.raises(PackageError, match=r"r offers app-2-1.noarch, but the file is app-1-1"):
        site.fetch([other])


@pytest.mark.parametrize(
    "location",
    [
        "../app.rpm", "x/../../app.rpm", "/etc/passwd", "%2e%2e/app.rpm", "%252e%252e/app.rpm",
        "file:///etc/passwd", "http://x/../y", "a\nb", "a\0b", "a%0ab", "x" * 4097, "",
        "gopher://x/y", "\x1b[2J",
    ],
)  # fmt: skip
def test_location_that_leads_elsewhere_is_refused(
    site: Site, server: Server, app: Path, location: str
) -> None:
    serve(site, server, [app])
    [package] = offered(site, "app")
    repositories, asked = site.load(), len(server.paths())
    with pytest.raises(RepositoryError, match="names an unacceptable place") as caught:
        site.fetch([replace(package, location=location)], repositories)
    assert caught.value.message.isprintable()
    assert len(server.paths()) >= asked
    assert not any("app" in path for path in server.paths()[asked:])
    assert cached(site) == []


def test_packages_of_another_address_are_taken(
    site: Site, server: Server, app: Path, tmp_path: Path
) -> None:
    """xml:base names another place of the same or another server."""
    directory = serve(site, server, [app])
    (tmp_path / "elsewhere").mkdir()
    shutil.move(directory / app.name, tmp_path / "elsewhere" / app.name)
    [package] = offered(site, "app")
    moved = replace(package, location=f"{server.url}/elsewhere/{app.name}")
    [got] = site.fetch([moved])
    got.close()


@pytest.mark.parametrize(
    "checksum", ["", "md5:" + "0" * 32, "sha256:../../x", "sha256:" + "0" * 63]
)
def test_checksum_that_proves_nothing_is_refused(
    site: Site, server: Server, app: Path, checksum: str
) -> None:
    serve(site, server, [app])
    [package] = offered(site, "app")
    with pytest.raises(RepositoryError, match="no usable checksum"):
        site.fetch([replace(package, checksum=checksum)])


def test_package_of_a_repository_that_is_gone(site: Site, server: Server, app: Path) -> None:
    serve(site, server, [app])
    [package] = offered(site, "app")
    with pytest.raises(RepositoryError, match="comes from r, which is not among") as caught:
        site.fetch([package], [Repository("other")])
    assert "--enablerepo=r" in caught.value.hint


def test_too_little_space_is_told_before(site: Site, server: Server, app: Path) -> None:
    serve(site, server, [app])
    [package] = offered(site, "app")
    repositories, asked = site.load(), len(server.paths())
    with pytest.raises(SpaceError) as caught:
        site.fetch([replace(package, download_size=10**15)], repositories)
    assert "1000000.0 GB" in caught.value.message
    assert str(10**15) in str(caught.value.data["space"])
    assert len(server.paths()) <= asked + 1


@pytest.mark.parametrize("how", ["mode", "owner", "link", "file", "parent"])
def test_cache_that_others_can_write_is_refused(
    site: Site, server: Server, app: Path, how: str
) -> None:
    serve(site, server, [app])
    packages = offered(site, "app")
    where = site.cachedir / "packages"
    if how == "mode":
        where.mkdir()
        where.chmod(0o770)
    elif how == "owner":
        where.mkdir()
        os.chown(where, 4711, 0)
    elif how == "link":
        (site.cachedir / "real").mkdir()
        where.symlink_to(site.cachedir / "real")
    elif how == "file":
        where.write_text("")
    else:
        site.cachedir.chmod(0o777)
    with pytest.raises(PkglayerError, match=r"cannot be (used|made)"):
        site.fetch(packages, site.load() if how != "parent" else [Repository("r")])
