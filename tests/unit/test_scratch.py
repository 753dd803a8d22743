"""Directories for a short while: gone at the end, and gone later when there was no end."""

import fcntl
import os
import signal
from pathlib import Path

import pytest

from pkglayer.system import scratch as module
from pkglayer.system.scratch import scratch


@pytest.fixture(autouse=True)
def swept_anew() -> None:
    """As in a process that has just begun."""
    module._sweep_once.cache_clear()


def killed_inside(where: Path, at: str = "") -> Path:
    """What a run leaves that is killed in the body, or at a call of this name in `os`."""

    def die(*args: object) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    child = os.fork()
    if child == 0:
        if at:
            setattr(fcntl, at, die)
        with scratch("test", where) as path:
            (path / "secret").write_text("x")
            die()
    os.waitpid(child, 0)
    [left] = where.iterdir()
    return left


def test_gone_at_the_end_and_after_a_failure(tmp_path: Path) -> None:
    with scratch("one", tmp_path) as path:
        assert path.stat().st_mode & 0o777 == 0o700
        assert path.name.startswith("pkglayer-scratch-one-")
        (path / "file").touch()
    with pytest.raises(OSError, match="inside"), scratch("two", tmp_path):
        raise OSError("inside")
    assert list(tmp_path.iterdir()) == []


def test_the_next_run_removes_what_a_killed_one_left(tmp_path: Path) -> None:
    left = killed_inside(tmp_path)
    assert (left / "secret").exists()
    with scratch("next", tmp_path) as path:
        assert list(tmp_path.iterdir()) == [path]


def test_what_is_in_use_stays(tmp_path: Path) -> None:
    with scratch("mine", tmp_path) as mine:
        module._sweep_once.cache_clear()
        with scratch("other", tmp_path) as other:
            assert set(tmp_path.iterdir()) == {mine, other}


def test_one_that_has_no_lock_yet_stays_for_an_hour(tmp_path: Path) -> None:
    left = killed_inside(tmp_path, "flock")
    with scratch("next", tmp_path):
        assert left.exists()
    module._sweep_once.cache_clear()
    os.utime(left, (0, 0))
    with scratch("last", tmp_path):
        assert not left.exists()


def test_names_that_people_give_stay(tmp_path: Path) -> None:
    mine = tmp_path / "pkglayer-test-x"
    mine.mkdir(mode=0o700)
    with scratch("next", tmp_path):
        assert mine.exists()


@pytest.mark.parametrize("how", ["a link", "others may read", "somebody else's", "a file"])
def test_what_is_not_ours_stays(tmp_path: Path, how: str) -> None:
    path, elsewhere = tmp_path / "pkglayer-scratch-home-x", tmp_path / "elsewhere"
    elsewhere.mkdir(mode=0o700)
    if how == "a link":
        path.symlink_to(elsewhere)
    elif how == "a file":
        path.touch(mode=0o700)
    else:
        path.mkdir(mode=0o755 if how == "others may read" else 0o700)
        if how == "somebody else's":
            if os.geteuid() != 0:
                pytest.skip("only root can give a directory away")
            os.chown(path, 65534, 65534)
    with scratch("next", tmp_path):
        assert path.lstat()
    assert elsewhere.is_dir()
