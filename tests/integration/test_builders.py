"""The builders do what other tests rely on: what they make is real, and the same each time."""

import subprocess
from http.client import IncompleteRead
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from tests.support.keys import GpgKey, make_gpg_key, sign_rpm
from tests.support.ostree import (
    ENVIRONMENT,
)
from tests.support.repos import make_repo, repo_file
from tests.support.rpms import Entry, RpmTree, Trigger, build_rpm, config, corrupt, forget, ghost
from tests.support.servers import http_server
from tests.support.trees import DIR, Dir, File, Hardlink, Link, Tree, make_tree


def query_package(path: Path, format_text: str) -> list[str]:
    command = ["rpm", "--nosignature", "-qp", "--qf", format_text, str(path)]
    return subprocess.run(
        command, env=ENVIRONMENT, capture_output=True, text=True, check=True
    ).stdout.splitlines()


def check_signature(path: Path, key: GpgKey, tmp: Path) -> subprocess.CompletedProcess[str]:
    database = ["--dbpath", str(tmp / "keys-db"), f"--define=_keyringpath {tmp}/keys"]
    subprocess.run(["rpmkeys", *database, "--import", key.public], env=ENVIRONMENT, check=True)
    return subprocess.run(
        ["rpmkeys", *database, "--define=_pkgverify_level all", "--checksig", path],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
    )


class TestTrees:
    def test_modes_owners_and_links(self, tmp_path: Path) -> None:
        tree: Tree = {
            "a/s": File("x", 0o4711, uid=3, gid=4, caps="cap_net_raw=ep"),
            "a/d": Dir(0o1777, uid=5),
            "a/l": Link("../nowhere"),
            "a/h": Hardlink("a/s"),
            "b": b"\0\xff",
        }
        root = make_tree(tmp_path / "tree", tree)
        status = (root / "a/s").stat()
        assert (status.st_mode & 0o7777, status.st_uid, status.st_gid) == (0o4711, 3, 4)
        assert status.st_nlink == 2
        assert (root / "a/d").stat().st_mode & 0o7777 == 0o1777
        assert (root / "a/d").stat().st_uid == 5
        assert (root / "a/l").readlink() == Path("../nowhere")
        assert (root / "b").read_bytes() == b"\0\xff"
        caps = subprocess.run(["getcap", root / "a/s"], capture_output=True, text=True, check=True)
        assert "cap_net_raw=ep" in caps.stdout

    def test_never_writes_into_a_hard_link(self, tmp_path: Path) -> None:
        root = make_tree(tmp_path, {"object": "old", "checkout": Hardlink("object")})
        make_tree(root, {"checkout": "new"})
        assert (root / "object").read_text() == "old"


