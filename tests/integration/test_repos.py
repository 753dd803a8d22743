"""Repositories as configured, with real libdnf."""

import functools
import gzip
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from pkglayer.model.errors import ConfigError, PkglayerError, UsageError
from pkglayer.system.comps import parse_comps, read_groups
from pkglayer.system.rpmmd import Repository, load_repositories
from pkglayer.system.sack import parse_metadata
from pkglayer.system.sackinfo import details, search
from tests.support.metadata import BILLION_LAUGHS, only
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


# Configuration


def test_reads_what_dnf_reads(site: Site) -> None:
    (site.root / "etc/dnf").mkdir()
    (site.root / "etc/dnf/dnf.conf").write_text("[main]\nexcludepkgs=evil*\nproxy=http://p:1\n")
    site.configure(
        "a",
        "[a]\nname=A $releasever\nbaseurl=http://x/$releasever/${basearch}/\npriority=7\ncost=3\n"
        "gpgkey=file:///etc/pki/rpm-gpg/$releasever.key\nexcludepkgs=x*,y\nincludepkgs=z\n"
        "repo_gpgcheck=0\nskip_if_unavailable=1\nsome_new_key=1\n"
        "[b]\nname=B\nmetalink=http://x/m\nenabled=0\ngpgcheck=0\n",
    )
    a, b = sorted(site.read(releasever="42"), key=lambda r: r.id)
    assert (a.name, a.baseurls) == ("A 42", ("http://x/42/x86_64/",))
    assert (a.priority, a.cost, a.enabled, a.skip_if_unavailable) == (7, 3, True, True)
    assert a.gpgkeys == ("file:///etc/pki/rpm-gpg/42.key",)
    assert a.excludepkgs == ("evil*", "x*", "y")
    assert a.includepkgs == ("z",)
    assert a.gpgcheck, "signatures are checked unless somebody says no"
    assert (b.enabled, b.gpgcheck, b.mirrors) == (False, False, "http://x/m")


def test_main_section_can_switch_signatures_off(site: Site) -> None:
    (site.root / "etc/dnf").mkdir()
    (site.root / "etc/dnf/dnf.conf").write_text("[main]\ngpgcheck=0\n")
    site.configure("a", "[a]\nbaseurl=http://x/\n[b]\nbaseurl=http://x/\ngpgcheck=1\n")
    assert {r.id: r.gpgcheck for r in site.read()} == {"a": False, "b": True}


def test_administrator_s_file_masks_the_distribution_s(site: Site) -> None:
    for name in ("one", "two", "three"):
        path = site.root / f"usr/share/dnf5/repos.d/{name}.repo"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"[{name}]\nbaseurl=http://usr/\n")
    site.configure("one", "[one]\nbaseurl=http://etc/\n")
    (site.root / "etc/yum.repos.d/two.repo").symlink_to("/dev/null")
    assert {r.id: r.baseurls for r in site.read()} == {
        "one": ("http://etc/",),
        "three": ("http://usr/",),
    }


def test_link_means_the_deployment_s_file(site: Site, tmp_path: Path) -> None:
    (tmp_path / "outside.repo").write_text("[outside]\nbaseurl=http://x/\n")
    site.configure("real", "[real]\nbaseurl=http://x/\n").rename(site.root / "etc/kept")
    links = site.root / "etc/yum.repos.d"
    (links / "absolute.repo").symlink_to("/etc/kept")
    (links / "escape.repo").symlink_to(tmp_path / "outside.repo")
    (links / "climb.repo").symlink_to("../../../../../../outside.repo")
    assert [r.id for r in site.read()] == ["real"]


def test_enables_and_disables_by_glob(site: Site) -> None:
    site.configure("x", "".join(f"[x{n}]\nbaseurl=http://x/\nenabled={n}\n" for n in (0, 1)))
    assert {r.id: r.enabled for r in site.read(enable=["x*"])} == {"x0": True, "x1": True}
    assert {r.id: r.enabled for r in site.read(enable=["*"], disable=["x1"])} == {
        "x0": True,
        "x1": False,
    }
    with pytest.raises(UsageError, match="no repository matches 'y'") as caught:
        site.read(disable=["y"])
    assert "x0, x1" in caught.value.hint


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[a]\nenabled=perhaps\n", r"a\.repo: \[a\] enabled: 'perhaps'"),
        ("[a]\npriority=high\n", r"a\.repo: \[a\] priority: 'high'"),
        ("[a/../b]\nbaseurl=http://x\n", r"a\.repo: \[a/\.\./b\] cannot be the id"),
        ("[..]\nbaseurl=http://x\n", r"a\.repo: \[\.\.\] cannot be the id"),
        ("baseurl=http://x\n", r"a\.repo: not a valid repository file"),
    ],
)
def test_wrong_file_is_named_with_its_key(site: Site, text: str, says: str) -> None:
    site.configure("a", text)
    with pytest.raises(ConfigError, match=says):
        site.read()


