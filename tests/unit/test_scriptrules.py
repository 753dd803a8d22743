"""What people write about scriptlets: read into rows, or refused with the row and the key."""

from typing import Any

import pytest

from pkglayer.model.layer import parse_layer
from pkglayer.model.record import Ruling
from pkglayer.model.scriptrules import (
    REPLACE,
    RULES,
    RUN,
    SKIP,
    Rule,
    RuleError,
    find_policy,
    parse_rules,
)
from pkglayer.model.settings import parse_settings

ROW = {"package": "slow*", "scriptlet": "post", "action": "skip", "reason": "it waits for ever"}


def test_rows_of_the_settings() -> None:
    text = (
        '[[scripts.rules]]\npackage = "slow*"\nscriptlet = "post"\naction = "skip"\n'
        'reason = "it waits for ever"\n'
        '[[scripts.rules]]\npackage = "big"\naction = "run"\ntimeout = 5\nreason = "hangs"\n'
        '[[scripts.rules]]\npackage = "a"\naction = "replace"\nbody = "true"\nreason = "r"\n'
    )
    assert parse_settings(text).script_rules == (
        Rule("slow*", "post", SKIP, "it waits for ever", source="settings"),
        Rule("big", "*", RUN, "hangs", seconds=5, source="settings"),
        Rule("a", "*", REPLACE, "r", "true", source="settings"),
    )


def test_rows_of_a_layer() -> None:
    text = 'packages = ["slow"]\n[[scripts]]\npackage = "slow"\naction = "skip"\nreason = "r"\n'
    layer = parse_layer(text, "/etc/pkglayer/layers.d/web.toml")
    assert layer.scripts == (Rule("slow", "*", SKIP, "r", source="layer:web"),)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"reason": ""}, "rule 1: 'reason' must be one line that says why"),
        ({"reason": "a\nb"}, "rule 1: 'reason' must be one line"),
        ({"action": "ignore"}, "'action' must be 'skip', 'replace' or 'run'"),
        ({"scriptlet": "pots"}, "'scriptlet' must be a glob that matches one of pretrans, pre,"),
        ({"timeout": 3}, "leave out 'timeout'"),
        ({"timeout": True}, "'timeout' must be a whole number"),
        ({"body": "true"}, "'body' belongs to the action 'replace'"),
        ({"action": "replace"}, "'body' belongs to the action 'replace'"),
        ({"action": "run"}, "'run' alone says nothing"),
        ({"packages": "x"}, "unknown key 'packages'; the keys are: package, scriptlet, action"),
    ],
)
def test_mistakes_name_row_and_key(change: dict[str, Any], says: str) -> None:
    with pytest.raises(RuleError) as caught:
        parse_rules([{**ROW, **change}], "settings")
    assert says in str(caught.value)


def test_a_written_row_comes_before_our_own() -> None:
    row = {**ROW, "package": "kernel-core", "action": "run", "timeout": 9}
    mine = parse_rules([row], "layer:x")
    rules = (*mine, *RULES)
    assert find_policy("kernel-core", "post", rules).seconds == 9
    assert find_policy("kernel-core", "posttrans", rules).action == SKIP


@pytest.mark.parametrize(
    ("ruling", "text"),
    [
        (Ruling("a-1-1.noarch", "post", SKIP, "no", 0, "settings"),
         "%post of a-1-1.noarch not run: no (settings)"),
        (Ruling("a-1-1.noarch", "pre", RUN, "slow", 5, "layer:web"),
         "%pre of a-1-1.noarch run within 5 s: slow (layer web)"),
        (Ruling("a-1-1.noarch", "pre", REPLACE, "bad", 0, "settings"),
         "%pre of a-1-1.noarch replaced: bad (settings)"),
    ],
)  # fmt: skip
def test_status_says_what_and_why(ruling: Ruling, text: str) -> None:
    assert ruling.sentence == text
