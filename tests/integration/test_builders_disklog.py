"""The disk that can lose power: what was flushed is kept, of the rest anything may be."""

import os
from pathlib import Path

import pytest

from tests.support.disklog import SECTOR, Cut, Replay, every_cut, logged, read_log

pytestmark = pytest.mark.skipif(not Path("/dev/fuse").exists(), reason="disks are served by FUSE")

A, B, C = b"a" * SECTOR, b"b" * SECTOR, b"c" * SECTOR


@pytest.fixture
def replay(tmp_path: Path) -> Replay:
    """A, flush, B, C over A: each in a sector of its own but the last."""
    start, log = tmp_path / "start.img", tmp_path / "log.img"
    start.write_bytes(bytes(4 * SECTOR))
    played = tmp_path / "played.img"
    played.write_bytes(start.read_bytes())
    with logged(played, log) as device, device.open("r+b", buffering=0) as file:
        for place, data in ((0, A), (None, b""), (1, B), (0, C)):
            if place is None:
                os.fsync(file)
            else:
                file.seek(place * SECTOR)
                file.write(data)
    return Replay(start, log, tmp_path / "durable.img")


def image(replay: Replay, cut: Cut) -> list[bytes]:
    target = replay.log.with_name("cut.img")
    replay.write_image(cut, target)
    data = target.read_bytes()
    return [data[n : n + SECTOR][:1] for n in range(0, len(data), SECTOR)]


def test_writes_and_flushes_are_written_down_in_their_order(replay: Replay) -> None:
    rows = [(e.offset // SECTOR, e.size // SECTOR, e.flush) for e in replay.entries[:4]]
    assert rows == [(0, 1, False), (0, 0, True), (1, 1, False), (0, 1, False)]
    assert read_log(replay.log) == replay.entries


@pytest.mark.parametrize(("at", "kept"), [(1, b"\0\0"), (2, b"a\0"), (3, b"a\0"), (4, b"a\0")])
def test_without_luck_what_was_flushed_is_there(replay: Replay, at: int, kept: bytes) -> None:
    assert b"".join(image(replay, Cut(at))[:2]) == kept


def test_with_luck_any_part_of_the_rest_is_there(replay: Replay) -> None:
    seen = {b"".join(image(replay, Cut(4, seed))[:2]) for seed in range(40)}
    assert seen == {b"a\0", b"ab", b"c\0", b"cb"}


def test_cuts_come_at_each_flush_and_between(replay: Replay) -> None:
    first, second, *_ = every_cut(replay.entries)
    assert first == Cut(2)
    assert (second.at, second.seed) in [(3, 1), (4, 1)]
