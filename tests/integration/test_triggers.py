"""Triggers: the sequence is the one that rpm itself runs, script by script.

rpm is the witness: the same packages are installed by rpm into a copy of the base, and by us; every
script writes its name, arguments and input into a log, and the two logs must be equal.
"""

from difflib import unified_diff
from pathlib import Path

import pytest

from tests.support.ostree import Base, make_base
from tests.support.rpms import RpmTree, Trigger, build_rpm, ghost
from tests.support.scripted import installed_by_rpm, scripted
from tests.support.trees import DIR, File

LOG = "/usr/share/log"
KINDS = ("pretrans", "pre", "post", "posttrans")


def says(name: str) -> str:
    """A script that logs itself."""
    return f'echo "{name} [$*]" $(cat) >> {LOG}'


def trigger(kind: str, on: str, name: str, priority: int | None = None) -> Trigger:
    return Trigger(kind, on, says(f"{name} {kind} {on} {priority or ''}"), priority)


def every_kind(name: str) -> dict[str, str]:
    return {kind: says(f"{name} {kind}") for kind in KINDS}


def same_log(tmp: Path, base: Base, rpms: list[Path]) -> list[str]:
    """Both logs, shown to be equal, without what the base's composition wrote."""
    before = (base.root / LOG.lstrip("/")).read_text() if (base.root / LOG[1:]).exists() else ""
    theirs = (installed_by_rpm(tmp, base, rpms) / LOG[1:]).read_text().removeprefix(before)
    with scripted(tmp, base, rpms) as done:
        ours = done.text(LOG[1:]).removeprefix(before)
    assert (
        "\n".join(unified_diff(theirs.splitlines(), ours.splitlines(), "rpm", "ours", n=99)) == ""
    )
    return ours.splitlines()


def test_package_triggers_of_base_and_layer(tmp_path: Path) -> None:
    old = build_rpm(
        tmp_path,
        "old",
        triggers=[
            trigger("triggerin", "alpha", "old"),
            trigger("triggerin", "alpha < 2", "old"),
            trigger("triggerin", "beta >= 2, gamma", "old"),
            trigger("triggerin", "beta = 1", "old"),
            trigger("triggerprein", "alpha", "old"),
            trigger("triggerun", "alpha", "old"),
            trigger("triggerpostun", "beta", "old"),
        ],
    )
    base = make_base(tmp_path, packages=[old])
    alpha = build_rpm(
        tmp_path,
        "alpha",
        version="2",
        scripts=every_kind("alpha"),
        triggers=[
            trigger("triggerin", "old", "alpha"),
            trigger("triggerin", "beta", "alpha"),
            trigger("triggerprein", "old", "alpha"),
            trigger("triggerin", "alpha", "alpha"),
            trigger("triggerin", "testos-base > 0, old", "alpha"),
        ],
    )
    beta = build_rpm(
        tmp_path,
        "beta",
        requires=["alpha"],
        scripts=every_kind("beta"),
        triggers=[trigger("triggerin", "alpha, gamma", "beta"), trigger("triggerin", "x", "beta")],
    )
    gamma = build_rpm(tmp_path, "gamma", requires=["beta"], scripts=every_kind("gamma"))
    log = same_log(tmp_path, base, [gamma, beta, alpha])
    assert sum("old triggerin" in line for line in log) == 3
    assert len(log) > 15


FILES: RpmTree = {
    "usr/lib/foo": DIR,
    "usr/lib/foo/a": "",
    "usr/lib/foo/b": "",
    "usr/lib64/c": "",
    "usr/share/foo/d": "",
    "usr/share/ghost": ghost(),
    "etc/foo.conf": "",
}


@pytest.mark.parametrize("mode", ["filetriggerin", "transfiletriggerin"])
def test_file_triggers_of_base_and_layer(tmp_path: Path, mode: str) -> None:
    watcher = build_rpm(
        tmp_path,
        "watcher",
        files={"usr/lib/watcher/own": ""},
        triggers=[
            trigger(mode, "/usr/lib", "watcher"),
            trigger(mode, "/usr/lib", "watcher", 2_000_000),
            trigger(mode, "/usr/share /usr/lib64", "watcher", 500),
            trigger(mode, "/usr/share/foo /usr/share", "watcher", 9_999),
            trigger(mode, "/etc", "watcher", 10_000),
            trigger(mode, "/nowhere", "watcher"),
            trigger(mode, "/usr/share/foo/d", "watcher"),
            trigger(mode.replace("in", "un"), "/usr/lib", "watcher"),
        ],
    )
    other = build_rpm(tmp_path, "other", triggers=[trigger(mode, "/usr/lib", "other", 2_000_000)])
    base = make_base(tmp_path, packages=[watcher, other])
    foo = build_rpm(
        tmp_path,
        "foo",
        files=FILES,
        scripts=every_kind("foo"),
        triggers=[
            trigger(mode, "/usr/lib/foo", "foo"),
            trigger(mode, "/usr/lib/watcher", "foo", 100),
            trigger(mode, "/usr/lib/watcher /usr/lib/bar", "foo", 3_000_000),
        ],
    )
    bar = build_rpm(
        tmp_path,
        "bar",
        requires=["foo"],
        files={"usr/lib/bar/x": "", "usr/share/foo/y": ""},
        scripts=every_kind("bar"),
        triggers=[trigger(mode, "/usr/lib/foo /usr/lib/bar", "bar")],
    )
    log = same_log(tmp_path, base, [bar, foo])
    assert any("/usr/lib64/c" in line for line in log)
    assert len(log) > 15


def test_trigger_programs_without_a_body(tmp_path: Path) -> None:
    """`-p program` alone gets no arguments; triggers pass them after the script's path."""
    tool = '#!/bin/sh\necho "tool $#" >> /usr/share/log\n'
    base = make_base(tmp_path, {"usr/bin/tool": File(tool, 0o755)})
    foo = build_rpm(
        tmp_path,
        "foo",
        files={"usr/lib/x": ""},
        scripts={"post": ("/usr/bin/tool", ""), "posttrans": ("/usr/bin/tool", "text")},
    )
    assert same_log(tmp_path, base, [foo]) == ["tool 0", "tool 2"]
