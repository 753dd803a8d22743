"""Repositories as configured, served well and badly, with real libdnf and librepo."""

import gzip
import hashlib
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pkglayer.model.errors import ConfigError, PkglayerError, ResolveError, UsageError
from pkglayer.system import rpmmd, sackcache
from pkglayer.system.comps import parse_comps, read_groups
from pkglayer.system.limited import Limits
from pkglayer.system.rpmmd import Repository, load_repositories
from pkglayer.system.sackinfo import details, search
from tests.support.keys import GpgKey, make_gpg_key, sign_file
from tests.support.repos import make_repo, repo_file
from tests.support.rpms import build_rpm
from tests.support.servers import Server, http_server
from tests.support.site import Site, make_site, names


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


def only(repositories: list[Repository]) -> Repository:
    [repository] = repositories
    return repository


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


# Metadata


def test_asks_again_only_when_expired(site: Site, repo: Path, server: Server) -> None:
    site.configure("r", repo_file("r", f"{server.url}/repo", metadata_expire=3600))
    assert only(site.load(refresh=False)).available
    asked = len(server.paths())
    assert asked
    assert only(site.load(refresh=False)).available
    assert len(server.paths()) == asked
    assert only(site.load(offline=True)).available
    assert len(server.paths()) == asked
    site.load(refresh=True)
    assert server.paths()[asked:] == ["/repo/repodata/repomd.xml"], "nothing changed there"


def test_offline_without_any_metadata_says_so(site: Site, repo: Path) -> None:
    site.configure("r", repo_file("r", repo))
    r = only(site.load(offline=True))
    assert (r.available, r.problem) == (False, "its metadata was never downloaded")


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ({"status": 404}, "404"),
        ({"redirect": "file:///etc/passwd"}, "file"),
        ({"bytes_per_second": 1}, "too slow"),
        ({"truncate_at": 100}, "repomd.xml"),
    ],
)
def test_bad_server_is_a_problem_and_older_metadata_is_used(
    site: Site, repo: Path, server: Server, fault: dict[str, int | str], says: str
) -> None:
    site.configure("r", repo_file("r", f"{server.url}/repo", timeout=1, minrate=1000, retries=1))
    server.fail("/repo", **fault)
    down = only(site.load())
    assert not down.available
    assert says in down.problem
    server.heal()
    fresh = only(site.load())
    assert (fresh.available, fresh.stale, fresh.problem) == (True, False, "")
    server.fail("/repo", **fault)
    stale = only(site.load())
    assert (stale.available, stale.stale) == (True, True)
    assert says in stale.problem
    assert stale.timestamp == fresh.timestamp > 0
    assert names(site.resolve("app", repositories=[stale])) == ["app-1"]


def test_dead_repository_does_not_block_others(site: Site, repo: Path) -> None:
    site.configure("r", repo_file("r", repo))
    site.configure("dead", repo_file("dead", "http://127.0.0.1:9/", skip_if_unavailable=0))
    assert names(site.resolve("app")) == ["app-1"]


def test_mirrors_are_tried_in_turn(site: Site, repo: Path, tmp_path: Path, server: Server) -> None:
    (tmp_path / "mirrors").write_text(f"http://127.0.0.1:9/\n{server.url}/repo/\n")
    site.configure("r", f"[r]\nmirrorlist={server.url}/mirrors\ngpgcheck=0\n")
    assert only(site.load()).available
    plan = site.resolve("app")
    [fetched] = site.fetch(plan.packages)
    fetched.close()
    assert "/repo/app-1-1.noarch.rpm" in server.paths()


def test_metalink_is_followed_and_its_checksum_counts(
    site: Site, repo: Path, tmp_path: Path, server: Server
) -> None:
    repomd = (repo / "repodata/repomd.xml").read_bytes()

    def write(digest: str) -> None:
        (tmp_path / "metalink").write_text(
            '<metalink version="3.0" xmlns="http://www.metalinker.org/" '
            'xmlns:mm0="http://fedorahosted.org/mirrormanager"><files><file name="repomd.xml">'
            f"<size>{len(repomd)}</size><verification><hash type='sha256'>{digest}</hash>"
            '</verification><resources><url protocol="http" type="http" preference="100">'
            f"{server.url}/repo/repodata/repomd.xml</url></resources></file></files></metalink>"
        )

    site.configure("r", f"[r]\nmetalink={server.url}/metalink\ngpgcheck=0\n")
    write("0" * 64)
    assert not only(site.load()).available
    write(hashlib.sha256(repomd).hexdigest())
    assert only(site.load()).available


