"""Scriptlets run as rpm runs them, on the root that becomes the state."""

from pathlib import Path

import pytest

from pkglayer.log import Quiet
from pkglayer.model.accounts import parse_group, parse_passwd
from pkglayer.model.errors import ScriptError
from pkglayer.model.record import Account
from pkglayer.model.scriptlet import Limits
from pkglayer.model.scriptrules import REPLACE, RULES, SKIP, Rule
from pkglayer.stages.scripts import Setup, run_scripts
from tests.support.ostree import Base, make_base, run_ostree
from tests.support.rpms import Entry, Trigger, build_rpm
from tests.support.scripted import import_rpms, mounted, scripted
from tests.support.trees import Dir, File


def test_order_arguments_and_when_files_appear(tmp_path: Path, base: Base) -> None:
    scripts = {
        kind: f"echo {kind} $1 $(ls /usr/share/foo.txt 2>/dev/null) >> /usr/share/log"
        for kind in ("pretrans", "pre", "post", "posttrans")
    }
    foo = build_rpm(tmp_path, "foo", files={"usr/share/foo.txt": "x"}, scripts=scripts)
    with scripted(tmp_path, base, [foo]) as done:
        assert done.text("usr/share/log").splitlines() == [
            "pretrans 1",
            "pre 1",
            "post 1 /usr/share/foo.txt",
            "posttrans 1 /usr/share/foo.txt",
        ]
        assert done.order() == ["foo pretrans", "foo pre", "foo post", "foo posttrans"]


def test_owner_made_by_pre_gets_the_files(tmp_path: Path, base: Base) -> None:
    daemon = build_rpm(
        tmp_path,
        "daemon",
        files={
            "usr/bin/daemon": Entry(File("#!/bin/sh\n", 0o4750), "daemon", "daemon"),
            "usr/bin/raw": Entry(File("x", 0o755, caps="cap_net_raw=ep"), "root", "daemon"),
            "etc/daemon.conf": Entry(File("secret", 0o640), "root", "daemon"),
            "var/lib/daemon": Entry(Dir(0o700), "daemon", "daemon"),
        },
        scripts={"pre": "useradd -r -d /var/lib/daemon -s /sbin/nologin daemon"},
    )
    with scripted(tmp_path, base, [daemon]) as done:
        root = done.root.path
        [group, user] = done.report.accounts
        assert (group.kind, group.name, user.kind, user.name) == (
            "group",
            "daemon",
            "user",
            "daemon",
        )
        binary = (root / "usr/bin/daemon").stat()
        assert (binary.st_uid, binary.st_gid) == (user.uid, group.uid)
        assert binary.st_mode & 0o7777 == 0o4750
        config = (root / "usr/etc/daemon.conf").stat()
        assert (config.st_uid, config.st_gid, config.st_mode & 0o7777) == (0, group.uid, 0o640)
        state = (done.root.var / "lib/daemon").stat()
        assert (state.st_uid, state.st_mode & 0o7777) == (user.uid, 0o700)


def test_failing_post_ends_it_and_shows_the_output(tmp_path: Path, base: Base) -> None:
    bad = build_rpm(tmp_path, "bad", scripts={"post": "echo what went wrong; exit 3"})
    with (
        pytest.raises(ScriptError, match="what went wrong") as caught,
        scripted(tmp_path, base, [bad]),
    ):
        pass
    assert caught.value.data["exit_code"] == 3
    assert caught.value.data["package"] == "bad-1-1.noarch"