class TestRpms:
    def test_header_says_what_was_asked(self, tmp_path: Path) -> None:
        files: RpmTree = {
            "usr/bin/foo": File("x", 0o4755, caps="cap_net_raw=ep"),
            "usr/lib/foo": DIR,
            "usr/bin/bar": Link("foo"),
            "etc/foo.conf": config("a=1\n"),
            "var/log/foo.log": ghost(0o600),
            "usr/share/a b%c": Entry(File("odd", 0o640), user="foo", group="adm"),
        }
        path = build_rpm(tmp_path, "foo", version="2", release="3", epoch=4, files=files)
        assert path.name == "foo-2-3.noarch.rpm"
        assert query_package(path, "%{EPOCHNUM}:%{NAME} %{BUILDTIME} %{BUILDHOST}\n") == [
            "4:foo 1700000000 localhost"
        ]
        columns = "%{FILENAMES}|%{FILEMODES:octal}|%{FILEUSERNAME}:%{FILEGROUPNAME}|%{FILECAPS}"
        assert query_package(path, f"[{columns}|%{{FILEFLAGS:fflags}}|%{{FILELINKTOS}}\n]") == [
            "/etc/foo.conf|100644|root:root||cn|",
            "/usr/bin/bar|120777|root:root|||foo",
            "/usr/bin/foo|104755|root:root|cap_net_raw=ep||",
            "/usr/lib/foo|40755|root:root|||",
            "/usr/share/a b%c|100640|foo:adm|||",
            "/var/log/foo.log|100600|root:root||g|",
        ]

    def test_dependencies_and_scripts(self, tmp_path: Path) -> None:
        path = build_rpm(
            tmp_path,
            "foo",
            arch="x86_64",
            requires=["bar >= 2", "(a or b)"],
            provides=["perl(Foo) = 1"],
            conflicts=["baz"],
            obsoletes=["old < 3"],
            recommends=["nice"],
            extra_spec="Suggests: maybe",
            scripts={"post": "echo 100% $1", "pretrans": ("<lua>", "print('x')")},
            triggers=[Trigger("transfiletriggerin", "/usr/share/fonts", "cat", priority=7)],
            changelog="* Tue Jan 02 2024 Me <me@example.invalid> - 1-1\n- Changed.",
        )
        assert path.name == "foo-1-1.x86_64.rpm"
        requires = query_package(path, "[%{REQUIRENEVRS}\n]")
        assert {"bar >= 2", "(a or b)", "/bin/sh"} <= set(requires)
        assert "perl(Foo) = 1" in query_package(path, "[%{PROVIDENEVRS}\n]")
        weak = "%{CONFLICTS} %{OBSOLETENEVRS} %{RECOMMENDS} %{SUGGESTS}\n"
        assert query_package(path, weak) == ["baz old < 3 nice maybe"]
        scripts = "%{POSTIN}|%{POSTINPROG}|%{PRETRANS}|%{PRETRANSPROG}\n"
        assert query_package(path, scripts) == ["echo 100% $1|/bin/sh|print('x')|<lua>"]
        trigger = "%{TRANSFILETRIGGERNAME} %{TRANSFILETRIGGERPRIORITIES} %{CHANGELOGTEXT}\n"
        assert query_package(path, trigger) == ["/usr/share/fonts 7 - Changed."]

    def test_same_words_give_same_bytes(self, tmp_path: Path) -> None:
        built = []
        files: RpmTree = {"etc/foo": config("x"), "usr/d": DIR}
        for name in ("one", "two"):
            forget()
            built.append(build_rpm(tmp_path / name, "foo", files=files).read_bytes())
        assert built[0] == built[1]

    def test_a_package_that_was_spoilt_is_built_whole_again(self, tmp_path: Path) -> None:
        content = build_rpm(tmp_path, "foo").read_bytes()
        corrupt(tmp_path / "foo-1-1.noarch.rpm")
        assert build_rpm(tmp_path, "foo").read_bytes() == content
        assert build_rpm(tmp_path, "foo", files={"x": "y"}).read_bytes() != content

    def test_owner_numbers_are_refused(self, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match="owner names"):
            build_rpm(tmp_path, "foo", files={"x": File("", uid=5)})


class TestSignatures:
    def test_signed_package_verifies(self, tmp_path: Path, gpg_key: GpgKey) -> None:
        path = sign_rpm(build_rpm(tmp_path, "foo"), gpg_key)
        done = check_signature(path, gpg_key, tmp_path)
        assert (done.returncode, done.stdout) == (0, f"{path}: digests signatures OK\n")

    def test_unsigned_foreign_and_corrupt_do_not(self, tmp_path: Path, gpg_key: GpgKey) -> None:
        unsigned = build_rpm(tmp_path / "unsigned", "foo", files={"x": "y" * 999})
        foreign = sign_rpm(build_rpm(tmp_path, "foreign"), make_gpg_key(tmp_path, "other"))
        broken = corrupt(sign_rpm(build_rpm(tmp_path, "broken"), gpg_key), -9)
        for path in (unsigned, foreign, broken):
            done = check_signature(path, gpg_key, tmp_path)
            assert done.returncode != 0, done.stdout
            assert "NOT OK" in done.stdout

    def test_no_agent_is_left(self, tmp_path: Path) -> None:
        key = make_gpg_key(tmp_path)
        sign_rpm(build_rpm(tmp_path, "foo"), key)
        assert not list(key.home.glob("S.gpg-agent*"))


