"""Metadata from good, bad and hostile servers, with real libdnf and librepo."""

import hashlib
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pkglayer.model.errors import ResolveError
from pkglayer.system import rpmmd, sackcache
from pkglayer.system.limited import Limits
from tests.support.metadata import BILLION_LAUGHS, only, replace_primary, rewrite
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