class TestLua:
    def test_runs_in_the_tree_with_posix_and_arguments(self, tmp_path: Path, base: Base) -> None:
        body = """
        posix.mkdir("/usr/share/lua")
        local out = io.open("/usr/share/lua/said", "w")
        out:write(arg[1], " ", arg[2] + 1, " ", posix.stat("/usr/bin/busybox", "type"), " }{ ",
                  tostring(posix.access("/home/nobody")))
        out:close()
        print("hello", "there")
        """
        foo = build_rpm(tmp_path, "foo", scripts={"post": ("<lua>", body)})
        with scripted(tmp_path, base, [foo]) as done:
            assert done.text("usr/share/lua/said") == "<lua> 2 regular }{ nil"
            assert done.told == ["foo %post: hello\tthere"]

    def test_runs_programs(self, tmp_path: Path, base: Base) -> None:
        body = """
        rpm.execute("/bin/sh", "-c", "echo executed >> /usr/share/said")
        os.execute("echo shell >> /usr/share/said")
        local child = posix.fork()
        if child == 0 then
            posix.exec("/bin/sh", "-c", "echo forked >> /usr/share/said")
        end
        posix.wait(child)
        """
        foo = build_rpm(tmp_path, "foo", scripts={"post": ("<lua>", body)})
        with scripted(tmp_path, base, [foo]) as done:
            assert done.text("usr/share/said").split() == ["executed", "shell", "forked"]

    def test_error_is_a_failure_with_its_reason(self, tmp_path: Path, base: Base) -> None:
        foo = build_rpm(tmp_path, "foo", scripts={"pre": ("<lua>", "error('no such luck')")})
        with (
            pytest.raises(ScriptError, match="no such luck"),
            scripted(tmp_path, base, [foo]),
        ):
            pass

    def test_trigger_gets_file_names(self, tmp_path: Path, base: Base) -> None:
        body = """
        local out = io.open("/usr/share/said", "w")
        local file = rpm.next_file()
        while file do
            out:write(file, "\\n")
            file = rpm.next_file()
        end
        out:close()
        """
        trigger = Trigger("transfiletriggerin", "/usr/share/d", ("<lua>", body))
        foo = build_rpm(
            tmp_path, "foo", files={"usr/share/d/a": "", "usr/share/d/b": ""}, triggers=[trigger]
        )
        with scripted(tmp_path, base, [foo]) as done:
            assert done.text("usr/share/said").split() == ["/usr/share/d/a", "/usr/share/d/b"]


def test_macros_and_header_tags_in_a_body(tmp_path: Path, base: Base) -> None:
    """`-e` expands macros when the scriptlet runs, `-q` header tags; neither on the host."""
    foo = build_rpm(
        tmp_path,
        "foo",
        scripts={
            "pre -e": "echo %{_bindir} $1 %(echo x > /usr/share/made; echo there) > /usr/share/e",
            "post -q": "echo %{NAME} %{VERSION} $1 > /usr/share/q",
        },
    )
    with scripted(tmp_path, base, [foo]) as done:
        assert done.text("usr/share/e") == "/usr/bin 1 there\n"
        assert done.text("usr/share/made") == "x\n"
        assert done.text("usr/share/q") == "foo 1 1\n"
    assert not Path("/usr/share/made").exists()