def test_first_of_two_repositories_of_one_id_counts(site: Site) -> None:
    site.configure("a", "[same]\nbaseurl=http://a/\n")
    site.configure("b", "[same]\nbaseurl=http://b/\n")
    assert only(site.read()).baseurls == ("http://a/",)


# Groups, and the cache


def test_groups_of_a_compressed_file(site: Site, tmp_path: Path) -> None:
    made = make_repo(tmp_path / "repo", [build_rpm(tmp_path, "app")], comps={"g": ["app"]})
    site.configure("r", repo_file("r", made))
    [group] = read_groups(site.load())
    assert (group.id, group.mandatory) == ("g", ("app",))
    xml = (made / "repodata/comps.xml").read_bytes()
    packed = tmp_path / "comps.xml.gz"
    packed.write_bytes(gzip.compress(xml))
    assert read_groups([Repository("x", comps=str(packed))]) == [group]


def test_hostile_groups_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="entities"):
        parse_comps(BILLION_LAUGHS)
    bomb = tmp_path / "comps.xml.gz"
    bomb.write_bytes(gzip.compress(b" " * (65 * 1024**2)))
    with pytest.raises(PkglayerError, match="the groups of repository x cannot be read: more than"):
        read_groups([Repository("x", comps=str(bomb))])


@pytest.mark.parametrize("how", ["mode", "owner", "link"])
def test_cache_that_others_can_write_is_refused(site: Site, repo: Path, how: str) -> None:
    site.configure("r", repo_file("r", repo))
    metadata = site.cachedir / "metadata"
    metadata.mkdir(mode=0o700)
    if how == "mode":
        metadata.chmod(0o777)
    elif how == "owner":
        os.chown(metadata, 12345, 0)
    else:
        metadata.rmdir()
        (site.cachedir / "elsewhere").mkdir()
        metadata.symlink_to(site.cachedir / "elsewhere")
    with pytest.raises(PkglayerError, match="cannot be used"):
        site.load()


def test_search_and_details(site: Site, tmp_path: Path) -> None:
    built = [build_rpm(tmp_path, "editor", version=v) for v in ("1", "2")]
    site.configure("r", repo_file("r", make_repo(tmp_path / "repo", built)))
    sack = site.sack()
    found = search(sack, ["EDIT", "test"])
    assert [(str(d.package.nevra), d.installed) for d in found] == [("editor-2-1.noarch", False)]
    assert search(sack, ["editor", "nosuchword"]) == []
    [glue] = [details(sack, [o]) for o in sack.find("glue")]
    assert (glue.installed, glue.package.repo) == (True, "@System")
    assert glue.description == "Made for a test."


def test_host_configuration_is_not_read(site: Site, repo: Path) -> None:
    """An empty deployment has no repositories, whatever the machine has."""
    assert site.read() == []
    assert load_repositories([]) == []


# Several at once


@pytest.fixture
def three(site: Site, server: Server, tmp_path: Path) -> Site:
    """A site with three repositories on one server, each with a package of its name."""
    for name in ("one", "two", "three"):
        make_repo(tmp_path / name, [build_rpm(tmp_path, name)])
        site.configure(name, repo_file(name, f"{server.url}/{name}"))
    return site


def test_repositories_are_asked_at_once(three: Site, server: Server) -> None:
    meeting = threading.Barrier(3)
    for name in ("one", "two", "three"):
        server.fail(f"/{name}/repodata/repomd.xml", meet=meeting)
    assert [r.problem for r in three.load()] == ["", "", ""]


def test_one_of_several_is_down(three: Site, server: Server) -> None:
    server.fail("/two/", status=404)
    found = {r.id: r for r in three.load()}
    assert [found[n].available for n in ("one", "two", "three")] == [True, False, True]
    assert f"{server.url}/two" in found["two"].problem
    known = three.sack(list(found.values()))
    assert [bool(known.find(n)) for n in ("one", "two", "three")] == [True, False, True]


def test_metadata_is_parsed_before_it_is_needed(three: Site, tmp_path: Path) -> None:
    solv = three.cachedir / "solv"
    parse = functools.partial(parse_metadata, cachedir=solv, root=three.root)
    load_repositories(three.read(), refresh=True, parse=parse)
    assert {p.name for p in solv.glob("*.solv")} == {"one.solv", "two.solv", "three.solv"}
    made = {p: p.stat().st_mtime_ns for p in solv.glob("*.solv")}
    three.sack()
    assert {p: p.stat().st_mtime_ns for p in solv.glob("*.solv")} == made


def test_a_parser_that_dies_is_told_by_who_needs_it(three: Site) -> None:
    def crash(repository: Repository) -> None:
        if repository.id == "two":
            os.abort()

    found = {r.id: r for r in load_repositories(three.read(), refresh=True, parse=crash)}
    assert [found[n].problem for n in ("one", "two", "three")] == ["", "", ""]
