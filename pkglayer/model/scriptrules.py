"""Which scriptlets run, and how: our own rows of that policy, and those that people write.

`find_policy` is the one place that decides. `parse_rules(value, source)` turns the tables of
settings and layer files into rows, which come before our own.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

SETTINGS_SOURCE = "settings"
MAX_SECONDS = 86_400
RUN, SKIP, REPLACE = "run", "skip", "replace"
SECTIONS = (
    *("pretrans", "pre", "post", "posttrans", "preun", "postun"),
    *("triggerprein", "triggerin", "triggerun", "triggerpostun"),
    *("filetriggerin", "filetriggerun", "filetriggerpostun"),
    *("transfiletriggerin", "transfiletriggerun", "transfiletriggerpostun"),
)
"""All that a package can have, by rpm's names."""


@dataclass(frozen=True)
class Rule:
    """One row of the policy: globs over package name and section, what to do, and why.

    A replacement's `body` is run by /bin/sh with the same arguments. `seconds` is what it may take,
    0 for what the settings allow all. `source` says who wrote the row: `settings`, `layer:NAME`, or
    nothing for our own.
    """

    package: str
    kind: str
    action: str
    reason: str
    body: str = ""
    seconds: int = 0
    source: str = ""


RULES: tuple[Rule, ...] = (
    Rule("kernel*", "preun", SKIP, "libostree removes kernels and their boot entries itself"),
    Rule("linux-image-*", "preun", SKIP, "libostree removes kernels and their boot entries itself"),
    Rule("kernel*", "post*", SKIP, "libostree installs kernels and their boot entries itself"),
    Rule(
        "linux-image-*", "post*", SKIP, "libostree installs kernels and their boot entries itself"
    ),
    Rule("grub2-*", "post*", SKIP, "the boot loader belongs to the machine, not to a tree"),
    Rule("shim-*", "post*", SKIP, "the boot loader belongs to the machine, not to a tree"),
    Rule("*", "*", RUN, "scriptlets run as rpm runs them, in a sandbox"),
)
"""The first row that matches counts."""


def find_policy(package: str, kind: str, rules: Sequence[Rule] = RULES) -> Rule:
    """The row for a section of a package, by the package's name."""
    return next(r for r in rules if fnmatchcase(package, r.package) and fnmatchcase(kind, r.kind))


def is_fatal(kind: str, post_failure: str) -> bool:
    """Whether a failure ends the whole change: rpm's own rule, stricter where settings say so."""
    return kind in ("pretrans", "pre") or post_failure == "abort"


class RuleError(ValueError):
    """A row that cannot be; the text is a whole sentence without its file."""


def parse_rules(value: object, source: str) -> tuple[Rule, ...]:
    """The rows of a list of tables; raises RuleError. `source` is `settings` or `layer:NAME`."""
    if not isinstance(value, list) or not all(isinstance(row, dict) for row in value):
        raise RuleError("must be a list of tables with package, action and reason")
    return tuple(_parse(row, f"rule {n}", source) for n, row in enumerate(value, 1))


def _parse(row: Mapping[str, Any], where: str, source: str) -> Rule:
    if unknown := sorted(set(row) - set(_CHECKS)):
        raise RuleError(f"{where}: unknown key {unknown[0]!r}; the keys are: {', '.join(_CHECKS)}")
    if missing := [key for key in ("package", "action", "reason") if key not in row]:
        raise RuleError(f"{where}: {missing[0]!r} is missing")
    for key, value in row.items():
        right, words = _CHECKS[key]
        if not right(value):
            raise RuleError(f"{where}: {key!r} must be {words}")
    rule = Rule(
        row["package"],
        row.get("scriptlet", "*"),
        row["action"],
        row["reason"],
        row.get("body", ""),
        row.get("timeout", 0),
        source,
    )
    for wrong in _contradictions(rule):
        raise RuleError(f"{where}: {wrong}")
    return rule


def _contradictions(rule: Rule) -> Iterator[str]:
    if (rule.action == REPLACE) != bool(rule.body):
        yield "'body' belongs to the action 'replace', and to no other"
    if rule.action == SKIP and rule.seconds:
        yield "what is skipped takes no time: leave out 'timeout'"
    if rule.action == RUN and not rule.seconds:
        yield "'run' alone says nothing: give a 'timeout'"


def _is_line(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip()) and value.isprintable()


def _is_section(value: object) -> bool:
    return isinstance(value, str) and any(fnmatchcase(name, value) for name in SECTIONS)


def _is_seconds(value: object) -> bool:
    return type(value) is int and 0 < value <= MAX_SECONDS


_CHECKS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "package": (_is_line, "a name or a glob of names"),
    "scriptlet": (_is_section, f"a glob that matches one of {', '.join(SECTIONS)}"),
    "action": (lambda v: v in (SKIP, REPLACE, RUN), f"'{SKIP}', '{REPLACE}' or '{RUN}'"),
    "reason": (_is_line, "one line that says why"),
    "body": (lambda v: isinstance(v, str) and bool(v.strip()), "a shell script"),
    "timeout": (_is_seconds, f"a whole number of seconds up to {MAX_SECONDS}"),
}