class TestAccounts:
    """Users and groups exist when files need them, with ids that stay."""

    def test_sysusers_of_a_package_come_before_its_owners(self, tmp_path: Path, base: Base) -> None:
        daemon = build_rpm(
            tmp_path,
            "daemon",
            files={
                "usr/lib/sysusers.d/daemon.conf": 'u daemon 77 "A daemon" /srv/d\nm daemon wheel\n',
                "usr/bin/daemon": Entry(File("x", 0o2755), "root", "daemon"),
            },
        )
        with scripted(tmp_path, base, [daemon]) as done:
            assert (done.root.path / "usr/bin/daemon").stat().st_gid == 77
            assert (done.root.path / "usr/bin/daemon").stat().st_mode & 0o7777 == 0o2755
            assert "daemon:x:77:77:A daemon:/srv/d:/usr/sbin/nologin" in done.text("etc/passwd")
            assert "wheel:x:10:daemon" in done.text("etc/group").splitlines()
            kinds = [(a.kind, a.name, a.group) for a in done.report.accounts]
            assert kinds == [
                ("group", "daemon", ""),
                ("user", "daemon", ""),
                ("member", "daemon", "wheel"),
            ]

    def test_unknown_owner_is_root_without_special_bits(self, tmp_path: Path, base: Base) -> None:
        foo = build_rpm(
            tmp_path,
            "foo",
            files={
                "usr/bin/a": Entry(File("x", 0o6755), "nobody-knows", "root"),
                "usr/bin/b": Entry(File("x", 0o6755), "root", "nobody-knows"),
            },
        )
        with scripted(tmp_path, base, [foo]) as done:
            modes = [(done.root.path / "usr/bin" / n).stat().st_mode & 0o7777 for n in "ab"]
            assert modes == [0o2755, 0o4755]
            assert [(note.what, note.why) for note in done.report.notes] == [
                ("owner", "group nobody-knows does not exist - using root"),
                ("owner", "user nobody-knows does not exist - using root"),
            ]

    def test_ids_of_the_state_before_stay(self, tmp_path: Path, base: Base) -> None:
        rpms = [
            build_rpm(tmp_path, name, scripts={"pre": f"getent passwd {name} || useradd -r {name}"})
            for name in ("first", "second")
        ]
        with scripted(tmp_path, base, rpms) as done:
            before = done.report.accounts
        [third] = [a for a in before if a.kind == "user" and a.name == "second"]
        with scripted(tmp_path, base, [rpms[1]], seed=before) as done:
            after = done.report.accounts
            assert [a for a in after if a.kind == "user"] == [third]
            assert "first" not in done.text("etc/passwd")
            assert parse_passwd(done.text("etc/passwd"))["second"].uid == third.uid

    def test_ids_stay_for_a_script_that_makes_the_user_unasked(
        self, tmp_path: Path, base: Base
    ) -> None:
        files = {"usr/bin/foo": Entry(File("x", 0o4755), "foo", "foo")}
        scripts = {
            "pre": "[ $1 -ne 1 ] || useradd -r foo",
            "post": "echo x > /usr/lib/made; chown foo /usr/lib/made",
        }
        foo = build_rpm(tmp_path, "foo", files=files, scripts=scripts)
        seed = [Account("foo", "group", "foo", 555, -1), Account("foo", "user", "foo", 444, 555)]
        with scripted(tmp_path, base, [foo], seed=seed) as done:
            owned = [(done.root.path / p).stat() for p in ("usr/bin/foo", "usr/lib/made")]
            assert [(i.st_uid, i.st_mode & 0o7777) for i in owned] == [(444, 0o4755), (444, 0o644)]
            assert owned[0].st_gid == 555
            assert {(a.kind, a.uid) for a in done.report.accounts} == {
                ("group", 555),
                ("user", 444),
            }

    def test_taken_id_is_noted(self, tmp_path: Path) -> None:
        base = make_base(tmp_path)
        foo = build_rpm(tmp_path, "foo", scripts={"pre": "getent group foo || groupadd -r foo"})
        seed = [Account("foo", "group", "foo", 10, -1)]
        with scripted(tmp_path, base, [foo], seed=seed) as done:
            [note] = done.report.notes
            assert note.why == "10 now belongs to wheel"
            assert parse_group(done.text("etc/group"))["foo"].gid == 999

    def test_altfiles_base_gets_them_in_usr_lib(self, tmp_path: Path) -> None:
        base = make_base(
            tmp_path,
            {"usr/lib/passwd": "bin:x:1:1:bin:/bin:/sbin/nologin\n", "usr/lib/group": "bin:x:1:\n"},
        )
        foo = build_rpm(
            tmp_path,
            "foo",
            files={"usr/bin/foo": Entry(File("x"), "bin", "foo")},
            scripts={"pre": "useradd -r foo"},
        )
        with scripted(tmp_path, base, [foo]) as done:
            assert "foo" in parse_passwd(done.text("usr/lib/passwd"))
            assert "foo" in parse_group(done.text("usr/lib/group"))
            for name in ("passwd", "group", "shadow", "gshadow"):
                assert "foo" not in done.text(f"etc/{name}")
                assert (base.root / "etc" / name).read_text() == done.text(f"etc/{name}")
            owner = (done.root.path / "usr/bin/foo").stat()
            assert (owner.st_uid, owner.st_gid) == (
                1,
                parse_group(done.text("usr/lib/group"))["foo"].gid,
            )


