"""Repositories that lie, break or do not answer, end to end: rows 8 to 12 of the list of faults.

What each parser and each rule does by itself is in `integration/test_metadata*.py` and
`test_fetch.py`; here a person runs `install` and `upgrade`.
"""

import bz2
import gzip
import json
import lzma
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from pkglayer.system import rpmmd, sackcache
from pkglayer.system.limited import Limits
from tests.faults.arena import look_at, make_outside
from tests.support.keys import GpgKey, make_gpg_key, revoke, sign_file, sign_rpm
from tests.support.metadata import replace_file
from tests.support.repos import make_repo, repo_file
from tests.support.rpms import build_rpm, corrupt
from tests.support.scene import Scene, make_scene
from tests.support.servers import Server, http_server
from tests.support.site import Site, make_site

KEY_FILE = "etc/pki/rpm-gpg/repo.asc"
IMPATIENT = {"timeout": 2, "retries": 1, "minrate": 1000, "skip_if_unavailable": 0}


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """`foo` is layered, `bar` is only offered."""
    tmp = tmp_path_factory.mktemp("repositories")
    rpms = [build_rpm(tmp, name, files={f"usr/share/{name}": "x"}) for name in ("foo", "bar")]
    scene = make_scene(tmp, rpms)
    scene.run("install", "foo")
    return scene


@pytest.fixture
def scene(original: Scene, tmp_path: Path) -> Iterator[Scene]:
    """A copy for each test, and a place beside it that nothing must touch."""
    scene = original.copy_to(tmp_path)
    before = make_outside(tmp_path / "outside")
    yield scene
    assert look_at(tmp_path / "outside") == before


def assert_only_new_requests_suffer(scene: Scene, *reasons: str) -> str:
    """`bar` is refused with repository and reason; a new base keeps `foo` from the cache."""
    message = scene.refuse("install", "bar", "--refresh", code=3)
    for text in ("bar", "test", *reasons):
        assert text in message, message
    scene.update_base("2")
    data = json.loads(scene.run("upgrade", "--refresh", "--json").stdout)
    assert data["base"]["version"] == "2"
    assert [(f["nevra"], f["how"]) for f in data["fallbacks"]] == [("foo-1-1.noarch", "stale")]
    assert "foo-1-1" in scene.packages
    return message


# Row 8


@pytest.mark.parametrize(
    ("location", "code"),
    [
        ("../outside/bar.rpm", 4),
        ("a/../../outside/bar.rpm", 4),
        ("/etc/shadow", 4),
        ("%2e%2e/outside/bar.rpm", 4),
        ("%252e%252e/outside/bar.rpm", 4),
        ("file:///etc/shadow", 4),
        ("a&#10;b.rpm", 4),
        ("a%0ab.rpm", 4),
        ("a%00b.rpm", 4),
        ("a&#0;b.rpm", 3),  # no XML: the whole repository is out
        ("x" * 4096, 4),
        ("x" * 4097, 4),
    ],
)
def test_a_package_s_place_that_leads_out(scene: Scene, location: str, code: int) -> None:
    path = scene.repo / "repodata/primary.xml.gz"
    xml = gzip.decompress(path.read_bytes()).decode()
    place = 'href="bar-1-1.noarch.rpm"'
    assert place in xml
    replace_file(scene.repo, "primary.xml.gz", xml.replace(place, f'href="{location}"').encode())
    with http_server(scene.tmp) as server:
        scene.configure(repo_file("test", f"{server.url}/repo"))
        message = scene.refuse("install", "bar", "--refresh", code=code)
        assert not [p for p in server.paths() if "outside" in p or "shadow" in p]
    assert "bar" in message
    assert "test" in message
    names = {p.name for p in scene.sysroot.rglob("*.rpm")}
    assert all(name.startswith("sha256-") for name in names)


# Row 9


def leave_unsigned(scene: Scene, key: GpgKey) -> None:
    del scene, key


def sign_other_bytes(scene: Scene, key: GpgKey) -> None:
    path = scene.repo / "repodata/repomd.xml"
    sign_file(path, key)
    path.write_text(path.read_text() + "<!-- -->\n")


def sign_by_a_stranger(scene: Scene, key: GpgKey) -> None:
    del key
    sign_file(scene.repo / "repodata/repomd.xml", make_gpg_key(scene.tmp, "stranger"))


def sign_and_revoke(scene: Scene, key: GpgKey) -> None:
    sign_file(scene.repo / "repodata/repomd.xml", key)
    revoke(key)


def sign_by_an_expired_key(scene: Scene, key: GpgKey) -> None:
    sign_file(scene.repo / "repodata/repomd.xml", key)


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (leave_unsigned, "its metadata is not signed"),
        (sign_other_bytes, "Bad GPG signature"),
        (sign_by_a_stranger, "Bad GPG signature"),
        (sign_and_revoke, "was revoked by its owner"),
        (sign_by_an_expired_key, "expired on 2020-01-02"),
    ],
)
def test_a_repository_s_signature(
    scene: Scene, spoil: Callable[[Scene, GpgKey], None], says: str
) -> None:
    expire = "expired" if spoil is sign_by_an_expired_key else "never"
    key = make_gpg_key(scene.tmp, "repo", expire=expire)
    spoil(scene, key)
    scene.configure(key.public.read_text(), KEY_FILE)
    scene.configure(
        repo_file("test", scene.repo, repo_gpgcheck=1, gpgkey=f"file:///{KEY_FILE}")
    )
    assert_only_new_requests_suffer(scene, says)


# Row 10

PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "xz": partial(lzma.compress, preset=0),
    "bz2": bz2.compress,
    "zst": lambda data: subprocess.run(
        ["zstd", "-q", "-1"], input=data, capture_output=True, check=True
    ).stdout,
}


