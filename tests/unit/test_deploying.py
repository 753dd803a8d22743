"""How far a deployment is, as it is told from the inodes that a file system has in use."""

import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pkglayer.engine import deploying
from pkglayer.log import Quiet


class Heard(Quiet):
    """Adds up what it is told; `enough` is set when that is so much."""

    def __init__(self, wanted: int) -> None:
        self.sum, self.wanted, self.enough = 0, wanted, threading.Event()

    def advance(self, amount: int = 1, detail: str = "") -> None:
        assert amount >= 0, "a bar does not go back"
        self.sum += amount
        if self.sum == self.wanted:
            self.enough.set()


def test_directories_are_told_as_they_come(monkeypatch: pytest.MonkeyPatch) -> None:
    in_use = iter([1000, 1010, 1005, 1040])  # somebody else removes some meanwhile
    monkeypatch.setattr(deploying, "count_inodes", lambda path: next(in_use, 1040))
    monkeypatch.setattr(deploying, "_LOOK_SECONDS", 0.001)
    heard = Heard(40)
    session: Any = SimpleNamespace(repo=SimpleNamespace(path=Path("/")), progress=heard)
    with deploying._watched(session):
        assert heard.enough.wait(timeout=20)
    assert heard.sum == 40


def test_the_watcher_ends_with_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deploying, "count_inodes", lambda path: 0)
    session: Any = SimpleNamespace(repo=SimpleNamespace(path=Path("/")), progress=Quiet())
    before = threading.active_count()
    with pytest.raises(OSError, match="full"), deploying._watched(session):
        raise OSError("full")
    assert threading.active_count() == before
