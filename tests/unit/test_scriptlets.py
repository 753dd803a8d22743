"""The policy table, the order of scripts where rpm cannot be asked, and output that is too much."""

from pathlib import Path

import pytest

from pkglayer.model import exchange
from pkglayer.model.package import Nevra
from pkglayer.model.scriptlet import Limits, Scriptlet, Trigger
from pkglayer.model.scriptrules import (
    REPLACE,
    RULES,
    RUN,
    SECTIONS,
    SKIP,
    Rule,
    find_policy,
    is_fatal,
)
from pkglayer.model.sequence import Condition, Member, Run, Unpack, needed_prefixes, plan_sequence
from pkglayer.system.cgroup import Group, find_parents
from pkglayer.system.watch import KEPT, Capture, Watch


class TestPolicy:
    @pytest.mark.parametrize(
        ("package", "kind", "action"),
        [
            ("htop", "post", RUN),
            ("kernel-core", "posttrans", SKIP),
            ("kernel-core", "pre", RUN),
            ("grub2-efi-x64", "post", SKIP),
            ("kernel-headers", "transfiletriggerin", RUN),
        ],
    )
    def test_table(self, package: str, kind: str, action: str) -> None:
        assert find_policy(package, kind).action == action

    def test_first_row_counts(self) -> None:
        rules = [Rule("foo", "post", REPLACE, "because", "exit 0"), *RULES]
        assert find_policy("foo", "post", rules).body == "exit 0"
        assert find_policy("foo", "pre", rules).action == RUN

    def test_each_row_has_a_reason(self) -> None:
        assert all(rule.reason for rule in RULES)

    @pytest.mark.parametrize(
        ("kind", "setting", "fatal"),
        [
            ("pre", "warn", True),
            ("pretrans", "warn", True),
            ("post", "warn", False),
            ("post", "abort", True),
            ("transfiletriggerin", "warn", False),
            ("transfiletriggerin", "abort", True),
        ],
    )
    def test_failures(self, kind: str, setting: str, fatal: bool) -> None:
        assert is_fatal(kind, setting) is fatal


def member(name: str, number: int = 0, *kinds: str, triggers: tuple[Trigger, ...] = ()) -> Member:
    scripts = tuple(Scriptlet(kind, ("/bin/sh",), kind) for kind in kinds)
    nevra = Nevra(name, 0, "1", "1", "noarch")
    files = (f"/usr/lib/{name}/x",)
    return Member(nevra, number, scripts, triggers, files, ((name, 8, "1-1"),))


def always(_member: Member, _condition: Condition) -> bool:
    return True


def never(_member: Member, _condition: Condition) -> bool:
    return False


def on(kind: str, what: str, priority: int = 1_000_000) -> Trigger:
    script = Scriptlet(kind, ("/bin/sh",), kind)
    return Trigger(kind, script, ((what, 0, ""),), priority, (0,))


def shown(steps: tuple[object, ...]) -> list[str]:
    return [
        f"{s.owner.nevra.name} {s.kind} {s.arguments}"
        if isinstance(s, Run)
        else f"unpack {s.index}"
        for s in steps
        if isinstance(s, Run | Unpack)
    ]


class TestSequence:
    def test_packages_without_scripts_only_unpack(self) -> None:
        assert shown(plan_sequence([], [member("a"), member("b")], always)) == [
            "unpack 0",
            "unpack 1",
        ]

    def test_all_pretrans_come_first_and_all_posttrans_last(self) -> None:
        added = [member("a", 1, "pretrans", "posttrans"), member("b", 2, "pretrans", "pre", "post")]
        assert shown(plan_sequence([], added, always)) == [
            "a pretrans (1,)",
            "b pretrans (1,)",
            "unpack 0",
            "b pre (1,)",
            "unpack 1",
            "b post (1,)",
            "a posttrans (1,)",
        ]

    def test_second_version_of_a_package_counts_both(self) -> None:
        steps = plan_sequence(
            [member("a", 5)], [member("a", 9, "pre", "post", "posttrans")], always
        )
        assert shown(steps) == ["a pre (2,)", "unpack 0", "a post (2,)", "a posttrans (2,)"]

    def test_condition_that_is_not_met(self) -> None:
        base = [member("base", 1, triggers=(on("triggerin", "a"),))]
        assert shown(plan_sequence(base, [member("a", 2)], never)) == ["unpack 0"]
        assert shown(plan_sequence(base, [member("a", 2)], always))[1:] == ["base triggerin (1, 1)"]

    def test_files_that_nobody_watches(self) -> None:
        base = [member("base", 1, triggers=(on("filetriggerin", "/usr/share"),))]
        assert shown(plan_sequence(base, [member("a", 2)], always)) == ["unpack 0"]

    def test_removal_triggers_never_run(self) -> None:
        removal = tuple(
            on(kind, "/usr") for kind in ("filetriggerun", "transfiletriggerpostun", "triggerun")
        )
        assert shown(
            plan_sequence([member("b", 1, triggers=removal)], [member("a", 2)], always)
        ) == ["unpack 0"]

    def test_needed_prefixes_are_those_of_file_triggers(self) -> None:
        triggers = (on("filetriggerin", "/usr/b"), on("transfiletriggerin", "/usr/a"))
        assert needed_prefixes([member("a", 1, triggers=(*triggers, on("triggerin", "x")))]) == (
            "/usr/a",
            "/usr/b",
        )