class TestRepos:
    def test_metadata_lists_packages_and_groups(self, tmp_path: Path, gpg_key: GpgKey) -> None:
        rpms = [build_rpm(tmp_path, "foo"), build_rpm(tmp_path, "bar")]
        repo = make_repo(tmp_path / "repo", rpms, comps={"tools": ["foo"]}, sign_with=gpg_key)
        data = repo / "repodata"
        verify = ["gpg", "--verify", str(data / "repomd.xml.asc"), str(data / "repomd.xml")]
        own = ENVIRONMENT | {"GNUPGHOME": str(gpg_key.home)}
        assert subprocess.run(verify, env=own, capture_output=True, check=False).returncode == 0
        listed = subprocess.run(
            ["zgrep", "-o", "<name>[a-z]*</name>", data / "primary.xml.gz"],
            capture_output=True,
            text=True,
            check=True,
        )
        assert sorted(listed.stdout.split()) == ["<name>bar</name>", "<name>foo</name>"]
        assert ">foo</packagereq>" in (data / "comps.xml").read_text()

    def test_same_packages_give_same_metadata(self, tmp_path: Path) -> None:
        rpms = [build_rpm(tmp_path, "foo")]
        texts = [
            (make_repo(tmp_path / name, rpms, comps={"g": ["foo"]}) / "repodata/repomd.xml")
            for name in ("one", "two")
        ]
        assert texts[0].read_bytes() == texts[1].read_bytes()

    def test_repo_file(self, tmp_path: Path) -> None:
        text = repo_file("test", "http://127.0.0.1:1/x", gpgcheck=1, gpgkey=tmp_path / "k")
        assert "[test]\n" in text
        assert "baseurl=http://127.0.0.1:1/x\n" in text
        assert f"gpgkey=file://{tmp_path}/k\n" in text
        assert "gpgcheck=1\n" in text
        assert "gpgcheck=0" not in text


class TestServers:
    def test_serves_and_writes_down(self, tmp_path: Path) -> None:
        make_tree(tmp_path, {"a/b": "content"})
        with http_server(tmp_path) as server:
            assert urlopen(f"{server.url}/a/b").read() == b"content"
            assert server.paths() == ["/a/b"]
        with pytest.raises(OSError, match="refused"):
            urlopen(f"{server.url}/a/b", timeout=5)

    def test_faults_by_prefix(self, tmp_path: Path) -> None:
        make_tree(tmp_path, {"good": "content", "bad/x": "content", "bad/fine": "content"})
        with http_server(tmp_path) as server:
            server.fail("/bad", status=503)
            server.fail("/bad/fine")
            with pytest.raises(HTTPError, match="503"):
                urlopen(f"{server.url}/bad/x")
            assert urlopen(f"{server.url}/bad/fine").read() == b"content"
            assert urlopen(f"{server.url}/good").read() == b"content"
            server.heal()
            assert urlopen(f"{server.url}/bad/x").read() == b"content"
            server.fail("/bad", redirect="/good")
            assert urlopen(f"{server.url}/bad/x").url == f"{server.url}/good"

    def test_truncated_answers_end_early(self, tmp_path: Path) -> None:
        make_tree(tmp_path, {"x": "content"})
        with http_server(tmp_path) as server:
            server.fail("/x", truncate_at=3)
            answer = urlopen(f"{server.url}/x", timeout=5)
            assert answer.headers["Content-Length"] == "7"
            assert answer.read1() == b"con"

    def test_a_slow_answer_ends_with_the_server(self, tmp_path: Path) -> None:
        make_tree(tmp_path, {"x": "y" * 100_000})
        with http_server(tmp_path) as server:
            server.fail("/x", bytes_per_second=100)
            answer = urlopen(f"{server.url}/x", timeout=5)
            assert answer.read1(10) == b"y" * 10
        # At this rate the rest would take a quarter of an hour.
        with pytest.raises(IncompleteRead):
            answer.read()
