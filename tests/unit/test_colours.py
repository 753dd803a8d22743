"""Which of several files at one path is there: rpm's rule of colours."""

import pytest

from pkglayer.model.colours import Claim, Colours, find_losers

X86 = Colours(3, 2)
OLD, NEW, TEXT = Claim(1, 0), Claim(2, 1), Claim(0, 2)
BASE_OLD, BASE_NEW = Claim(1), Claim(2)


@pytest.mark.parametrize(
    ("claims", "losers"),
    [
        ([], []),
        ([OLD], []),
        ([OLD, TEXT], []),
        ([OLD, NEW], [OLD]),
        ([NEW, OLD, TEXT], [OLD]),
        ([OLD, NEW, Claim(1, 3)], [OLD, Claim(1, 3)]),
        ([OLD, BASE_NEW], [OLD]),
        ([NEW, BASE_OLD], []),
        ([OLD, Claim(4, 1)], []),
    ],
)
def test_the_preferred_colour_stays(claims: list[Claim], losers: list[Claim]) -> None:
    assert find_losers(claims, X86) == losers


def test_where_colours_do_not_count_nobody_gives_way() -> None:
    assert find_losers([OLD, NEW], Colours(0, 2)) == []


def test_two_colours_of_which_none_is_preferred_are_a_conflict_for_rpm_to_tell() -> None:
    assert find_losers([OLD, NEW], Colours(3, 4)) == []
