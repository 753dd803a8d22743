"""What a change made different about what is asked for, and the way back from it."""

from dataclasses import replace

import pytest

from pkglayer.model.errors import StateError
from pkglayer.model.plan import Base
from pkglayer.model.request import INITRAMFS, REMOVE, REPLACE, Want
from pkglayer.model.wish import (
    Difference,
    Wish,
    diff_wishes,
    from_json,
    plan_way_back,
    taken_back,
    to_json,
)

FOO = Want("foo")
NOW = Wish(
    Base("os:stable", "b" * 64, "2"), (FOO, Want("bar")), ("root=x", "console=a", "console=b")
)
OLD = replace(NOW, base=Base("os:stable", "a" * 64, "1"))
LOCAL = Want("own-1-1.x86_64", kind="local", header_checksum="1")


def things(*rows: Difference) -> list[tuple[str, str]]:
    return [row.thing for row in rows]


@pytest.mark.parametrize(
    ("want", "thing"),
    [
        (Want("foo >= 2"), ("request", "foo >= 2")),
        (Want("@web", kind="group"), ("request", "@web")),
        (LOCAL, ("local", "own")),
        (Want("bash", kind=REMOVE), ("override", "bash")),
        (Want("bash-6-1.x86_64", kind=REPLACE, header_checksum="1"), ("override", "bash")),
        (Want(INITRAMFS, kind=INITRAMFS, args=("--add", "iscsi")), ("initramfs", "")),
        (Want("vim", source="layer:editors"), ("layer:editors", "vim")),
    ],
)
def test_each_want_is_a_thing_and_survives_json(want: Want, thing: tuple[str, str]) -> None:
    rows = diff_wishes(NOW, replace(NOW, wants=(*NOW.wants, want)))
    assert things(*rows) == [thing]
    assert from_json(to_json(rows)) == rows == (Difference(*thing, (), (want,)),)


def test_a_newer_file_takes_the_place_of_the_older() -> None:
    newer = replace(LOCAL, spec="own-2-1.x86_64", header_checksum="2")
    [row] = diff_wishes(replace(NOW, wants=(LOCAL,)), replace(NOW, wants=(newer,)))
    assert (row.before, row.after) == ((LOCAL,), (newer,))
    assert taken_back(replace(NOW, wants=(newer,)), [row]).wants == (LOCAL,)


def test_both_architectures_of_a_file_are_one_thing() -> None:
    other = replace(LOCAL, spec="own-1-1.i686", header_checksum="3")
    [row] = diff_wishes(NOW, replace(NOW, wants=(*NOW.wants, LOCAL, other)))
    assert row.after == (LOCAL, other)


def test_arguments_count_by_key_and_keep_their_place() -> None:
    before = replace(NOW, kargs=("root=x", "console=b", "console=a", "quiet"))
    rows = diff_wishes(before, replace(NOW, kargs=(*NOW.kargs, "debug")))
    assert things(*rows) == [("karg", "console"), ("karg", "debug"), ("karg", "quiet")]
    later = replace(NOW, kargs=(*NOW.kargs, "debug", "audit=0"))
    assert taken_back(later, rows).kargs == ("root=x", "console=b", "console=a", "audit=0", "quiet")


def test_what_became_of_each_thing() -> None:
    was = (
        Difference("request", "foo", (), (FOO,)),
        Difference("request", "baz", (), (Want("baz"),)),
        Difference("request", "bar", (), (Want("bar", version="1*"),)),
        Difference("base", "", ("os:stable", "a", "1"), ("os:stable", "b", "2")),
        Difference("layer:x", "vim", (), (Want("vim", source="layer:x"),)),
    )
    way = plan_way_back(was, NOW)
    assert things(*way.undone) == [("request", "foo")]
    assert things(*way.over) == [("request", "baz")]
    assert things(*way.touched) == [("request", "bar")]
    assert things(*way.stays) == [("base", ""), ("layer:x", "vim")]
    # As the change left it, but a younger change was about it.
    assert things(*plan_way_back(was, NOW, {("request", "foo")}).touched) == [
        ("request", "foo"), ("request", "bar")
    ]  # fmt: skip


def test_the_base_is_a_thing_that_stays() -> None:
    [row] = diff_wishes(OLD, NOW)
    assert (row.kind, row.before[2], row.after[2], row.by_command) == ("base", "1", "2", False)
    assert taken_back(NOW, []) == NOW


@pytest.mark.parametrize(
    "text",
    [
        "{", "[1]", '[{"kind": "request"}]',
        '[{"kind": "request", "name": "x", "before": [], "after": [{"spec": "x", "new-key": 1}]}]',
    ],
)  # fmt: skip
def test_what_a_newer_program_wrote_is_not_guessed(text: str) -> None:
    with pytest.raises(StateError, match="cannot be read"):
        from_json(text)