# Hostile metadata


def rewrite(repo: Path, old: str, new: str) -> None:
    path = repo / "repodata/repomd.xml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


@pytest.mark.parametrize(
    "location",
    ["../../../../../../escaped/primary.xml.gz", "/escaped/primary.xml.gz", "a\nb", "x" * 4097],
)
def test_repomd_that_leads_out_writes_nothing_outside(
    site: Site, repo: Path, tmp_path: Path, server: Server, location: str
) -> None:
    (tmp_path / "escaped").mkdir()
    shutil.copy(repo / "repodata/primary.xml.gz", tmp_path / "escaped/primary.xml.gz")
    before = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*") if "cache" not in p.parts}
    rewrite(repo, "repodata/primary.xml.gz", location)
    before.pop(repo / "repodata/repomd.xml")
    site.configure("r", repo_file("r", f"{server.url}/repo", retries=1))
    r = only(site.load())
    assert not r.available
    after = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*") if "cache" not in p.parts}
    after.pop(repo / "repodata/repomd.xml")
    after = {p: t for p, t in after.items() if p.name != "r.repo" and p.parent.name != "etc"}
    assert {p for p in after if p not in before} <= {site.root / "etc/yum.repos.d"}


def replace_primary(repo: Path, xml: bytes) -> None:
    """Put other content in place of primary.xml.gz, as its owner could: checksums are right."""
    path = repo / "repodata/primary.xml.gz"
    old = path.read_bytes()
    new = gzip.compress(xml, mtime=0)
    path.write_bytes(new)
    plain = gzip.decompress(old)
    for was, now in ((old, new), (plain, xml)):
        rewrite(repo, hashlib.sha256(was).hexdigest(), hashlib.sha256(now).hexdigest())
    rewrite(repo, f"<size>{len(old)}</size>", f"<size>{len(new)}</size>")
    rewrite(repo, f"<open-size>{len(plain)}</open-size>", f"<open-size>{len(xml)}</open-size>")


BILLION_LAUGHS = b"".join(
    [
        b'<?xml version="1.0"?><!DOCTYPE m [<!ENTITY a0 "ha">',
        *(b'<!ENTITY a%d "%s">' % (n, b"&a%d;" % (n - 1) * 10) for n in range(1, 10)),
        b']><metadata packages="1"><package type="rpm"><name>&a9;</name></package></metadata>',
    ]
)


@pytest.mark.parametrize(
    "xml",
    [
        BILLION_LAUGHS,
        b"<metadata packages='1'><package type='rpm'><name>" + b"a" * 300_000_000,
        b"<metadata><package type='rpm'><name>",
        b"\0\xff not xml",
    ],
    ids=["entity-bomb", "gzip-bomb", "truncated", "garbage"],
)
def test_bomb_costs_the_repository_and_not_the_program(
    site: Site, repo: Path, tmp_path: Path, xml: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sackcache, "LIMITS", Limits(memory=200 * 1024**2))
    other = make_repo(tmp_path / "other", [build_rpm(tmp_path, "fine")])
    site.configure("other", repo_file("other", other))
    replace_primary(repo, xml)
    site.configure("r", repo_file("r", repo))
    began = time.monotonic()
    sack = site.sack()
    assert time.monotonic() - began < 60
    broken = {r.id: r for r in sack.repositories}["r"]
    assert not broken.available
    assert "the metadata of repository r is broken" in broken.problem
    assert names(site.resolve("fine")) == ["fine-1"]
    with pytest.raises(ResolveError) as caught:
        site.resolve("app")
    assert caught.value.data["down"] == ["r"]


def test_metadata_file_has_a_largest_size(
    site: Site, repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rpmmd, "LIMITS", Limits(file_size=100))
    site.configure("r", repo_file("r", repo))
    assert not only(site.load()).available


# Signed metadata


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
    key = make_gpg_key(tmp_path, "brief", expire="seconds=2")
    sign_file(repo / "repodata/repomd.xml", key)
    configure_signed(site, repo, key)
    time.sleep(2.5)
    assert "expired on 20" in only(site.load()).problem


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
    [glue] = [details(sack, o) for o in sack.find("glue")]
    assert (glue.installed, glue.package.repo) == (True, "@System")
    assert glue.description == "Made for a test."


def test_host_configuration_is_not_read(site: Site, repo: Path) -> None:
    """An empty deployment has no repositories, whatever the machine has."""
    assert site.read() == []
    assert load_repositories([]) == []