class TestPolicy:
    def test_failing_post_is_recorded_where_settings_say_so(
        self, tmp_path: Path, base: Base
    ) -> None:
        bad = build_rpm(
            tmp_path, "bad", scripts={"post": "exit 3", "posttrans": "touch /usr/after"}
        )
        setup = Setup(base.database, post_failure="warn")
        with scripted(tmp_path, base, [bad], setup=setup) as done:
            assert [(r.kind, r.exit_code) for r in done.report.runs] == [
                ("post", 3),
                ("posttrans", 0),
            ]
            assert [n.why for n in done.report.notes] == ["failed with exit code 3"]
            assert done.told == ["warning: %post of bad-1-1.noarch failed with exit code 3"]

    def test_failing_pre_always_ends_it(self, tmp_path: Path, base: Base) -> None:
        bad = build_rpm(tmp_path, "bad", scripts={"pre": "exit 3"})
        setup = Setup(base.database, post_failure="warn")
        with pytest.raises(ScriptError), scripted(tmp_path, base, [bad], setup=setup):
            pass

    def test_limit_is_named(self, tmp_path: Path, base: Base) -> None:
        slow = build_rpm(tmp_path, "slow", scripts={"post": "sleep 600"})
        setup = Setup(base.database, limits=Limits(seconds=0.3))
        with (
            pytest.raises(ScriptError, match="limit on time") as caught,
            scripted(tmp_path, base, [slow], setup=setup),
        ):
            pass
        assert caught.value.data["limit"] == "time"

    def test_skipped_and_replaced(self, tmp_path: Path, base: Base) -> None:
        rules = [
            Rule("foo", "pre", SKIP, "not here"),
            Rule("foo", "post", REPLACE, "safer", "echo instead $1 > /usr/said"),
            *RULES,
        ]
        foo = build_rpm(tmp_path, "foo", scripts={"pre": "exit 1", "post": ("/no/such", "exit 1")})
        with scripted(tmp_path, base, [foo], setup=Setup(base.database, rules=rules)) as done:
            assert done.text("usr/said") == "instead 1\n"
            assert [(n.what, n.why) for n in done.report.notes] == [("%pre", "not run: not here")]

    def test_missing_interpreter_is_named_before_anything_runs(
        self, tmp_path: Path, base: Base
    ) -> None:
        first = build_rpm(tmp_path, "a-first", scripts={"pretrans": "touch /usr/ran"})
        bad = build_rpm(tmp_path, "bad", scripts={"post": ("/usr/bin/perl", "1;")})
        with mounted(tmp_path, base) as root:
            order = import_rpms(root.repo, [first, bad])
            with pytest.raises(ScriptError, match=r"bad-1-1.noarch %post needs /usr/bin/perl"):
                run_scripts(root, order, Setup(base.database), Quiet())
            assert list(root.upper.iterdir()) == []

    def test_interpreter_may_come_with_the_layer(self, tmp_path: Path, base: Base) -> None:
        interpreter = "#!/bin/sh\ntouch /usr/interpreted\n"
        lang = build_rpm(tmp_path, "lang", files={"usr/bin/lang": File(interpreter, 0o755)})
        user = build_rpm(tmp_path, "user", requires=["lang"], scripts={"post": ("/bin/lang", "x")})
        with scripted(tmp_path, base, [user, lang]) as done:
            assert (done.root.path / "usr/interpreted").exists()


