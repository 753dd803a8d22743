"""Marks everything here as an integration test: real libostree, librpm and root are needed."""

from pathlib import Path

import pytest

from tests.faults.arena import Arena, make_arena


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The mark by folder, as the tests' own conftest does it for the others."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker("integration")


@pytest.fixture
def arena(tmp_path: Path) -> Arena:
    """A system to attack, with an empty repository."""
    return make_arena(tmp_path)