class TestCapture:
    def test_lines_in_pieces(self) -> None:
        lines: list[str] = []
        capture = Capture(lines.append)
        for piece in (b"on", b"e\ntw", b"o\r\nthree \xc3", b"\xa4"):
            capture.feed(piece)
        assert capture.close() == "one\ntwo\r\nthree ä"
        assert lines == ["one", "two", "three ä"]

    def test_middle_is_left_out(self) -> None:
        capture = Capture(None)
        for _ in range(100):
            capture.feed(b"x" * 10_000)
        capture.feed(b"the end")
        text = capture.close()
        assert text.startswith("x" * (KEPT // 2) + "\n[")
        assert text.endswith("the end")
        assert f"[{1_000_007 - KEPT} bytes of output left out]" in text

    def test_exactly_what_fits(self) -> None:
        capture = Capture(None)
        capture.feed(b"a" * KEPT)
        assert capture.close() == "a" * KEPT


class TestControlGroups:
    def test_version_2_is_made_at_the_top(self, tmp_path: Path) -> None:
        (tmp_path / "cgroup.controllers").write_text("cpu memory pids\n")
        (tmp_path / "cgroup.subtree_control").write_text("memory pids\n")
        assert find_parents(tmp_path) == [(tmp_path, frozenset({"memory", "pids"}))]

    def test_version_2_without_controllers_to_give(self, tmp_path: Path) -> None:
        (tmp_path / "cgroup.controllers").write_text("cpu memory pids\n")
        (tmp_path / "cgroup.subtree_control").write_text("cpu\n")
        assert find_parents(tmp_path) == []

    def test_version_1_is_made_below_our_own(self, tmp_path: Path) -> None:
        for path in ("memory/a/b", "pids", "cpu/x"):
            (tmp_path / path).mkdir(parents=True)
        own = tmp_path / "self"
        own.write_text("4:cpu:/x\n3:memory:/a/b\n2:pids:/\n1:name=systemd:/\n0::/\n")
        assert find_parents(tmp_path, own) == [
            (tmp_path / "memory/a/b", frozenset({"memory"})),
            (tmp_path / "pids", frozenset({"pids"})),
        ]

    def test_nothing_there(self, tmp_path: Path) -> None:
        assert find_parents(tmp_path / "none", tmp_path / "none") == []

    def test_what_was_exceeded(self, tmp_path: Path) -> None:
        group = Group((tmp_path,))
        assert group.exceeded() == ""
        (tmp_path / "memory.events").write_text("max 5\noom_kill 0\n")
        assert group.exceeded() == ""
        (tmp_path / "memory.events").write_text("max 5\noom_kill 1\n")
        assert group.exceeded() == "memory"
        (tmp_path / "pids.events").write_text("max 1\n")
        assert group.exceeded() == "processes"


class TestWatch:
    @pytest.mark.parametrize(
        ("limits", "name"),
        [
            (Limits(), ""),
            (Limits(seconds=-1), "time"),
            (Limits(output=5), "output"),
            (Limits(disk=-(1 << 40)), "disk"),
        ],
    )
    def test_names_the_limit(self, tmp_path: Path, limits: Limits, name: str) -> None:
        assert Watch(tmp_path, limits, Group()).exceeded(6) == name


def test_every_section_that_a_removal_runs_has_its_row() -> None:
    told = {kind for kind, _, _ in exchange.WHEN}
    assert {kind for kind in SECTIONS if "un" in kind} | {"pretrans", "posttrans"} == told
