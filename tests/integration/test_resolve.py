"""From a request to a plan, with real metadata, a real rpmdb and the real solver."""

import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pkglayer.model.errors import ResolveError
from pkglayer.model.package import Package
from pkglayer.model.plan import Plan
from pkglayer.model.request import Want, parse_spec
from pkglayer.model.settings import Settings
from pkglayer.stages.fetch import fetch_local
from tests.support.repos import make_repo, repo_file
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


# What a SPEC means


def test_takes_dependencies_with_reasons(site: Site, rpms: Path) -> None:
    site.add_repo(
        "r",
        [
            build_rpm(rpms, "app", requires=["lib", "glue"], recommends=["docs"]),
            build_rpm(rpms, "lib", requires=["deep"]),
            build_rpm(rpms, "deep"),
            build_rpm(rpms, "docs", requires=["fonts"]),
            build_rpm(rpms, "fonts"),
            build_rpm(rpms, "other"),
        ],
    )
    plan = site.resolve("app", "other")
    assert {p.nevra.name: (p.reason, p.requests) for p in plan.packages} == {
        "app": ("user", ("app",)),
        "deep": ("dependency", ("app",)),
        "docs": ("weak-dependency", ("app",)),
        "fonts": ("dependency", ("app",)),
        "lib": ("dependency", ("app",)),
        "other": ("user", ("other",)),
    }
    assert [p.nevra for p in plan.packages] == sorted(p.nevra for p in plan.packages)
    app = find(plan, "app")
    assert app.repo == "r"
    assert app.checksum.startswith("sha256:")
    assert app.download_size == (rpms / "app-1-1.noarch.rpm").stat().st_size
    assert app.header_checksum == ""


@pytest.mark.parametrize(
    "spec",
    [
        "tool", "tool-2", "tool-2-1", "tool-2-1.noarch", "tool.noarch", "tool-1:2-1.noarch",
        "perl(Tool)", "tool >= 2", "tool = 1:2", "/usr/bin/tool", "/usr/share/tool/data", "t?ol",
        "perl(Tool) > 0.5",
    ],
)  # fmt: skip
def test_every_form_of_a_spec(site: Site, rpms: Path, spec: str) -> None:
    site.add_repo(
        "r",
        [
            build_rpm(
                rpms,
                "tool",
                epoch=1,
                version="2",
                provides=["perl(Tool) = 0.8"],
                files={"usr/bin/tool": "x", "usr/share/tool/data": "x"},
            ),
            build_rpm(rpms, "tool", epoch=1, version="1", provides=["perl(Tool) = 0.3"]),
        ],
    )
    plan = site.resolve(spec)
    assert names(plan) == ["tool-2"]
    assert find(plan, "tool").requests == (spec,)


@pytest.mark.parametrize(
    "spec", ["-rf", "--root=/", "a;reboot", "$(reboot)", "`x`", "x" * 1000, "(", "foo >=", "= 1"]
)
def test_odd_names_are_just_unknown(site: Site, rpms: Path, spec: str) -> None:
    site.add_repo("r", [build_rpm(rpms, "app")])
    assert refused(site, spec).data["unknown"] == [spec]


def test_asks_for_an_older_version(site: Site, rpms: Path) -> None:
    site.add_repo("r", [build_rpm(rpms, "app", version=v) for v in ("1", "2", "3")])
    assert names(site.resolve("app-2")) == ["app-2"]
    assert names(site.resolve("app < 2")) == ["app-1"]
    assert names(site.resolve("app")) == ["app-3"]


def test_glob_takes_every_match_but_the_base_s(site: Site, rpms: Path) -> None:
    site.add_repo("r", [build_rpm(rpms, n) for n in ("glue-a", "glue-b", "glue", "gl", "x")])
    plan = site.resolve("glue*")
    assert names(plan) == ["glue-a-1", "glue-b-1"]
    assert [i.want.spec for i in plan.inactive] == []
    assert site.resolve("glu?").inactive[0].provider == "glue-1-1.noarch"


@pytest.mark.parametrize("spec", ["glue", "glue-lib", "/usr/bin/glue", "glue-lib >= 1", "glue-1-1"])
def test_what_the_base_has_is_inactive(site: Site, rpms: Path, spec: str) -> None:
    site.add_repo(
        "r",
        [
            build_rpm(rpms, "glue", version="2", provides=["glue-lib = 2"]),
            build_rpm(rpms, "glue-ng", version="3", provides=["glue-lib = 3"]),
            build_rpm(rpms, "app"),
        ],
    )
    plan = site.resolve(spec, "app")
    assert names(plan) == ["app-1"]
    [inactive] = plan.inactive
    assert (inactive.want.spec, inactive.provider) == (spec, "glue-1-1.noarch")


def test_capability_that_the_base_has_too_old_comes_from_another_name(
    site: Site, rpms: Path
) -> None:
    site.add_repo("r", [build_rpm(rpms, "glue-ng", provides=["glue-lib = 3"])])
    assert names(site.resolve("glue-lib >= 2")) == ["glue-ng-1"]


# Groups


