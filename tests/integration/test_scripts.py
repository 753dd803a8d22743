"""Scriptlets run as rpm runs them, on the root that becomes the state."""

from pathlib import Path

import pytest

from pkglayer.model.errors import ScriptError
from tests.support.ostree import Base
from tests.support.rpms import Entry, Trigger, build_rpm
from tests.support.scripted import scripted
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
