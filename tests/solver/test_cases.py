"""Every row of the tables, through our resolve stage and through dnf."""

from pathlib import Path

import pytest

from tests.solver.cases import Case, load_cases
from tests.solver.ours import World, run_ours

CASES = load_cases()
IDS = [f"{c.table}: {c.name}" for c in CASES]
pytestmark = pytest.mark.integration


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where all worlds lie, beside the databases that they share."""
    return tmp_path_factory.mktemp("worlds")


def make_world(case: Case, place: Path) -> World:
    world = World(case, place / f"{CASES.index(case)}")
    world.place.mkdir(exist_ok=True)
    return world


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_we_answer_as_the_table_says(case: Case, place: Path) -> None:
    answer = run_ours(make_world(case, place))
    if case.refused:
        assert all(part in answer.text for part in case.refused), answer
        assert answer.text
        return
    assert answer.layer == case.layer, answer
    assert answer.inactive == case.inactive
    assert answer.skipped.keys() == case.skipped.keys()
    assert all(why in answer.skipped[spec] for spec, why in case.skipped.items()), answer.skipped
    assert answer.steps == case.steps
    assert case.origins.items() <= answer.origins.items()


@pytest.mark.parametrize("case", CASES, ids=IDS)
def test_dnf_answers_the_same_or_the_table_says_why_not(case: Case, place: Path) -> None:
    pytest.importorskip("dnf", reason="dnf 4 is not installed")
    from tests.solver.theirs import run_dnf

    world = make_world(case, place)
    world.repositories()
    answer = run_dnf(world)
    assert answer == (case.answer if case.dnf is None else case.dnf)
    assert case.dnf != case.answer, "no difference: leave dnf and why out"


def test_the_tables_are_large_and_each_row_is_its_own() -> None:
    assert len(CASES) >= 100
    assert len(set(IDS)) == len(CASES)
    assert sum(bool(c.refused) for c in CASES) >= 20
