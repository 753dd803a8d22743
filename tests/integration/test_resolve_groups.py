"""From a request to a plan: package groups."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from pkglayer.model.errors import ResolveError
from pkglayer.model.package import Package
from pkglayer.model.plan import Plan
from pkglayer.model.request import Want
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
