"""More of what comes from elsewhere as text: locks, arguments, groups, accounts, notes of our own.

As in `test_fuzz.py`: an answer or the one error that is promised, whatever comes.
"""

import contextlib
import json
import lzma
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree

from hypothesis import example, given
from hypothesis import strategies as st
from typer.testing import CliRunner

from pkglayer.cli.app import MODULES, make_app
from pkglayer.model import accounts, kargs, lock, rpmargs, sysusers, wish
from pkglayer.model.errors import ConfigError, PkglayerError, StateError, UsageError
from pkglayer.model.policy import STANDING_VERSION, standing_from
from pkglayer.model.request import from_origin
from pkglayer.system import comps, holders, statefiles
from pkglayer.system.config import parse_os_release
from tests.faults.test_fuzz import JSON, bounded
from tests.unit.test_render import PLAN

LOCK = lock.to_toml(lock.Lock(PLAN, "a" * 64, "b" * 64, "abort"))
_WORDS = st.text(max_size=12) | st.sampled_from(
    ["-", "--", "-n", "--json", "--all", "0", "1", "booted", "@g", "./x.rpm", "a=b", "'", '"', "*"]
)


@bounded
@given(data=st.data())
def test_locks(data: st.DataObject) -> None:
    lines = LOCK.splitlines()
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(lines) - 1))
        key = lines[place].partition("=")[0]
        value = data.draw(JSON.map(json.dumps) | st.text(max_size=20))
        lines[place] = data.draw(st.sampled_from([value, f"{key}= {value}", "", lines[0]]))
    with contextlib.suppress(ConfigError):
        found = lock.parse_lock("\n".join(lines), "x.lock")
        assert lock.parse_lock(lock.to_toml(found), "x.lock") == found


@bounded
@given(st.text())
@example("a = " + "[" * 5000)
def test_texts_that_are_no_lock(text: str) -> None:
    with contextlib.suppress(ConfigError):
        lock.parse_lock(text, "x.lock")


@bounded
@given(st.lists(_WORDS, max_size=6))
@example(["-e", "foo"])
@example(["-qa", "--define=x"])
def test_arguments_of_a_query(words: list[str]) -> None:
    """Whatever passes has no option of rpm that writes, or that reads macros from elsewhere."""
    with contextlib.suppress(UsageError):
        passed = rpmargs.plan_query(words)
        assert not [w for w in passed if w.startswith(("-e", "-i", "-U", "-F", "--define", "--ev"))]


@bounded
@given(st.text(), st.lists(_WORDS, max_size=3), st.lists(_WORDS, max_size=3))
def test_kernel_arguments(text: str, append: list[str], delete: list[str]) -> None:
    with contextlib.suppress(PkglayerError):
        now = kargs.parse_kargs(text)
        changes = kargs.KargChanges(append=tuple(append), delete=tuple(delete))
        changed = kargs.change_kargs(now, changes)
        assert all("\n" not in word for word in changed if word not in now)


@bounded
@given(
    verb=st.sampled_from(sorted(v for verbs in MODULES.values() for v in verbs)),
    words=st.lists(_WORDS.filter(lambda word: "\0" not in word), max_size=5),
)
def test_command_lines(verb: str, words: list[str]) -> None:
    """Every verb answers with its own errors or with typer's; the sysroot is not there.

    No kernel passes on a word with a NUL.
    """
    line = [verb, *words, "--sysroot", "/nonexistent/pkglayer"]
    done = CliRunner().invoke(make_app(line), line)
    assert done.exception is None or isinstance(done.exception, PkglayerError | SystemExit)


@bounded
@given(st.dictionaries(st.sampled_from(["version", "requests", "x"]) | st.text(), st.text()))
@example({"version": "1", "requests": "[" * 100_000})
@example({"version": "1", "requests": '[{"spec": "\\ud800"}]'})
def test_groups_of_an_origin(group: dict[str, str]) -> None:
    with contextlib.suppress(StateError):
        from_origin("r:b", group)


@bounded
@given(JSON | st.text())
@example("[" * 100_000)
def test_what_a_change_asked_for(value: object) -> None:
    with contextlib.suppress(StateError):
        wish.from_json(value if isinstance(value, str) else json.dumps(value))


@bounded
@given(st.binary(max_size=300) | JSON.map(lambda v: json.dumps(v).encode()))
@example(b"[" * 100_000)
@example(b"\xff")
def test_notes_of_our_own(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "note"
    path.write_bytes(data)
    with contextlib.suppress(StateError):
        if found := statefiles.read_state(path):
            standing_from(found)
    assert holders.name_holder(path, tmp_path / "lock").isprintable()


@bounded
@given(st.fixed_dictionaries({"hold": JSON, "skipped": JSON, "fallbacks": JSON}))
@example({"hold": None, "skipped": {"a": float("inf")}})
@example({"hold": None, "skipped": {"a": 10**20}})
@example({"hold": {"since": 1e400, "base": {}, "reasons": {}}, "skipped": {}})
def test_what_stands_between_runs(data: dict[str, object]) -> None:
    with contextlib.suppress(StateError):
        standing = standing_from({"version": STANDING_VERSION, **data})
        for moment in standing.skipped.values():
            datetime.fromtimestamp(moment, UTC)


@bounded
@given(st.binary(max_size=300) | st.text().map(str.encode))
@example(b"<comps><group><id>a</id></group></comps>")
def test_groups_of_a_repository(data: bytes) -> None:
    with contextlib.suppress(OSError, EOFError, ValueError, lzma.LZMAError, ElementTree.ParseError):
        comps.parse_comps(data)


_ACCOUNTS = ("u a -", "g a 5", "m a b", "u! b 7:8 'x y' /home /bin/sh", "r - 1-2", "u c -:a")
_LINES = st.lists(st.sampled_from(_ACCOUNTS) | st.text(max_size=30)).map("\n".join)


@bounded
@given(_LINES, _LINES)
def test_accounts(text: str, passwd: str) -> None:
    known = accounts.Names(accounts.parse_passwd(passwd), accounts.parse_group(passwd))
    for account in sysusers.plan_accounts(text, known, "p"):
        for line in accounts.to_lines(account).values():
            assert "\n" not in line.rstrip("\n")


@bounded
@given(st.text())
def test_os_release(text: str) -> None:
    assert all(isinstance(v, str) for v in parse_os_release(text).values())