def test_database_can_be_asked_and_not_changed(tmp_path: Path, base: Base) -> None:
    database = f"/{base.database}/rpmdb.sqlite"
    script = f"wc -c < {database} > /usr/size; echo x >> {database} || echo refused > /usr/said"
    foo = build_rpm(tmp_path, "foo", scripts={"post": script})
    with scripted(tmp_path, base, [foo]) as done:
        assert int(done.text("usr/size")) > 10_000
        assert done.text("usr/said") == "refused\n"


def test_removing_everything_fails_the_change_and_spares_the_base(
    tmp_path: Path, base: Base
) -> None:
    evil = build_rpm(tmp_path, "evil", scripts={"post": "rm -rf --no-preserve-root / || rm -rf /*"})
    with mounted(tmp_path, base) as root:
        order = import_rpms(root.repo, [evil])
        with pytest.raises(ScriptError):
            run_scripts(root, order, Setup(base.database), Quiet())
        near = root.near.path
    assert (near / "usr/bin/busybox").exists()
    run_ostree("fsck", f"--repo={near.parent}/repo")


class TestDiversion:
    """Links that a scriptlet leaves must not lead what we do afterwards out of the tree."""

    def test_owner_of_a_host_file_is_not_changed(self, tmp_path: Path, base: Base) -> None:
        outside = tmp_path / "outside"
        outside.mkdir()
        (outside / "x").write_text("host")
        divert = f"rm -rf /usr/lib/victim; ln -s {outside} /usr/lib/victim"
        evil = build_rpm(tmp_path, "evil", scripts={"pre": divert})
        victim = build_rpm(
            tmp_path,
            "victim",
            requires=["evil"],
            files={"usr/lib/victim/x": Entry(File("x", 0o777), "nobody", "nobody")},
            scripts={"post": divert},
        )
        with scripted(tmp_path, base, [victim, evil]):
            pass
        info = (outside / "x").stat()
        assert (info.st_uid, info.st_mode & 0o777) == (0, 0o644)

    def test_replaced_etc_ends_it(self, tmp_path: Path, base: Base) -> None:
        evil = build_rpm(
            tmp_path, "evil", scripts={"pre": "mv /usr/etc /usr/e; ln -s /etc /usr/etc"}
        )
        with (
            pytest.raises(ScriptError, match="replaced /usr/etc"),
            scripted(tmp_path, base, [evil]),
        ):
            pass

    def test_link_in_var_ends_it(self, tmp_path: Path, base: Base) -> None:
        outside = tmp_path / "outside"
        outside.mkdir()
        evil = build_rpm(tmp_path, "evil", scripts={"pre": f"ln -s {outside} /var/lib/victim"})
        victim = build_rpm(
            tmp_path, "victim", requires=["evil"], files={"var/lib/victim/x": File("x", 0o777)}
        )
        with (
            pytest.raises(ScriptError, match="/var/lib/victim/x"),
            scripted(tmp_path, base, [victim, evil]),
        ):
            pass
        assert list(outside.iterdir()) == []

    def test_links_that_stay_in_var_are_followed(self, tmp_path: Path, base: Base) -> None:
        first = build_rpm(
            tmp_path, "first", scripts={"pre": "mkdir /var/d; ln -s /var/d /var/lib/d"}
        )
        second = build_rpm(
            tmp_path,
            "second",
            requires=["first"],
            files={
                "var/lib/d/x": Entry(File("x", 0o600), "nobody", "nobody"),
                "var/run/second": Entry(Dir(0o750), "nobody", "nobody"),
            },
        )
        with scripted(tmp_path, base, [first, second]) as done:
            assert (done.root.var / "d/x").stat().st_uid == 65534

    def test_huge_account_file(self, tmp_path: Path, base: Base) -> None:
        evil = build_rpm(tmp_path, "evil", scripts={"post": "truncate -s 1G /etc/passwd"})
        with pytest.raises(ScriptError, match="bytes"), scripted(tmp_path, base, [evil]):
            pass
