"""Marks everything here as an integration test: real libostree, librpm and root are needed."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.faults.arena import Arena, make_arena, make_outside
from tests.faults.scenes import copy
from tests.support.scene import Scene, find_leftovers
from tests.support.witness import fsck


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The mark by folder, as the tests' own conftest does it for the others."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker("integration")


@pytest.fixture(scope="session")
def _template(tmp_path_factory: pytest.TempPathFactory) -> Arena:
    made = make_arena(tmp_path_factory.mktemp("arena"))
    copy(made.sysroot, made.tmp / "pristine")
    return made


@pytest.fixture
def arena(_template: Arena, tmp_path: Path) -> Arena:
    """A system to attack, put back to its start for each test; packages are built in `tmp`."""
    copy(_template.tmp / "pristine", _template.sysroot)
    shutil.rmtree(_template.outside)
    outside_before = make_outside(_template.outside)
    return replace(_template, tmp=tmp_path, outside_before=outside_before)


@pytest.fixture
def scene(original: Scene, tmp_path: Path) -> Iterator[Scene]:
    """A copy of a module's `original` for each test; afterwards the repository is whole and nothing
    is left over."""
    scene = original.copy_to(tmp_path)
    yield scene
    fsck(scene.sysroot / "ostree/repo")
    assert find_leftovers(scene.sysroot) == []
