"""The oracle's own comparing: what counts as a difference, and that the page shows its tables."""

import os
from pathlib import Path

import pytest

from tests.oracle import tables
from tests.oracle.compare import Difference, compare_trees
from tests.oracle.rows import find_row
from tests.oracle.trees import scan
from tests.support.trees import DIR, Dir, File, Hardlink, Link, Node, make_tree


def _differ(tmp: Path, ours: dict[str, Node], rpm: dict[str, Node]) -> list[Difference]:
    return list(
        compare_trees(scan(make_tree(tmp / "ours", ours)), scan(make_tree(tmp / "rpm", rpm)))
    )


@pytest.mark.parametrize(
    ("ours", "rpm", "aspect"),
    [
        ({"a": "1"}, {"a": "2"}, "content"),
        ({"a": File("1", 0o600)}, {"a": File("1", 0o644)}, "mode"),
        ({"a": Dir(0o755)}, {"a": Dir(0o1777)}, "mode"),
        ({"a": Link("./b")}, {"a": Link("b")}, "target"),
        ({"a": DIR}, {"a": "1"}, "type"),
        ({}, {"a": "1"}, "missing"),
        ({"a": "1"}, {}, "extra"),
        ({"a": "1", "b": "1"}, {"a": "1", "b": Hardlink("a")}, "links"),
    ],
)
def test_a_difference_is_found_and_has_no_row(
    tmp_path: Path, ours: dict[str, Node], rpm: dict[str, Node], aspect: str
) -> None:
    [found] = _differ(tmp_path, ours, rpm)
    assert found.aspect == aspect
    assert find_row(found) is None


def test_equal_files_may_be_one(tmp_path: Path) -> None:
    assert _differ(tmp_path, {"a": "1", "b": Hardlink("a")}, {"a": "1", "b": "1"}) == []


def test_content_behind_a_link_of_opt_is_compared(tmp_path: Path) -> None:
    ours: dict[str, Node] = {
        "usr/lib/opt/x/bin": "1",
        "var/opt/x": Link("../../usr/lib/opt/x"),
    }
    found = _differ(tmp_path, ours, {"usr/lib": DIR, "var/opt/x/bin": "2"})
    rows = [row.name if (row := find_row(d)) else d.aspect for d in found]
    assert rows == ["path: var/opt/", "path: var/opt/", "content"]


def test_bytecode_may_differ_in_the_time_of_its_source_alone(tmp_path: Path) -> None:
    head = b"\xa7\r\r\n" + bytes(4)
    rpm: dict[str, Node] = {"a.pyc": head + b"\1\1\1\1" + b"sizecode"}
    [masked] = _differ(tmp_path / "1", {"a.pyc": head + bytes(4) + b"sizecode"}, rpm)
    [other] = _differ(tmp_path / "2", {"a.pyc": head + bytes(4) + b"sizeCODE"}, rpm)
    assert find_row(masked) is not None
    assert find_row(other) is None


def test_xattrs_count(tmp_path: Path) -> None:
    make_tree(tmp_path, {"ours/a": "1", "rpm/a": "1"})
    try:
        os.setxattr(tmp_path / "ours/a", "user.x", b"1")
    except OSError:
        pytest.skip("the file system has no extended attributes for users")
    [found] = compare_trees(scan(tmp_path / "ours"), scan(tmp_path / "rpm"))
    assert found.aspect == "xattrs"
    assert find_row(found) is None


def test_the_page_has_the_tables() -> None:
    page = tables.PAGE.read_text()
    assert tables.fill(page) == page
    assert all(table in page for table in tables.make_tables().values())
