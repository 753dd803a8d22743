"""Test bases are real: rpm, ostree and the programs in them agree on what they are."""

from pathlib import Path

import pytest

from tests.support.ostree import (
    Base,
    Layout,
    commit_base_update,
    make_base,
    make_sysroot,
    run_ostree,
)
from tests.support.rpms import Entry, build_rpm, forget
from tests.support.servers import http_server
from tests.support.testos import KERNEL_VERSION
from tests.support.trees import Dir, many_files
from tests.support.witness import cat_commit, deployments, fsck, list_commit, query_rpm, run_in


class TestBase:
    def test_commit_has_the_shape_of_a_base(self, base: Base) -> None:
        listed = list_commit(base.repo, base.commit)
        assert listed["/home"].target == "var/home"
        assert listed["/bin"].target == "usr/bin"
        assert listed["/usr/etc/shadow"].mode == 0
        assert f"/usr/lib/modules/{KERNEL_VERSION}/vmlinuz" in listed
        assert "/etc" not in listed
        assert [
            path for path in listed if path.startswith(("/var/", "/dev/", "/usr/etc/usr"))
        ] == []
        assert 'VERSION_ID="1"' in cat_commit(base.repo, base.commit, "/usr/lib/os-release")

    @pytest.mark.parametrize("layout", ["sysimage", "share"])
    def test_rpmdb_is_one_plain_file(self, tmp_path: Path, layout: Layout) -> None:
        base = make_base(tmp_path, layout=layout)
        listed = list_commit(base.repo, base.commit)
        files = [path for path in listed if path.startswith(f"/{base.database}/")]
        assert files == [f"/{base.database}/rpmdb.sqlite"]
        links = {path: entry.target for path, entry in listed.items() if path.endswith("/rpm")}
        expected = {"sysimage": ("/usr/share/rpm", "../lib/sysimage/rpm")}
        expected["share"] = ("/usr/lib/sysimage/rpm", "../../share/rpm")
        path, target = expected[layout]
        assert links[path] == target
        # Bytes 18 and 19 of the format say rollback journal (1) or write-ahead log (2).
        database = (base.root / base.database / "rpmdb.sqlite").read_bytes()
        assert database[18:20] == b"\1\1"

    def test_same_words_give_same_commit(self, tmp_path: Path) -> None:
        commits = []
        for name in ("one", "two"):
            forget()
            rpms = [build_rpm(tmp_path / name, "foo")]
            commits.append(make_base(tmp_path / name, {"usr/share/x": "y"}, rpms).commit)
        assert commits[0] == commits[1]

    def test_scriptlets_ran_and_owners_are_right(self, tmp_path: Path) -> None:
        daemon = build_rpm(
            tmp_path,
            "daemon",
            requires=["/usr/sbin/useradd"],
            files={"usr/lib/daemon": Entry(Dir(0o750), user="daemon", group="daemon")},
            scripts={
                "pre": "getent passwd daemon >/dev/null || useradd -r -M -G adm,wheel daemon",
                "post": ("/sbin/ldconfig", ""),
            },
        )
        base = make_base(tmp_path, packages=[daemon])
        accounts = cat_commit(base.repo, base.commit, "/usr/etc/passwd", "/usr/etc/group")
        assert "\ndaemon:x:999:999::/home/daemon:/bin/sh\n" in accounts
        assert "\nadm:x:4:daemon\n" in accounts
        assert "\ndaemon:x:999:\n" in accounts
        listed = list_commit(base.repo, base.commit)
        assert (listed["/usr/lib/daemon"].uid, listed["/usr/lib/daemon"].mode) == (999, 0o750)
        assert "/usr/etc/ld.so.cache" in listed

    def test_file_count(self, tmp_path: Path) -> None:
        base = make_base(tmp_path, files_count=250, mode="bare")
        many = [path for path in list_commit(base.repo, base.commit) if "/many/" in path]
        assert len(many) == 250 + 3
        assert len(set(many_files(250).values())) == 250


class TestBaseUpdate:
    def test_changes_packages_and_files(self, tmp_path: Path) -> None:
        old = [build_rpm(tmp_path, name, files={f"usr/{name}": "1"}) for name in ("foo", "bar")]
        one = make_base(tmp_path, {"usr/share/gone": "x"}, old)
        new = build_rpm(tmp_path, "foo", version="2", files={"usr/foo": "2"})
        update = {"etc/new.conf": "y"}
        two = commit_base_update(one, "2", update, [new], erase=["bar"], remove=["usr/share/gone"])
        assert two.commit != one.commit
        listed = list_commit(two.repo, two.commit)
        assert "/usr/etc/new.conf" in listed
        assert {"/usr/bar", "/usr/share/gone"}.isdisjoint(listed)
        assert cat_commit(two.repo, two.commit, "/usr/foo") == "2"
        assert run_ostree("rev-parse", f"--repo={one.repo}", f"{two.commit}^").strip() == one.commit
        assert {"foo-2-1.noarch", "testos-release-2-1.noarch"} <= set(query_rpm(two.root, "-qa"))

    def test_ostree_upgrades_to_it(self, tmp_path: Path, base: Base, sysroot: Path) -> None:
        two = commit_base_update(base, "2")
        run_ostree("admin", "upgrade", f"--sysroot={sysroot}", "--os=test")
        assert [tree.checksum for tree in deployments(sysroot)] == [two.commit, base.commit]


class TestSysroot:
    def test_base_is_deployed(self, base: Base, sysroot: Path) -> None:
        [tree] = deployments(sysroot)
        assert (tree.stateroot, tree.checksum, tree.serial) == ("test", base.commit, 0)
        assert "refspec=origin:test/base" in tree.origin
        assert (tree.path / "etc/passwd").read_text().startswith("root:x:0:0:")
        fsck(sysroot / "ostree/repo")

    def test_programs_of_the_tree_run(self, sysroot: Path) -> None:
        [tree] = deployments(sysroot)
        shell = "id -u && . /etc/os-release && echo $ID && getent group adm && ldconfig -V"
        assert run_in(tree.path, "sh", "-c", shell).split()[:4] == [
            "0",
            "testos",
            "adm:x:4:",
            "ldconfig",
        ]
        with pytest.raises(AssertionError, match="exit 3"):
            run_in(tree.path, "sh", "-c", "exit 3")

    def test_rpm_finds_its_database(self, sysroot: Path) -> None:
        [tree] = deployments(sysroot)
        names = query_rpm(tree.path, "-qa", "--qf", "%{NAME}\n")
        assert sorted(names) == ["testos-base", "testos-kernel", "testos-release"]
        assert query_rpm(tree.path, "-qf", "--qf", "%{NAME}\n", "/bin/sh") == ["testos-base"]
        assert query_rpm(tree.path, "-V", "--nomtime", "testos-base") == []
        # Looking must not have written into the repository's object.
        fsck(sysroot / "ostree/repo")

    def test_pulls_over_http(self, tmp_path: Path, base: Base) -> None:
        with http_server(base.repo) as server:
            sysroot = make_sysroot(tmp_path, base, url=server.url)
            assert "/refs/heads/test/base" in server.paths()
        assert [tree.checksum for tree in deployments(sysroot)] == [base.commit]
