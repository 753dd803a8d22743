"""What of the scriptlets' traces is not committed, or committed without its times."""

import py_compile
import struct
from pathlib import Path

import pytest

from pkglayer.model.masks import BYTECODE, DROP, JOURNAL, MASKED, SHADOW, find_mask, normalise


@pytest.mark.parametrize(
    ("path", "action"),
    [
        ("usr/etc/machine-id", DROP),
        ("usr/etc/.pwd.lock", DROP),
        ("usr/etc/passwd-", DROP),
        ("var/cache/ldconfig/aux-cache", DROP),
        ("usr/lib/sysimage/rpm/rpmdb.sqlite-wal", JOURNAL),
        ("var/log/alternatives.log", DROP),
        ("var/log/apt/term.log", DROP),
        ("usr/etc/shadow", SHADOW),
        ("usr/lib/python3/x/__pycache__/y.cpython-311.pyc", BYTECODE),
    ],
)
def test_masked(path: str, action: str) -> None:
    mask = find_mask(path)
    assert mask is not None
    assert mask.action == action


@pytest.mark.parametrize(
    "path",
    [
        "usr/etc/passwd",
        "usr/etc/ld.so.cache",
        "usr/lib/sysimage/rpm/rpmdb.sqlite",
        "usr/etc/machine-id.d",
        "var/log/nginx",
        "var/cache/fontconfig",
        "var/lib/foo/data.db",
        "usr/share/foo.log",
    ],
)
def test_not_masked(path: str) -> None:
    assert find_mask(path) is None


def test_each_row_has_a_reason() -> None:
    assert all(mask.reason and mask.action in (DROP, JOURNAL, SHADOW, BYTECODE) for mask in MASKED)


class TestShadow:
    BASE = b"root:*:19000:0:99999:7:::\n"

    def test_new_lines_lose_their_day(self) -> None:
        data = self.BASE + b"foo:!:19800::::::\n"
        assert normalise(SHADOW, data, self.BASE) == self.BASE + b"foo:!*:::::::\n"

    def test_two_days_give_one_file(self) -> None:
        made = [self.BASE + b"foo:!:%d::::::\n" % day for day in (1, 2)]
        assert normalise(SHADOW, made[0], self.BASE) == normalise(SHADOW, made[1], self.BASE)

    def test_without_a_base(self) -> None:
        assert normalise(SHADOW, b"odd\nfoo:!:5:::::", None) == b"odd\nfoo:!*:::::::\n"


class TestBytecode:
    def test_time_becomes_that_of_a_deployment(self, tmp_path: Path) -> None:
        source = tmp_path / "x.py"
        source.write_text("x = 1\n")
        made = Path(py_compile.compile(str(source), doraise=True) or "").read_bytes()
        assert struct.unpack_from("<I", made, 8) != (0,)
        data = normalise(BYTECODE, made, None)
        assert struct.unpack_from("<I", data, 8) == (0,)
        assert data[:8] + data[12:] == made[:8] + made[12:]

    def test_checked_by_hash_is_left_alone(self, tmp_path: Path) -> None:
        source = tmp_path / "x.py"
        source.write_text("x = 1\n")
        mode = py_compile.PycInvalidationMode.CHECKED_HASH
        made = py_compile.compile(str(source), doraise=True, invalidation_mode=mode)
        data = Path(made or "").read_bytes()
        assert normalise(BYTECODE, data, None) == data

    def test_something_else(self) -> None:
        assert normalise(BYTECODE, b"short", None) == b"short"