@pytest.mark.parametrize("kind", PACKERS)
def test_a_bomb_in_other_compressions(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = bombed_site(tmp_path)
    monkeypatch.setattr(sackcache, "LIMITS", Limits(memory=200 << 20))
    bomb = b"<metadata packages='1'><package type='rpm'><name>" + b"a" * 300_000_000
    repo = site.root.parent / "repo-r"
    replace_file(repo, "primary.xml.gz", bomb, pack=PACKERS[kind], name=f"primary.xml.{kind}")
    began = time.monotonic()
    broken = {r.id: r for r in site.sack().repositories}["r"]
    assert time.monotonic() - began < 60
    assert not broken.available
    assert "the metadata of repository r is broken" in broken.problem
    assert cache_size(site) < 20 << 20


def bombed_site(tmp: Path) -> Site:
    site = make_site(tmp, [build_rpm(tmp, "glue")])
    site.add_repo("r", [build_rpm(tmp, "app")])
    return site


def cache_size(site: Site) -> int:
    return sum(p.lstat().st_blocks * 512 for p in site.cachedir.rglob("*"))


@pytest.mark.parametrize("name", ["repomd.xml", "primary.xml.gz"])
def test_metadata_without_an_end(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = bombed_site(tmp_path)
    monkeypatch.setattr(rpmmd, "LIMITS", Limits(file_size=8 << 20))
    with http_server(tmp_path) as server:
        site.configure("r", repo_file("r", f"{server.url}/repo-r", **IMPATIENT))
        server.fail(f"/repo-r/repodata/{name}", endless=True)
        [repository] = site.load()
    assert not repository.available
    assert repository.problem
    assert cache_size(site) <= 20 << 20


def test_the_limits_of_metadata_are_set() -> None:
    for limits in (rpmmd.LIMITS, sackcache.LIMITS):
        assert (limits.file_size, limits.memory, limits.seconds) == (1 << 30, 3 << 30, 120)


# Row 11


FAULTS: dict[str, tuple[dict[str, object], str]] = {
    "404": ({"status": 404}, "404"),
    "503": ({"status": 503}, "503"),
    "silence": ({"silent": True}, "imeout"),
    "one byte a second": ({"bytes_per_second": 1}, "too slow"),
    "redirect to a file": ({"redirect": "file:///etc/passwd"}, "file"),
    "cut off": ({"truncate_at": 20}, "test"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_server_in_trouble(scene: Scene, server: Server, name: str) -> None:
    fault, says = FAULTS[name]
    scene.configure(repo_file("test", f"{server.url}/repo", **IMPATIENT))
    server.fail("/repo/repodata", **fault)
    assert_only_new_requests_suffer(scene, says)
    server.heal()
    scene.run("install", "bar", "--refresh")
    assert "bar-1-1" in scene.packages


def test_a_certificate_that_nobody_vouches_for(scene: Scene) -> None:
    with http_server(scene.tmp, tls=True) as server:
        scene.configure(repo_file("test", f"{server.url}/repo", **IMPATIENT))
        assert_only_new_requests_suffer(scene, "certificate")
        assert server.paths() == []


@pytest.mark.parametrize("name", FAULTS)
def test_a_package_that_does_not_come(scene: Scene, server: Server, name: str) -> None:
    fault, says = FAULTS[name]
    scene.configure(repo_file("test", f"{server.url}/repo", **IMPATIENT))
    server.fail("/repo/bar", **fault)
    message = scene.refuse("install", "bar", "--refresh", code=4)
    assert "1 of 1 packages cannot be downloaded: bar-1-1.noarch from test: " in message
    assert says in message
    server.heal()
    scene.run("install", "bar")


# Row 12


def test_other_bytes_than_the_metadata_promise(scene: Scene) -> None:
    corrupt(scene.repo / "bar-1-1.noarch.rpm")
    message = scene.refuse("install", "bar", "--refresh", code=4)
    assert "bar-1-1.noarch from test: " in message
    assert "hecksum" in message


def test_one_nevra_with_two_contents_is_recorded(scene: Scene) -> None:
    other = build_rpm(scene.tmp / "other", "bar", files={"usr/share/bar": "other"})
    second = make_repo(scene.tmp / "second", [other])
    scene.configure(repo_file("second", second, cost=10), "etc/yum.repos.d/second.repo")
    scene.run("install", "bar", "--refresh")
    record = json.loads((scene.next.path / "usr/lib/pkglayer/record.json").read_text())
    [bar] = [p for p in record["plan"]["packages"] if p["nevra"] == "bar-1-1.noarch"]
    assert bar["repo"] == "second"
    digest = subprocess.check_output(["sha256sum", other], text=True).split()[0]
    assert bar["checksum"] == f"sha256:{digest}"
    assert (scene.next.path / "usr/share/bar").read_text() == "other"


# Row 13, whole


def test_a_package_s_signature(scene: Scene, gpg_key: GpgKey) -> None:
    scene.configure(gpg_key.public.read_text(), KEY_FILE)
    scene.configure(repo_file("test", scene.repo, gpgcheck=1, gpgkey=f"file:///{KEY_FILE}"))
    assert "bar-1-1.noarch from test is not signed" in scene.refuse("install", "bar", code=5)
    bad = sign_rpm(build_rpm(scene.tmp / "bad", "bad"), make_gpg_key(scene.tmp, "stranger"))
    scene.publish(bad)
    message = scene.refuse("install", "bad", "--refresh", code=5)
    assert "is signed by the key " in message
    assert "which is not trusted" in message
    shutil.rmtree(scene.repo)
    make_repo(scene.repo, [sign_rpm(build_rpm(scene.tmp / "good", "good"), gpg_key)])
    scene.run("install", "good", "--refresh")
