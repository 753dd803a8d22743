"""Room on file systems: what fits, how a refusal is told, and which paths share one."""

import errno
from dataclasses import replace
from pathlib import Path

import pytest

from pkglayer.model.errors import PackageError, SpaceError
from pkglayer.model.space import (
    BLOCK,
    HINT,
    Need,
    Room,
    check_rooms,
    guess_files,
    render_rooms,
    rooms_json,
    space_error,
)
from pkglayer.system.space import explain, find_mount, find_rooms, tells_of_space, tree_need

MB = 1000**2
ROOM = Room("/boot", 10 * MB, 100, (Need("of kernel", 8 * MB, 3), Need("of entries", MB, 2)))


@pytest.mark.parametrize(
    ("room", "fits"),
    [
        (ROOM, True),
        (replace(ROOM, free=9 * MB), True),
        (replace(ROOM, free=9 * MB - 1), False),
        (replace(ROOM, reserve=MB), True),
        (replace(ROOM, reserve=MB + 1), False),
        (replace(ROOM, free_files=5), True),
        (replace(ROOM, free_files=4), False),
        (replace(ROOM, free_files=None), True),
        (replace(ROOM, free=0, needs=()), True),
    ],
)
def test_what_fits(room: Room, fits: bool) -> None:
    assert room.fits is fits
    assert rooms_json([ROOM, room])["fits"] is fits
    assert (space_error([ROOM, room]) is None) is fits


def test_a_refusal_has_all_numbers_and_a_way_out() -> None:
    full = replace(ROOM, free=MB, free_files=1)
    with pytest.raises(SpaceError) as caught:
        check_rooms([ROOM, full, replace(full, mount="/var", reserve=2 * MB)])
    assert caught.value.message == (
        "there is not enough room on /boot: 9.0 MB needed (8.0 MB of kernel, 1.0 MB of entries), "
        "1.0 MB free; 5 inodes needed, 1 free; /var: 9.0 MB needed (8.0 MB of kernel, 1.0 MB of "
        "entries), 1.0 MB free, of which 2.0 MB must stay free (min-free-space); "
        "5 inodes needed, 1 free"
    )
    assert caught.value.hint == HINT
    assert "pkglayer cleanup" in HINT
    assert [r["mount"] for r in caught.value.data["space"]] == ["/boot", "/var"]  # type: ignore[attr-defined]


def test_a_plan_says_it_in_lines() -> None:
    assert render_rooms([]) == []
    [line] = render_rooms([ROOM])
    assert line.startswith("Space on /boot: 9.0 MB needed")
    assert render_rooms([replace(ROOM, free=1)])[-1] == f"That does not fit: {HINT}."


def test_paths_of_one_file_system_are_added_up(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    places = [tmp_path / "there", tmp_path / "not/made/yet"]
    [room] = find_rooms([(p, Need("x", MB, 1)) for p in places], {tmp_path: 7})
    assert (room.size, room.files, room.reserve) == (2 * MB, 2, 7)
    assert room.mount == str(find_mount(tmp_path))
    assert Path(room.mount).is_mount()


def test_a_copy_takes_blocks_and_inodes(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir()
    (tmp_path / "d/one").write_bytes(b"x")
    (tmp_path / "d/two").write_bytes(b"x" * (BLOCK + 1))
    (tmp_path / "d/link").symlink_to("one")
    need = tree_need("of /etc", tmp_path)
    assert (need.files, need.size) == (5, 2 * BLOCK + 3 * BLOCK)
    assert guess_files(0) == 2


def test_what_has_to_do_with_space(tmp_path: Path) -> None:
    full = OSError(errno.ENOSPC, "No space left on device", "/full")
    other = PackageError("the payload is damaged")
    assert tells_of_space(full)
    assert not tells_of_space(other)
    assert not tells_of_space(OSError(errno.EIO, "Input/output error"))
    wrapped = PackageError("dracut failed")
    wrapped.__cause__ = full
    assert tells_of_space(wrapped)
    assert explain(other, [tmp_path]) is None
    told = explain(wrapped, [tmp_path])
    assert told is not None
    assert told.message.startswith(f"dracut failed ({find_mount(tmp_path)} has ")
    assert explain(told, [tmp_path]) is None
