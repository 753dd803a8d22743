"""The conflict policy as pure rules: what counts, what stands since when, what status says."""

import pytest

from pkglayer.model.errors import ConfigError, StateError, UsageError
from pkglayer.model.explain import Trouble
from pkglayer.model.layer import parse_layer, to_wants
from pkglayer.model.package import Nevra, Package
from pkglayer.model.plan import Base, Fallback, Plan
from pkglayer.model.policy import (
    DAY,
    Held,
    Rules,
    Standing,
    check_policy,
    hold_on,
    is_overdue,
    join_fallbacks,
    key_of,
    move_on,
    notices,
    standing_from,
    standing_json,
)
from pkglayer.model.request import FAIL, HOLD, SKIP, Request, Want, from_origin, to_origin
from pkglayer.model.settings import Settings, parse_settings

FOO = Want("foo")
KEY = frozenset({key_of(FOO)})


@pytest.mark.parametrize(
    ("rules", "want", "expected"),
    [
        (Rules(), FOO, FAIL),
        (Rules(default=SKIP), FOO, SKIP),
        (Rules(default=SKIP), Want("foo", on_conflict=HOLD), HOLD),
        # Asked for right now: nobody wants to hear "skipped".
        (Rules(default=SKIP, fresh=KEY), FOO, FAIL),
        (Rules(fresh=KEY), Want("foo", on_conflict=SKIP), SKIP),
        # Left out already: it does not stand in the way of other changes.
        (Rules(default=FAIL, skipped=KEY), FOO, SKIP),
        (Rules(repositories={"r": HOLD}, sources={"foo": frozenset({"r"})}), FOO, HOLD),
        (Rules(repositories={"r": SKIP}, sources={"foo": frozenset({"other"})}), FOO, FAIL),
        (
            Rules(repositories={"a": SKIP, "b": HOLD}, sources={"foo": frozenset({"a", "b"})}),
            FOO,
            HOLD,
        ),
        (Rules(skip_broken=True, fresh=KEY), Want("foo", on_conflict=FAIL), SKIP),
    ],
)
def test_rule_that_counts(rules: Rules, want: Want, expected: str) -> None:
    assert rules.of(want) == expected


def test_of_two_that_clash_the_fresh_then_the_skippable_yields() -> None:
    strict, lax, fresh = Want("z-strict", on_conflict=FAIL), Want("a-lax", on_conflict=SKIP), FOO
    rules = Rules(default=HOLD, fresh=KEY)
    assert sorted([fresh, lax, strict], key=rules.rank) == [strict, lax, fresh]


def test_unknown_policy_is_refused_with_all_words() -> None:
    with pytest.raises(UsageError) as error:
        check_policy("ignore")
    assert all(f"{name}:" in error.value.hint for name in (FAIL, HOLD, SKIP))


BASE = Base("origin:test", "c" * 64, "7", 1000)
HELD = Held(BASE, [Trouble(FOO, "requires", "foo needs libx")])


def test_hold_keeps_its_first_day_and_ends_when_the_base_moves() -> None:
    first = hold_on(Standing(), HELD, 1000)
    again = hold_on(first, HELD, 1000 + 3 * DAY)
    assert again.hold is not None
    assert again.hold.since == 1000
    assert move_on(again, [], 5000, moved=False).hold == again.hold
    assert move_on(again, [], 5000, moved=True).hold is None


def test_fallback_is_told_for_as_long_as_its_package_stays() -> None:
    old = Fallback("app-1-1.noarch", "older", "app-2-1.noarch needs lib >= 2", ("app",), "lib >= 2")
    new = Fallback("lib-3-1.noarch", "base-update", "app needs it")
    app, lib = (Package(Nevra.parse(n), "r", "") for n in (old.nevra, new.nevra))
    request = Request("origin:test")
    both = join_fallbacks([old], Plan(BASE, request, (app, lib), fallbacks=(new,)))
    assert both == (old, new)
    assert join_fallbacks(both, Plan(BASE, request, (lib,))) == (new,)
    standing = move_on(Standing(), [], 10, moved=True, fallbacks=both)
    assert standing_from(standing_json(standing)) == standing
    assert notices(standing, 7, 10, {}) == [
        "app-1-1.noarch is an older version of a repository: app-2-1.noarch needs lib >= 2",
        "lib-3-1.noarch is a newer package of the base, until the base has it itself: app needs it",
    ]