def comps(packages: str) -> str:
    return (
        "<comps><group><id>tools</id><name>Good Tools</name>"
        f"<name xml:lang='de'>Werkzeug</name><packagelist>{packages}</packagelist></group>"
        "<environment><id>desk</id><name>Desk</name>"
        "<grouplist><groupid>tools</groupid></grouplist></environment></comps>"
    )


def request_line(name: str, kind: str, requires: str = "") -> str:
    return f'<packagereq type="{kind}" requires="{requires}">{name}</packagereq>'


GROUP = "".join(
    [
        request_line("must", "mandatory"),
        request_line("usual", "default"),
        request_line("rare", "optional"),
        request_line("with-usual", "conditional", "usual"),
        request_line("with-rare", "conditional", "rare"),
        request_line("glue", "mandatory"),
        request_line("nowhere", "mandatory"),
        request_line("unfit", "default"),
    ]
)


def add_group_repo(site: Site, rpms: Path, group: str = GROUP) -> None:
    built = [build_rpm(rpms, n) for n in ("must", "usual", "rare", "with-usual", "with-rare")]
    built.append(build_rpm(rpms, "unfit", requires=["glue-lib = 9"]))
    directory = make_repo(site.root.parent / "repo-g", built, comps={})
    (directory / "comps.xml").write_text(comps(group))
    subprocess.run(
        ["createrepo_c", "-q", "-g", "comps.xml", str(directory)], check=True, capture_output=True
    )
    site.configure("g", repo_file("g", directory))


@pytest.mark.parametrize("spec", ["@tools", "@Good Tools", "@desk"])
def test_group(site: Site, rpms: Path, spec: str) -> None:
    add_group_repo(site, rpms)
    plan = site.resolve(spec)
    assert names(plan) == ["must-1", "usual-1", "with-usual-1"]
    assert {p.reason for p in plan.packages} == {"group"}
    assert {(s.want.spec, s.want.source) for s in plan.skipped} == {
        ("nowhere", spec),
        ("unfit", spec),
    }


def test_group_is_as_before_until_upgrade(site: Site, rpms: Path) -> None:
    add_group_repo(site, rpms, request_line("must", "mandatory"))
    before = site.resolve("@tools").packages
    add_group_repo(
        site, rpms, request_line("must", "mandatory") + request_line("rare", "mandatory")
    )
    assert names(site.resolve("@tools", "usual", keep=before)) == ["must-1", "usual-1"]
    assert names(site.resolve("@tools", keep=before, upgrade=True)) == ["must-1", "rare-1"]


def test_unknown_group_is_told_with_near_ones(site: Site, rpms: Path) -> None:
    add_group_repo(site, rpms)
    error = refused(site, "@toolz")
    assert "no repository has a group '@toolz' (did you mean @tools?)" in error.message


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


# Names that nobody has


def test_all_unknown_names_are_in_one_error_with_near_matches(site: Site, rpms: Path) -> None:
    site.add_repo("r", [build_rpm(rpms, "firefox"), build_rpm(rpms, "libreoffice")])
    error = refused(site, "fierfox", "nosuchthing", "Libreoffice", "firefox")
    assert error.data["unknown"] == ["Libreoffice", "fierfox", "nosuchthing"]
    assert "nothing provides 'fierfox' (did you mean firefox?)" in error.message
    assert "nothing provides 'Libreoffice' (did you mean libreoffice?)" in error.message
    assert "nothing provides 'nosuchthing'" in error.message


def test_missing_version_names_those_there_are(site: Site, rpms: Path) -> None:
    site.add_repo("r", [build_rpm(rpms, "app", version="3")])
    for spec in ("app >= 4", "app-4-1", "app-4"):
        assert f"no version fits '{spec}'; there is app-3-1.noarch from r" in (
            refused(site, spec).message
        )


def test_name_with_another_ending_is_not_another_version(site: Site, rpms: Path) -> None:
    site.add_repo("r", [build_rpm(rpms, "app", version="3")])
    assert "nothing provides 'app-devel'" in refused(site, "app-devel").message


def test_excluded_package_is_told(site: Site, rpms: Path) -> None:
    site.add_repo("r", [build_rpm(rpms, "app"), build_rpm(rpms, "lib")], excludepkgs="ap*")
    assert "kept out by excludepkgs or includepkgs of r" in refused(site, "app").message
    assert names(site.resolve("lib")) == ["lib-1"]


def test_package_of_a_disabled_repository_is_told(site: Site, rpms: Path) -> None:
    site.add_repo("extra", [build_rpm(rpms, "app")])
    site.load()
    site.configure("extra", repo_file("extra", site.root.parent / "repo-extra", enabled=0))
    site.add_repo("r", [build_rpm(rpms, "lib")])
    error = refused(site, "app")
    assert "'app' is only in the disabled repository extra" in error.message
    assert "--enablerepo=extra" in error.hint


def test_repository_that_is_down_is_told(site: Site, rpms: Path) -> None:
    site.add_repo("r", [build_rpm(rpms, "lib")])
    site.configure("down", repo_file("down", "http://127.0.0.1:9/"))
    assert names(site.resolve("lib")) == ["lib-1"]
    error = refused(site, "app")
    assert error.data["down"] == ["down"]
    assert "cannot be used now, down (" in error.hint


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
