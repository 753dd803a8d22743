"""From a request to a plan: the base never changes, repositories rank, weak dependencies yield."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pkglayer.model.errors import ResolveError
from pkglayer.model.package import Package
from pkglayer.model.plan import Plan
from pkglayer.model.request import Want, parse_spec
from pkglayer.model.settings import Settings
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


# Base packages never change


def test_never_replaces_a_base_package(site: Site, rpms: Path) -> None:
    site.add_repo(
        "r",
        [
            build_rpm(rpms, "glue", version="2"),
            build_rpm(rpms, "super-glue", obsoletes=["glue"]),
            build_rpm(rpms, "app", requires=["glue >= 2"]),
            build_rpm(rpms, "hater", conflicts=["glue"]),
        ],
    )
    assert "the base has glue-1-1.noarch in its place" in refused(site, "glue-2").message
    assert "the base has glue-1-1.noarch in its place" in refused(site, "super-glue").message
    assert (
        "hater-1-1.noarch conflicts with glue-1-1.noarch of the base"
        in refused(site, "hater").message
    )
    error = refused(site, "app")
    assert error.message == (
        "app cannot be layered on this base: app-1-1.noarch needs glue >= 2; the base has "
        "glue-1-1.noarch, which does not change, and the repositories offer it only with "
        "glue-2-1.noarch from r since 2023-11-14"
    )
    assert "pkglayer upgrade" in error.hint
    assert error.data["needs"] == "glue >= 2"
    assert error.data["base"] == ["glue-1-1.noarch"]
    assert error.data["offers"] == ["glue-2-1.noarch"]
    assert any("glue >= 2" in line for line in error.data["solver"])  # type: ignore[attr-defined]


def test_takes_an_older_package_that_fits_the_base(site: Site, rpms: Path) -> None:
    site.add_repo(
        "r",
        [
            build_rpm(rpms, "app", version="2", requires=["glue >= 2"]),
            build_rpm(rpms, "app", version="1", requires=["glue"]),
        ],
    )
    assert names(site.resolve("app")) == ["app-1"]


def test_blames_the_request_and_the_chain(site: Site, rpms: Path) -> None:
    site.add_repo(
        "r",
        [
            build_rpm(rpms, "good"),
            build_rpm(rpms, "app", requires=["middle"]),
            build_rpm(rpms, "middle", requires=["deep"]),
            build_rpm(rpms, "deep", requires=["libgone.so.1"]),
        ],
    )
    error = refused(site, "good", "app")
    assert error.message == (
        "app cannot be layered on this base: app-1-1.noarch needs middle-1-1.noarch, which needs "
        "deep-1-1.noarch, which needs libgone.so.1; no repository in sight offers it"
    )
    assert error.data["blocked"] == ["app"]


def test_requests_that_clash_are_both_named(site: Site, rpms: Path) -> None:
    site.add_repo(
        "r",
        [build_rpm(rpms, "a", conflicts=["b"]), build_rpm(rpms, "b"), build_rpm(rpms, "c")],
    )
    error = refused(site, "a", "b", "c")
    assert error.message.startswith("a and b cannot be in one layer: ")
    assert error.data["blocked"] == ["a", "b"]


# Paths that metadata names only in its file lists


def add_path_repo(site: Site, rpms: Path) -> None:
    """The newest `app` needs a path of `data` that only file lists name."""
    data = build_rpm(rpms, "data", files={"usr/share/data/x": "x"})
    new = build_rpm(rpms, "app", version="2", requires=["/usr/share/data/x"])
    site.add_repo("r", [build_rpm(rpms, "app"), new, data, build_rpm(rpms, "plain")])


@pytest.mark.parametrize("spec", ["app = 2", "app"], ids=["else refused", "else an older one"])
def test_path_outside_primary_metadata_is_found(site: Site, rpms: Path, spec: str) -> None:
    add_path_repo(site, rpms)
    assert names(site.resolve("plain")) == ["plain-1"]
    assert not list(site.cachedir.rglob("*-filenames.solvx")), "nothing needed them yet"
    plan = site.resolve(spec)
    assert names(plan) == ["app-2", "data-1"]
    assert find(plan, "data").requests == (spec,)
    assert plan.fallbacks == ()
    assert list(site.cachedir.rglob("*-filenames.solvx"))


def test_path_that_nobody_has_is_refused(site: Site, rpms: Path) -> None:
    site.add_repo("r", [build_rpm(rpms, "app", requires=["/usr/share/nothing"])])
    assert refused(site, "app").message == (
        "app cannot be layered on this base: app-1-1.noarch needs /usr/share/nothing; no "
        "repository in sight offers it"
    )


# Repositories among each other


def test_includepkgs_priority_and_cost(site: Site, rpms: Path, tmp_path: Path) -> None:
    app2, app1 = build_rpm(rpms, "app", version="2"), build_rpm(rpms, "app", version="1")
    site.add_repo("late", [app2, app1], priority=50)
    site.add_repo("early", [app1], priority=10)
    assert names(site.resolve("app")) == ["app-1"], "priority counts more than version"
    site.add_repo("early", [app1], priority=10, includepkgs="other")
    assert names(site.resolve("app")) == ["app-2"]
    site.add_repo("cheap", [app2], priority=50, cost=1)
    assert find(site.resolve("app"), "app").repo == "cheap"


def test_one_nevra_with_two_contents_is_chosen_by_rule(
    site: Site, rpms: Path, tmp_path: Path
) -> None:
    one = build_rpm(tmp_path / "one", "app", files={"usr/bin/app": "one"})
    two = build_rpm(tmp_path / "two", "app", files={"usr/bin/app": "two"}, requires=["lib"])
    lib = build_rpm(rpms, "lib")
    site.add_repo("a", [one], cost=2000)
    site.add_repo("b", [two, lib], cost=10)
    assert [(p.nevra.name, p.repo) for p in site.resolve("app").packages] == [
        ("app", "b"),
        ("lib", "b"),
    ]
    site.add_repo("a", [one], cost=5)
    assert [(p.nevra.name, p.repo) for p in site.resolve("app").packages] == [("app", "a")]
    site.add_repo("a", [one], cost=10)
    assert find(site.resolve("app"), "app").repo == "a", "by id where all else is equal"


def test_is_deterministic(site: Site, rpms: Path) -> None:
    built = [
        build_rpm(rpms, "app", requires=["virtual"]),
        *(build_rpm(rpms, n, provides=["virtual"]) for n in ("v1", "v2", "v3")),
    ]
    site.add_repo("r", built)
    first = site.resolve("app")
    assert [site.resolve("app") for _ in range(3)] == [first] * 3


# Weak dependencies


def add_weak_repo(site: Site, rpms: Path) -> None:
    site.add_repo(
        "r",
        [
            build_rpm(rpms, "a", recommends=["extra-a"]),
            build_rpm(rpms, "b", recommends=["extra-b"]),
            build_rpm(rpms, "extra-a", requires=["more-a"]),
            build_rpm(rpms, "extra-b"),
            build_rpm(rpms, "more-a"),
            build_rpm(rpms, "plugin", extra_spec="Supplements: b"),
        ],
    )


def test_weak_dependencies_by_request(site: Site, rpms: Path) -> None:
    add_weak_repo(site, rpms)
    bare = replace(parse_spec("a"), recommends=False)
    assert names(site.resolve("a")) == ["a-1", "extra-a-1", "more-a-1"]
    assert names(site.resolve(bare)) == ["a-1"]
    plan = site.resolve(bare, "b")
    assert names(plan) == ["a-1", "b-1", "extra-b-1", "plugin-1"]
    assert find(plan, "plugin").reason == "weak-dependency"
    assert find(plan, "plugin").requests == ("b",)


def test_weak_dependencies_by_setting(site: Site, rpms: Path) -> None:
    add_weak_repo(site, rpms)
    assert names(site.resolve("a", "b", settings=Settings(recommends=False))) == ["a-1", "b-1"]


def test_weak_dependency_of_one_request_that_another_needs(site: Site, rpms: Path) -> None:
    add_weak_repo(site, rpms)
    bare = replace(parse_spec("a"), recommends=False)
    plan = site.resolve(bare, "extra-a")
    assert names(plan) == ["a-1", "extra-a-1", "more-a-1"]
    assert find(plan, "more-a").requests == ("extra-a",)