def test_skipped_keeps_its_first_day_and_goes_when_it_is_back() -> None:
    first = move_on(Standing(), ["a", "b"], 10, moved=True)
    assert move_on(first, ["b", "c"], 20, moved=True).skipped == {"b": 10, "c": 20}


def test_hold_gets_loud_past_its_time() -> None:
    standing = hold_on(Standing(), HELD, 0)
    day = {0: "2026-01-01"}
    assert not is_overdue(standing, 7, 7 * DAY)
    [calm] = notices(standing, 7, 7 * DAY, day)
    assert calm == (
        "The base is held back since 2026-01-01 (7 days); 7 waits. foo needs libx. "
        "To go on without: pkglayer upgrade --skip-broken"
    )
    assert is_overdue(standing, 7, 8 * DAY)
    [loud] = notices(standing, 7, 8 * DAY, day)
    assert loud.startswith("WARNING: longer than the 7 days that max-hold allows, security")


def test_standing_survives_its_file() -> None:
    standing = move_on(hold_on(Standing(), HELD, 5), ["bar"], 6, moved=False)
    assert standing_from(standing_json(standing)) == standing


@pytest.mark.parametrize("data", [{}, {"version": 2}, {"version": 1, "hold": 3, "skipped": {}}])
def test_standing_of_others_is_refused(data: dict[str, object]) -> None:
    with pytest.raises(StateError):
        standing_from(data)


def test_request_options_survive_the_origin_and_old_origins_are_read() -> None:
    want = Want("foo", on_conflict=HOLD, version="2.1*", exclude=("bar*", "baz"))
    request = Request("origin:test").with_wants([want])
    assert from_origin("origin:test", to_origin(request)) == request
    old = {"version": "1", "requests": '[{"spec": "foo", "recommends": false}]'}
    assert from_origin("origin:test", old).wants == (Want("foo", recommends=False),)


@pytest.mark.parametrize("row", ['{"spec":"a","exclude":"b"}', '{"spec":"a","exclude":[1]}'])
def test_request_options_of_a_wrong_type_are_refused(row: str) -> None:
    with pytest.raises(StateError, match="exclude"):
        from_origin("origin:test", {"version": "1", "requests": f"[{row}]"})


@pytest.mark.parametrize("key", ["on-conflict", "on_conflict"])
def test_layer_says_what_happens_to_its_requests(key: str) -> None:
    text = f"packages = ['foo']\n{key} = 'hold'\nexclude = ['*-doc']\n"
    [want] = to_wants([parse_layer(text, "/etc/x/a.toml")])
    assert (want.on_conflict, want.exclude) == (HOLD, ("*-doc",))


@pytest.mark.parametrize("key", ["on-conflict", "on_conflict"])
def test_layer_with_an_unknown_policy_is_refused_with_its_line(key: str) -> None:
    with pytest.raises(ConfigError, match=rf"a\.toml:2: '{key}' must be one of 'fail'"):
        parse_layer(f"packages = ['foo']\n{key} = 'maybe'\n", "/etc/x/a.toml")


def test_settings_of_the_policy() -> None:
    assert (Settings().on_conflict, Settings().unattended, Settings().max_hold) == (FAIL, SKIP, 7)
    text = "[conflicts]\ndefault = 'skip'\nmax-hold = 2\nrepositories = { updates = 'hold' }\n"
    settings = parse_settings(text)
    assert (settings.on_conflict, settings.max_hold) == (SKIP, 2)
    assert settings.repository_policy == {"updates": HOLD}
    assert (settings.base_updates, Settings().base_updates) == (False, False)
    assert parse_settings("[conflicts]\nbase-updates = true\n").base_updates


@pytest.mark.parametrize(
    "line",
    ["default = 'stop'", "max-hold = -1", "repositories = { updates = 'x' }", "base-updates = 1"],
)
def test_wrong_settings_of_the_policy_name_the_line(line: str) -> None:
    with pytest.raises(ConfigError, match=":2: "):
        parse_settings(f"[conflicts]\n{line}\n")
