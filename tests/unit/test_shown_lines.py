"""What people see fits their terminal, and every way out has its own line."""

import io

import pytest

from pkglayer.__main__ import render_error
from pkglayer.log import Lines, folded
from pkglayer.model.errors import UsageError
from tests.unit.test_render import LAYERED, render_status


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("text", "width", "lines"),
    [
        ("  one two", 40, ["  one two"]),
        ("x " * 30, 0, ["x " * 30]),
        (
            "  name: what is said of it goes on for longer than fits",
            40,
            ["  name: what is said of it goes on for", "      longer than fits"],
        ),
        ("a\n\n" + "b" * 50, 40, ["a", "", "b" * 50]),
    ],
)
def test_folds_at_spaces_and_keeps_the_rest_below_its_line(
    text: str, width: int, lines: list[str]
) -> None:
    assert folded(text, width).split("\n") == lines


def test_status_fits_a_narrow_terminal_but_for_checksums() -> None:
    lines = render_status([LAYERED], width=60).splitlines()
    long = [line for line in lines if len(line) > 60]
    assert [line.split()[-1] for line in long] == ["b" * 64, "c" * 64]
    assert "    Layered     5 packages, 1.9 MB: gcc-2:9-1.x86_64," in lines


def test_a_moving_line_never_wraps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    out = Terminal()
    Lines(out).start("a step whose name is longer than the terminal is wide")
    assert out.getvalue() == "\r\x1b[Ka step whose name i"


def test_each_way_out_has_its_own_line() -> None:
    error = UsageError("no such thing", hint="look; or pkglayer search it")
    assert render_error(error) == "error: no such thing\n  hint: look\n  or: pkglayer search it"
