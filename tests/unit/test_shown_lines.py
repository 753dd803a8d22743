"""What people see fits their terminal, and every way out has its own line."""

import io

import pytest
from typer.testing import CliRunner

from pkglayer.cli.app import make_app
from pkglayer.cli.deployments import cleaned_text
from pkglayer.cli.program import render_error
from pkglayer.cli.render import render_status
from pkglayer.log import Lines, folded
from pkglayer.model.errors import UsageError
from pkglayer.model.request import parse_spec
from tests.unit.test_render import LAYERED


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


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time that `Lines` sees: the last of the list."""
    now = [100.0]
    monkeypatch.setattr("pkglayer.log.time.monotonic", lambda: now[-1])
    monkeypatch.setenv("COLUMNS", "120")
    return now


@pytest.mark.parametrize(
    ("total", "unit", "amount", "line"),
    [
        (40_000_000, "B", 10_000_000,
         "Work [=====               ] 10.0 MB/40.0 MB 5.0 MB/s, 6 s left a.rpm"),
        (50, "", 10, "Work [====                ] 10/50 5/s, 8 s left a.rpm"),
        (200, "%", 50, "Work [=====               ] 25 % 6 s left a.rpm"),
        (10, "%", 20, "Work [====================] 100 % 0 s left a.rpm"),
        (0, "B", 3_000_000, "Work 3.0 MB 1.5 MB/s a.rpm"),
        (0, "%", 20, "Work a.rpm"),
    ],
)  # fmt: skip
def test_a_moving_line_has_bar_rate_and_time_left(
    clock: list[float], total: int, unit: str, amount: int, line: str
) -> None:
    lines = Lines(out := Terminal())
    lines.start("Work", total, unit)
    clock.append(102.0)
    lines.advance(amount, "a.rpm")
    assert out.getvalue().split("\r\x1b[K")[-1] == line


@pytest.mark.parametrize(
    ("total", "unit", "amount", "line"),
    [
        (20_000_000, "B", 20_000_000, "Work 20.0 MB (2.0 s, 10.0 MB/s)\n"),
        (50, "", 50, "Work 50 (2.0 s)\n"),
        (200, "%", 190, "Work (2.0 s)\n"),
        (0, "", 0, "Work (2.0 s)\n"),
    ],
)
def test_a_step_that_ended_is_one_plain_line(
    clock: list[float], total: int, unit: str, amount: int, line: str
) -> None:
    lines = Lines(out := io.StringIO())
    lines.start("Work", total, unit)
    clock.append(102.0)
    lines.advance(amount)
    lines.done()
    assert out.getvalue() == line


def test_each_way_out_has_its_own_line() -> None:
    error = UsageError("no such thing", hint="look; or pkglayer search it")
    assert render_error(error) == "error: no such thing\n  hint: look\n  or: pkglayer search it"


@pytest.mark.parametrize(
    ("states", "refs", "freed", "dry_run", "text"),
    [
        ([], 0, 0, True, "There is nothing to drop."),
        (["1 (abc)"], 1, 0, True, "Would drop state 1 (abc) and 1 commit that no state needs."),
        ([], 0, 2000, True, "Would drop 2.0 kB of caches."),
        ([], 0, 0, False, "There was nothing to drop."),
        ([], 0, 2000, False, "Dropped caches: 2.0 kB came free."),
        (["1 (a)", "2 (b)"], 0, 5, False, "Dropped states 1 (a), 2 (b): 5 B came free."),
    ],
)
def test_cleanup_says_what_went(
    states: list[str], refs: int, freed: int, dry_run: bool, text: str
) -> None:
    assert cleaned_text(states, refs, freed, dry_run) == text


@pytest.mark.parametrize("text", ["foo >=", "foo =  ", "foo <"])
def test_a_comparison_without_a_version_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="a version is missing"):
        parse_spec(text)


def test_the_list_of_verbs_cuts_no_sentence() -> None:
    text = CliRunner().invoke(make_app(), ["--help"]).stdout
    verbs = text.partition("Commands:")[2]
    assert "                 next boot.\n" in verbs
    assert "..." not in verbs
