"""What people see fits their terminal, and every way out has its own line."""

import io

import pytest
from typer.testing import CliRunner

from pkglayer.__main__ import render_error
from pkglayer.cli.app import make_app
from pkglayer.cli.deployments import cleaned_text
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
