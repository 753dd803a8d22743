"""A sample of the oracle (`make oracle` runs all of it), and that it sees what is wrong."""

from contextlib import suppress
from pathlib import Path

import pytest

from tests.oracle import accounts, corpus, overrides
from tests.oracle.bases import world_base
from tests.oracle.compare import compare_trees
from tests.oracle.databases import compare_databases, read_database
from tests.oracle.ground import (
    Ground,
    Refused,
    change_by_pkglayer,
    change_by_rpm,
    make_account_ground,
    make_ground,
    make_override_ground,
)
from tests.oracle.judge import Verdict, judge, judge_change
from tests.oracle.rows import find_row
from tests.oracle.trees import scan
from tests.support import world
from tests.support.ostree import make_base
from tests.support.repos import make_repo
from tests.support.rpms import build_rpm
from tests.support.trees import File, Node


def test_hard_cases_are_as_rpm_makes_them(tmp_path: Path) -> None:
    rpms, cases = corpus.build(tmp_path / "rpms", quick=True)
    names = [name for case in cases for name in case]
    ground = _made(tmp_path, rpms)
    verdict = judge(ground, names)
    _assert_same(verdict)
    assert len(verdict.packages) == len(names)


def test_distribution_packages_are_as_rpm_makes_them(tmp_path: Path) -> None:
    try:
        small = world.build("small")
    except world.WorldError as e:
        pytest.skip(str(e))
    ground = make_ground(tmp_path, world_base(tmp_path, small), [small.repo_v1])
    verdict = judge(ground, ["redis-server", "nginx-light", "tmux"])
    _assert_same(verdict)
    assert len(verdict.packages) > 10


def test_both_refuse_the_same(tmp_path: Path) -> None:
    rpms = [
        rpm
        for packages in corpus.REFUSED.values()
        for rpm in corpus.build_packages(tmp_path / "rpms", packages)
    ]
    ground = _made(tmp_path, rpms)
    accepted = []
    for title, packages in corpus.REFUSED.items():
        names = {name.removesuffix(".x86_64").removesuffix(".i686") for name in packages}
        files = [str(f) for n, f in ground.rpms.items() if n.rsplit("-", 2)[0] in names]
        with suppress(Refused):
            change_by_pkglayer(ground, ["install", *packages])
            accepted.append(f"{title} by pkglayer")
        with suppress(Refused):
            change_by_rpm(ground, ["--install", *files])
            accepted.append(f"{title} by rpm")
    assert accepted == []


@pytest.mark.parametrize("title", ["a newer version", "removed with what needs it"])
def test_changed_packages_of_the_base_are_as_rpm_changes_them(tmp_path: Path, title: str) -> None:
    ground, new = make_override_ground(tmp_path)
    change = next(c for c in overrides.CHANGES if c.title == title)
    verdict = judge_change(ground, change, new)
    _assert_same(verdict)
    assert verdict.packages


@pytest.mark.parametrize("kind", ["altfiles", "sysusers.d alone"])
def test_accounts_are_as_rpm_makes_them(tmp_path: Path, kind: str) -> None:
    verdict = judge(make_account_ground(tmp_path, kind), list(accounts.PACKAGES))
    _assert_same(verdict)
    assert len(verdict.packages) == len(accounts.PACKAGES)


def test_what_differs_from_rpm_is_found(tmp_path: Path) -> None:
    files: dict[str, Node] = {"usr/share/foo/file": "x", "etc/foo": File("x", 0o600)}
    ground = _made(tmp_path, [build_rpm(tmp_path, "foo", files=files)])
    _assert_same(judge(ground, ["foo"]))
    ours, rpm = ground.work / "ours", ground.work / "rpms"
    (ours / "usr/share/foo/file").write_text("y")
    (ours / "etc/foo").chmod(0o644)
    (ours / "usr/bin/getent").unlink()
    (ours / "usr/share/foo/more").write_text("more")
    found = [d for d in compare_trees(scan(ours), scan(rpm)) if not find_row(d)]
    assert [(d.aspect, d.path) for d in found] == [
        ("mode", "etc/foo"),
        ("missing", "usr/bin/getent"),
        ("content", "usr/share/foo/file"),
        ("extra", "usr/share/foo/more"),
    ]
    before = read_database(ground.plain, ground.base.database)
    changed = compare_databases(before, read_database(rpm, ground.base.database))
    assert [(d.aspect, d.path) for d in changed] == [("package", "foo-1-1.noarch")]


def _made(tmp_path: Path, rpms: list[Path]) -> Ground:
    base = make_base(tmp_path, corpus.BASE_FILES)
    return make_ground(tmp_path, base, [make_repo(tmp_path / "repo", rpms)])


def _assert_same(verdict: Verdict) -> None:
    assert verdict.unexplained == []
    assert verdict.refused == {}
