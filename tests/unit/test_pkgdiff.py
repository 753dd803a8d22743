"""Package differences: pairs, side-by-side versions, architecture moves, changelogs, patterns."""

import pytest

from pkglayer.model.package import Nevra
from pkglayer.model.pkgdiff import (
    Change,
    ChangelogEntry,
    PackageDiff,
    diff_changelogs,
    diff_packages,
    matches,
)


def n(name: str, version: str = "1", arch: str = "x86_64", epoch: int = 0) -> Nevra:
    return Nevra(name, epoch, version, "1", arch)


def compare(a: Nevra, b: Nevra) -> int:
    """Good enough for the whole numbers used here; librpm's own is tested with real packages."""
    x, y = (a.epoch, int(a.version)), (b.epoch, int(b.version))
    return (x > y) - (x < y)


def test_equal_sets_differ_in_nothing() -> None:
    diff = diff_packages([n("a"), n("b")], [n("b"), n("a")], compare)
    assert diff == PackageDiff()
    assert not diff


def test_each_kind_of_change() -> None:
    old = [n("same"), n("gone"), n("up", "9"), n("down", "3"), n("epoch", "9")]
    new = [n("same"), n("come"), n("up", "10"), n("down", "2"), n("epoch", "1", epoch=1)]
    diff = diff_packages(old, new, compare)
    assert diff == PackageDiff(
        added=(n("come"),),
        removed=(n("gone"),),
        upgraded=(
            Change(n("epoch", "9"), n("epoch", "1", epoch=1)),
            Change(n("up", "9"), n("up", "10")),
        ),
        downgraded=(Change(n("down", "3"), n("down", "2")),),
    )
    assert diff


def test_versions_side_by_side_are_added_and_removed() -> None:
    old = [n("kernel", "9"), n("kernel", "10")]
    new = [n("kernel", "10"), n("kernel", "11"), n("kernel", "100")]
    diff = diff_packages(old, new, compare)
    assert diff.added == (n("kernel", "11"), n("kernel", "100"))
    assert diff.removed == (n("kernel", "9"),)
    assert not diff.upgraded


def test_one_kernel_replaced_beside_another_is_an_upgrade() -> None:
    old, new = [n("kernel", "1"), n("kernel", "2")], [n("kernel", "2"), n("kernel", "3")]
    assert diff_packages(old, new, compare).upgraded == (
        Change(n("kernel", "1"), n("kernel", "3")),
    )


def test_architectures_are_packages_of_their_own() -> None:
    old = [n("lib", arch="i686"), n("lib", arch="x86_64")]
    new = [n("lib", "2", "i686"), n("lib", "2", "x86_64")]
    assert diff_packages(old, new, compare).upgraded == (
        Change(n("lib", arch="i686"), n("lib", "2", "i686")),
        Change(n("lib", arch="x86_64"), n("lib", "2", "x86_64")),
    )
    moved = diff_packages([n("lib", "1", "i686")], [n("lib", "2", "x86_64")], compare)
    assert (moved.removed, moved.added) == ((n("lib", "1", "i686"),), (n("lib", "2", "x86_64"),))


def test_a_move_to_noarch_is_an_upgrade_unless_the_version_stays() -> None:
    up = diff_packages([n("tool")], [n("tool", "2", "noarch")], compare)
    assert up.upgraded == (Change(n("tool"), n("tool", "2", "noarch")),)
    same = diff_packages([n("tool")], [n("tool", "1", "noarch")], compare)
    assert (same.added, same.removed) == ((n("tool", "1", "noarch"),), (n("tool"),))


def test_changelog_news_are_what_only_the_newer_version_has() -> None:
    first, second, third = (ChangelogEntry(t, "A <a@b.c>", f"- change {t}") for t in (1, 2, 3))
    diff = PackageDiff(
        upgraded=(Change(n("up"), n("up", "2")), Change(n("quiet"), n("quiet", "2"))),
        downgraded=(Change(n("down", "2"), n("down")),),
    )
    old = {n("up"): (first,), n("down", "2"): (second, first), n("quiet"): (first,)}
    new = {n("up", "2"): (third, second, first), n("down"): (first,), n("quiet", "2"): (first,)}
    assert diff_changelogs(diff, old, new) == {
        n("up", "2"): (third, second),
        n("down", "2"): (second,),
    }


@pytest.mark.parametrize(
    "pattern",
    ["vim", "v*", "vim.x86_64", "vim-9", "vim-9-1", "vim-9-1.x86_64", "vim-2:9-1", "vim-2:9-1.*"],
)
def test_every_form_of_a_name_matches(pattern: str) -> None:
    assert matches(n("vim", "9", epoch=2), pattern)


@pytest.mark.parametrize("pattern", ["vi", "VIM", "vim-8", "vim.noarch", "9", ""])
def test_other_text_does_not_match(pattern: str) -> None:
    assert not matches(n("vim", "9", epoch=2), pattern)
