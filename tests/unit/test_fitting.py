"""The most of a list that fits together, and how often that is asked."""

from collections.abc import Sequence

import pytest

from pkglayer.model.fitting import most_fitting


@pytest.mark.parametrize(
    ("held", "more", "against", "expected"),
    [
        ("", "", "", ""),
        ("", "abcd", "", "abcd"),
        ("x", "ab", "", "xab"),
        ("", "abcd", "c", "abd"),
        ("", "abcdefgh", "ah", "bcdefg"),
        ("", "ab", "ab", ""),
    ],
)
def test_leaves_single_culprits_out(held: str, more: str, against: str, expected: str) -> None:
    found = most_fitting(held, more, lambda things: not set(things) & set(against))
    assert "".join(found) == expected


def test_of_two_that_clash_the_earlier_stays() -> None:
    found = most_fitting((), "abcd", lambda things: not {"b", "d"} <= set(things))
    assert "".join(found) == "abc"


def test_a_culprit_costs_few_questions() -> None:
    asked: list[int] = []

    def fits(things: Sequence[int]) -> bool:
        asked.append(len(things))
        return 77 not in things

    assert len(most_fitting((), range(256), fits)) == 255
    assert len(asked) < 20
