"""What all tests share: marks by place, and the builders as fixtures.

The builders themselves are in tests/support and can be called directly.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.keys import GpgKey, make_gpg_key
from tests.support.ostree import Base, make_base, make_sysroot
from tests.support.servers import Server, http_server

_MARKS_BY_FOLDER = ("integration", "vm", "bench")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests by the folder they are in, so that none can forget to."""
    for item in items:
        folder = item.path.relative_to(Path(__file__).parent).parts[0]
        if folder in _MARKS_BY_FOLDER:
            item.add_marker(folder)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Say at once what is missing instead of failing somewhere inside ostree."""
    if item.get_closest_marker("integration") and os.geteuid() != 0:
        pytest.fail("integration tests need root; run unit tests with -m 'not integration'")


@pytest.fixture(autouse=True)
def _no_mount_left(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a test that leaves something mounted below its directory, whatever else it showed."""
    if "tmp_path" not in request.fixturenames:
        yield
        return
    directory = request.getfixturevalue("tmp_path")
    yield
    left = find_mounts(directory)
    assert left == [], f"still mounted: {left}"


def find_mounts(below: Path) -> list[str]:
    """Return the mount points below a directory, in the order they were mounted."""
    lines = Path("/proc/self/mountinfo").read_text().splitlines()
    return [point for line in lines if (point := line.split()[4]).startswith(f"{below}/")]


@pytest.fixture(scope="session")
def gpg_key(tmp_path_factory: pytest.TempPathFactory) -> GpgKey:
    """Return a key for signing that all tests may use."""
    return make_gpg_key(tmp_path_factory.mktemp("key"))


@pytest.fixture
def base(tmp_path: Path) -> Base:
    """Return a base of the test system alone, of this test's own."""
    return make_base(tmp_path)


@pytest.fixture
def sysroot(tmp_path: Path, base: Base) -> Path:
    """Return a sysroot with the stateroot `test`, on which `base` is deployed."""
    return make_sysroot(tmp_path, base)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    """Serve this test's directory over HTTP."""
    with http_server(tmp_path) as running:
        yield running
