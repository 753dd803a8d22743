"""The history database: durable, readable by anybody, safe against crashes and newer versions."""

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from pkglayer.model.errors import StateError, UsageError
from pkglayer.model.history import HistoryEntry
from pkglayer.system import history as history_module
from pkglayer.system.history import History, read_caller
from tests.support.cli import PROJECT, clean_environment, let_nobody_in, query_pkglayer
from tests.support.rpms import build_rpm
from tests.support.scene import Scene, make_scene

FIRST = HistoryEntry(
    time=1_700_000_000,
    user="ann",
    uid=1000,
    command="pkglayer install 'foo >= 2'; \x1b[31m ünï",
    before="a" * 64,
    after="b" * 64,
    digest="d" * 64,
    outcome="done",
    message="two\nlines",
    comment="because",
    changes="[]",
    takes_back=7,
)
VERSION_1 = """
CREATE TABLE entry (
    number INTEGER PRIMARY KEY AUTOINCREMENT, time INTEGER NOT NULL, user TEXT NOT NULL,
    uid INTEGER NOT NULL, command TEXT NOT NULL, before TEXT NOT NULL, after TEXT NOT NULL,
    digest TEXT NOT NULL, outcome TEXT NOT NULL, message TEXT NOT NULL
);
INSERT INTO entry VALUES (4, 1700000000, 'ann', 1000, 'c', 'a', 'b', 'd', 'done', 'm');
PRAGMA user_version = 1;
"""


def test_entries_come_back_newest_first(tmp_path: Path) -> None:
    history = History(tmp_path / "var/lib/pkglayer/history.sqlite")
    assert history.read() == ()
    assert not history.path.exists()
    second = replace(FIRST, time=FIRST.time - 5, command="pkglayer rollback", outcome="failed")
    assert [history.add(FIRST), history.add(second)] == [1, 2]
    assert history.read() == (replace(second, number=2), replace(FIRST, number=1))
    assert history.read(limit=1) == (replace(second, number=2),)
    assert [p.name for p in history.path.parent.iterdir()] == ["history.sqlite"]


