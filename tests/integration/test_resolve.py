"""From a request to a plan: what a SPEC means, and what is told when nobody has it.

Real metadata, a real rpmdb and the real solver.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pkglayer.model.errors import ResolveError
from pkglayer.model.package import Package
from pkglayer.model.plan import Plan
from pkglayer.model.request import Want
from tests.support.repos import repo_file
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
    "spec", ["-rf", "--root=/", "a;reboot", "$(reboot)", "`x`", "x" * 1000, "(", "= 1"]
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
