"""From a request to a plan: what is layered stays as it is, and local packages."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pkglayer.model.errors import ResolveError
from pkglayer.model.package import Package
from pkglayer.model.plan import Plan
from pkglayer.model.request import Want
from pkglayer.stages.fetch import fetch_local
from tests.support.rpms import build_rpm
from tests.support.site import Site, make_site, names


@pytest.fixture
def rpms(tmp_path: Path) -> Path:
    """Where packages are built."""
    path = tmp_path / "rpms"
    path.mkdir()
    return path


@pytest.fixture
def site(tmp_path: Path, rpms: Path) -> Iterator[Site]:
    """A base with `glue-1`, which provides `glue-lib = 1` and /usr/bin/glue."""
    glue = build_rpm(
        rpms, "glue", provides=["glue-lib = 1"], files={"usr/bin/glue": "x", "usr/share/glue": "x"}
    )
    yield make_site(tmp_path, [glue])


def find(plan: Plan, name: str) -> Package:
    [package] = [p for p in plan.packages if p.nevra.name == name]
    return package


def refused(site: Site, *specs: str | Want, keep: tuple[Package, ...] = ()) -> ResolveError:
    with pytest.raises(ResolveError) as caught:
        site.resolve(*specs, keep=keep)
    return caught.value


# Installing one thing changes that thing


def test_layered_packages_keep_their_version(site: Site, rpms: Path) -> None:
    old = [build_rpm(rpms, n, version="1") for n in ("app", "lib")]
    site.add_repo("r", [*old, build_rpm(rpms, "new", requires=["lib"])])
    before = site.resolve("app", "lib").packages
    site.add_repo("r", [build_rpm(rpms, n, version="2") for n in ("app", "lib")])
    assert names(site.resolve("app", "lib", "new", keep=before)) == ["app-1", "lib-1", "new-1"]
    upgraded = site.resolve("app", "lib", "new", keep=before, upgrade=True)
    assert names(upgraded) == ["app-2", "lib-2", "new-1"]


def test_only_what_must_move_moves(site: Site, rpms: Path) -> None:
    letters = ("a", "b", "c", "d", "e")
    site.add_repo("r", [build_rpm(rpms, n, version="1") for n in letters])
    before = site.resolve(*letters).packages
    site.add_repo("r", [build_rpm(rpms, n, version="2") for n in letters])
    site.add_repo("r", [build_rpm(rpms, "new", requires=["b >= 2", "d >= 2"])])
    plan = site.resolve(*letters, "new", keep=before)
    assert names(plan) == ["a-1", "b-2", "c-1", "d-2", "e-1", "new-1"]


def test_dependency_that_nothing_needs_any_more_goes(site: Site, rpms: Path) -> None:
    site.add_repo("r", [build_rpm(rpms, "app", requires=["lib"]), build_rpm(rpms, "lib"),
                        build_rpm(rpms, "b")])  # fmt: skip
    before = site.resolve("app", "b").packages
    assert names(site.resolve("b", keep=before)) == ["b-1"]


def test_kept_version_survives_without_its_repository(site: Site, rpms: Path) -> None:
    app, lib = build_rpm(rpms, "app", requires=["lib"]), build_rpm(rpms, "lib")
    site.add_repo("r", [app, lib])
    plan = site.resolve("app")
    kept = [site.import_head(rpm, p) for rpm, p in zip([app, lib], plan.packages, strict=True)]
    offline = site.resolve("app", keep=kept, repositories=())
    assert [(p.nevra, p.repo, p.checksum, p.reason) for p in offline.packages] == [
        (p.nevra, "r", p.checksum, p.reason) for p in plan.packages
    ]
    assert [p.header_checksum for p in offline.packages] == [p.header_checksum for p in kept]
    assert names(site.resolve("lib", keep=kept, repositories=())) == ["lib-1"]


def test_kept_version_survives_when_the_repository_drops_it(site: Site, rpms: Path) -> None:
    app = build_rpm(rpms, "app")
    site.add_repo("r", [app])
    [package] = site.resolve("app").packages
    kept = site.import_head(app, package)
    (site.root.parent / "repo-r/app-1-1.noarch.rpm").unlink()
    site.add_repo("r", [build_rpm(rpms, "app", version="2"), build_rpm(rpms, "b")])
    assert names(site.resolve("app", "b", keep=[kept])) == ["app-1", "b-1"]
    assert names(site.resolve("app", "b", keep=[kept], upgrade=True)) == ["app-2", "b-1"]


def test_import_of_another_state_does_not_count(site: Site, rpms: Path) -> None:
    """Else the same request would give other trees on other machines."""
    old = build_rpm(rpms, "app", version="9")
    site.add_repo("r", [old])
    site.import_head(old, site.resolve("app").packages[0])
    (site.root.parent / "repo-r/app-9-1.noarch.rpm").unlink()
    site.add_repo("r", [build_rpm(rpms, "app", version="1")])
    assert names(site.resolve("app")) == ["app-1"]
    assert refused(site, "app-9").data["unknown"] == ["app-9"]


# Local packages


def local_want(site: Site, rpm: Path, version: str = "1") -> Want:
    fetched = fetch_local(rpm, cache=site.cachedir / "packages", keyring=None)
    fetched.close()
    package = site.import_head(rpm, fetched.package)
    return Want(str(package.nevra), kind="local", header_checksum=package.header_checksum)


def test_local_package_takes_its_dependencies_from_repositories(site: Site, rpms: Path) -> None:
    site.add_repo("r", [build_rpm(rpms, "lib"), build_rpm(rpms, "app", version="5")])
    plan = site.resolve(local_want(site, build_rpm(rpms, "app", requires=["lib"])))
    assert [(p.nevra.name, p.nevra.version, p.repo, p.reason) for p in plan.packages] == [
        ("app", "1", "@local", "user"),
        ("lib", "1", "r", "dependency"),
    ]
    assert find(plan, "lib").requests == ("app-1-1.noarch",)


def test_local_package_counts_only_while_requested(site: Site, rpms: Path) -> None:
    site.add_repo("r", [build_rpm(rpms, "app", version="1"), build_rpm(rpms, "b")])
    local_want(site, build_rpm(rpms, "app", version="7"))
    assert names(site.resolve("app")) == ["app-1"]


def test_local_package_whose_import_is_gone(site: Site, rpms: Path) -> None:
    site.add_repo("r", [build_rpm(rpms, "app")])
    want = Want("app-1-1.noarch", kind="local", header_checksum="0" * 64)
    assert "the imported copy of the local package app-1-1.noarch is gone" in (
        refused(site, want).message
    )


def test_local_package_that_would_change_the_base(site: Site, rpms: Path) -> None:
    site.add_repo("r", [build_rpm(rpms, "app")])
    error = refused(site, local_want(site, build_rpm(rpms, "glue", version="3")))
    assert "glue-3-1.noarch" in error.message
    assert "glue-1-1.noarch" in error.message