def test_an_entry_is_in_the_file_when_add_returns(tmp_path: Path) -> None:
    path = tmp_path / "history.sqlite"
    code = (
        "import sys, os, signal; from pathlib import Path;"
        "from pkglayer.system.history import History; from pkglayer.model.history import *;"
        "History(Path(sys.argv[1])).add(HistoryEntry(1, 'u', 0, 'c', '', ''));"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    command = [sys.executable, "-c", code, str(path)]
    done = subprocess.run(command, env={"PYTHONPATH": str(PROJECT)}, check=False)
    assert done.returncode == -signal.SIGKILL
    assert [entry.command for entry in History(path).read()] == ["c"]


def test_a_crash_within_a_write_leaves_the_entries_before(tmp_path: Path) -> None:
    history = History(tmp_path / "history.sqlite")
    history.add(FIRST)
    # A writer dies with its changes in the file and its journal beside it.
    code = (
        "import sqlite3, sys, os, signal; c = sqlite3.connect(sys.argv[1], isolation_level=None);"
        "c.execute('PRAGMA cache_size = 1'); c.execute('PRAGMA cache_spill = 1');"
        "c.execute('BEGIN IMMEDIATE');"
        "[c.execute('INSERT INTO entry SELECT NULL, time, user, uid, command, before, after,"
        " digest, outcome, hex(randomblob(9000)), comment, changes, 0 FROM entry WHERE number = 1')"
        " for _ in range(200)];"
        "c.execute('DELETE FROM entry WHERE number = 1'); os.kill(os.getpid(), signal.SIGKILL)"
    )
    size = history.path.stat().st_size
    subprocess.run([sys.executable, "-c", code, str(history.path)], check=False)
    assert history.path.with_name("history.sqlite-journal").exists()
    assert history.path.stat().st_size > size
    assert history.read() == (replace(FIRST, number=1),)
    assert history.add(FIRST) == 2


def test_two_writers_at_once_both_get_in(tmp_path: Path) -> None:
    history = History(tmp_path / "history.sqlite")
    writers = [
        threading.Thread(target=lambda: [history.add(FIRST) for _ in range(10)]) for _ in range(2)
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [entry.number for entry in history.read()] == list(range(20, 0, -1))


def test_nobody_may_read_but_not_write(tmp_path: Path) -> None:
    history = History(tmp_path / "history.sqlite")
    history.add(FIRST)
    let_nobody_in(tmp_path)
    code = (
        "import sys; from pathlib import Path; from pkglayer.system.history import *;"
        "h = History(Path(sys.argv[1])); print(len(h.read()), flush=True); h.add(h.read()[0])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(history.path)],
        env={"PYTHONPATH": str(PROJECT)},
        capture_output=True,
        text=True,
        user=65534,
        group=65534,
        extra_groups=[],
        cwd="/",
        check=False,
    )
    assert done.stdout == "1\n"
    assert "StateError" in done.stderr
    assert "cannot be used" in done.stderr
    assert len(history.read()) == 1


def test_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    history = History(tmp_path / "history.sqlite")
    history.add(FIRST)
    with closing(sqlite3.connect(history.path)) as connection:
        connection.execute("PRAGMA user_version = 99")
    content = history.path.read_bytes()
    for act in (history.read, lambda: history.add(FIRST)):
        with pytest.raises(StateError, match="has version 99"):
            act()
    assert history.path.read_bytes() == content


def test_a_damaged_file_is_named_and_kept(tmp_path: Path) -> None:
    history = History(tmp_path / "history.sqlite")
    history.path.write_bytes(b"no database at all" * 100)
    for act in (history.read, lambda: history.add(FIRST)):
        with pytest.raises(StateError, match=r"history\.sqlite\) cannot be used"):
            act()
    assert history.path.read_bytes() == b"no database at all" * 100


def test_an_empty_file_is_an_empty_history(tmp_path: Path) -> None:
    history = History(tmp_path / "history.sqlite")
    history.path.touch()
    assert history.read() == ()
    assert history.add(FIRST) == 1


def test_a_file_of_the_first_version_is_read_and_goes_on(tmp_path: Path) -> None:
    history = History(tmp_path / "history.sqlite")
    with closing(sqlite3.connect(history.path)) as connection:
        connection.executescript(VERSION_1)
    old = HistoryEntry(1_700_000_000, "ann", 1000, "c", "a", "b", "d", "done", "m", number=4)
    content = history.path.read_bytes()
    assert history.read() == (old,)
    assert history.path.read_bytes() == content  # whoever only reads leaves it as it is
    assert history.add(FIRST) == 5
    assert history.read() == (replace(FIRST, number=5), old)
    assert history.find(4) == old
    with pytest.raises(UsageError, match="no change 3"):
        history.find(3)


def test_words_that_are_no_text_are_escaped(tmp_path: Path) -> None:
    history = History(tmp_path / "history.sqlite")
    history.add(replace(FIRST, command="pkglayer install \udcff", comment="\udc80"))
    [entry] = history.read()
    assert (entry.command, entry.comment) == ("pkglayer install \\udcff", "\\udc80")


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """`foo` and `bar` on offer, nothing layered."""
    tmp = tmp_path_factory.mktemp("history")
    return make_scene(tmp, [build_rpm(tmp, "foo"), build_rpm(tmp, "bar")])


def test_who_asked_for_what_and_why(scene: Scene) -> None:
    why = "\x1b[31mticket 7\nfor \u202eann\udcff"
    scene.run("install", "foo", "--comment", why, env={"PKEXEC_UID": "1"})
    scene.run("pin-version", "foo", "1*", "--comment", "stay")
    scene.run("kargs", "--append=quiet", "--comment", "less noise")
    scene.run("uninstall", "foo")
    scene.run("install", "none", check=False)
    text = scene.run("history").stdout
    shown = "\\x1b[31mticket 7\\nfor \\u202eann\\udcff"
    assert f"   comment: {shown}\n" in text
    assert not set(text) & set("\x1b\u202e")
    rows = query_pkglayer("history", sysroot=scene.sysroot)["entries"]
    assert [r["comment"] for r in rows] == ["", "", "less noise", "stay", why.replace(
        "\udcff", "\\udcff")]  # fmt: skip
    assert [r["outcome"] for r in rows] == ["failed", "done", "done", "done", "done"]
    foo, pinned = {"spec": "foo"}, {"spec": "foo", "version": "1*"}
    assert [r["changes"] for r in reversed(rows)] == [
        [{"kind": "request", "name": "foo", "before": [], "after": [foo]}],
        [{"kind": "request", "name": "foo", "before": [foo], "after": [pinned]}],
        [{"kind": "karg", "name": "quiet", "before": [], "after": ["quiet"]}],
        [{"kind": "request", "name": "foo", "before": [pinned], "after": []}],
        None,
    ]
    for line in ("+ foo", "~ foo (version 1*)", "+ kernel argument quiet", "- foo"):
        assert f"   {line}\n" in text
    if Path("/proc/self/loginuid").read_text().strip() == str(2**32 - 1):
        assert rows[-1]["user"] == "daemon"


def test_the_history_names_bases_and_layers(scene: Scene) -> None:
    scene.configure('packages = ["bar"]\n', "etc/pkglayer/layers.d/mine.toml")
    scene.run("layer", "apply")
    assert "   + bar (layer mine)\n" in scene.run("history", "-n", "1").stdout
    scene.update_base("2")
    scene.run("upgrade")
    text = scene.run("history", "-n", "1").stdout
    assert "   base: origin:test/base 1 -> origin:test/base 2\n" in text
    assert "bar" not in text


def test_the_record_has_no_comment(scene: Scene) -> None:
    scene.run("install", "foo", "--comment", "told to")
    assert "told to" not in (scene.next.path / "usr/lib/pkglayer/record.json").read_text()


def test_a_comment_has_an_end(scene: Scene) -> None:
    said = scene.refuse("install", "foo", "--comment", "x" * 1001, code=2)
    assert "the comment has 1001 characters" in said


def test_the_caller_behind_sudo(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history_module, "_login_uid", lambda: None)
    for name in ("SUDO_UID", "PKEXEC_UID"):
        monkeypatch.delenv(name, raising=False)
    assert read_caller() == ("root", os.getuid())
    monkeypatch.setenv("SUDO_UID", "1")
    assert read_caller() == ("daemon", 1)
    monkeypatch.setenv("PKEXEC_UID", "3")
    assert read_caller() == ("daemon", 1)
    monkeypatch.delenv("SUDO_UID")
    assert read_caller() == ("sys", 3)
    monkeypatch.delenv("PKEXEC_UID")
    monkeypatch.setenv("SUDO_UID", "-1")
    assert read_caller() == ("root", 0)
    monkeypatch.setenv("SUDO_UID", "4123456")
    assert read_caller() == ("4123456", 4123456)
    monkeypatch.setattr(history_module, "_login_uid", lambda: 2)
    assert read_caller() == ("bin", 2)


@pytest.mark.parametrize("sink", ["/dev/full", "a pipe that nobody reads"])
def test_a_change_whose_result_cannot_be_printed_is_done(scene: Scene, sink: str) -> None:
    scene.run("uninstall", "--all", "--idempotent")
    words = [sys.executable, "-m", "pkglayer", "install", "foo", "--sysroot", str(scene.sysroot)]
    pipe = os.open("/dev/full", os.O_WRONLY) if sink == "/dev/full" else _broken_pipe()
    done = subprocess.run(
        words, env=clean_environment(), stdout=pipe, stderr=subprocess.PIPE, text=True, check=False
    )
    os.close(pipe)
    assert done.returncode == 0, done.stderr
    assert "\nwarning: the change is made, but: " in done.stderr
    assert "Error" not in done.stderr
    [entry, *_] = query_pkglayer("history", sysroot=scene.sysroot)["entries"]
    assert (entry["outcome"], entry["after"]) == ("done", scene.next.checksum)
    assert entry["message"].startswith("after the change: ")
    scene.run("undo", str(entry["number"]))
    assert "foo-1-1" not in scene.packages


def _broken_pipe() -> int:
    read, write = os.pipe()
    os.close(read)
    return write
