"""The cost model: its terms, and the page that has them."""

import shutil
from pathlib import Path

from tests.bench.cases import CASES
from tests.bench.model import PAGE, PARTS, WORK, Check, check, predict, write_page
from tests.bench.report import Row


def row(case: str, tool: str, cpu: float) -> Row:
    return Row(case, 2_000, tool, cpu, cpu, 60.0, 1.0, 5, 1.0, {})


def test_every_case_that_deploys_has_its_work() -> None:
    assert {case.name for case in CASES if case.deploys} <= set(WORK)
    assert {name for work in WORK.values() for name in work} == set(PARTS)


def test_what_grows_with_the_base_and_what_does_not() -> None:
    files, packages = PARTS["files"].each, PARTS["packages"].each
    more = predict("install-1", 8_000) - predict("install-1", 2_000)
    assert abs(more - (6_000 * files + 100 * packages)) < 1e-9
    pulled = predict("upgrade-50-same", 8_000) - predict("upgrade-50-same", 2_000)
    assert abs(pulled - more - 6_000 * PARTS["pulled"].each) < 1e-9


def test_only_ours_is_checked_and_a_fifth_is_allowed() -> None:
    right = predict("install-1", 2_000)
    rows = [row("install-1", "reference", 9.0), row("status", "pkglayer", 0.1)]
    found = list(check([*rows, row("install-1", "pkglayer", right)]))
    assert found == [Check("install-1", 2_000, right, right)]
    assert Check("install-1", 2_000, 1.0, 1.19).fits
    assert not Check("install-1", 2_000, 1.0, 1.21).fits
    assert not Check("install-1", 2_000, 1.0, 0.79).fits


def test_the_page_has_the_constants_of_the_model(tmp_path: Path) -> None:
    copy = Path(shutil.copy(PAGE, tmp_path))
    write_page([Check("install-1", 2_000, 1.0, 1.1)], copy)
    new, old = copy.read_text(), PAGE.read_text()
    end = "<!-- constants: end -->"
    assert new.partition(end)[0] == old.partition(end)[0], "run: python -m tests.bench.model"
    assert "| install-1 | 2,000 | 1.00 s | 1.10 s | +10% |" in new
