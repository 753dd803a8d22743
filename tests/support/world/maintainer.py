"""Reads a package's maintainer scripts for the plain cases of what they leave behind.

Only literal command lines are understood; those with shell variables are in `facts.py`.
"""

import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from tests.support.world import facts

_NAME = re.compile(r"[a-z_][-a-z0-9_]*")
_END_OF_COMMAND = re.compile(r"\s*(?:\|\||&&|[;|>)]|\d>)")
_OPTIONS_WITH_VALUE = ("--home", "--shell", "--ingroup", "--uid", "--gid", "--gecos", "--comment")


@dataclass(frozen=True)
class Effects:
    """sysusers.d lines, `update-alternatives --install` arguments, login shells."""

    users: tuple[str, ...]
    alternatives: tuple[str, ...]
    shells: tuple[str, ...]

    @property
    def provided_users(self) -> frozenset[str]:
        """As rpm's `user(x)` and `group(x)`; a user comes with the group of its name."""
        names = [line.split()[:2] for line in self.users]
        users = {f"user({name})" for kind, name in names if kind == "u"}
        return frozenset(users | {f"group({name})" for _, name in names})


@dataclass(frozen=True)
class Accounts:
    """The names of users and groups that every system has from the start."""

    users: frozenset[str]
    groups: frozenset[str]


def find_effects(
    name: str, scripts: Mapping[str, str], known: Accounts, declared_shells: str
) -> Effects:
    """What package `name` leaves behind; `declared_shells` has a path a line."""
    lines = list(_command_lines(scripts.get("preinst", "")))
    after = list(_command_lines(scripts.get("postinst", "")))
    users = facts.USERS.get(name, _users(lines + after, known))
    alternatives = facts.ALTERNATIVES.get(name, _alternatives(after))
    return Effects(_unique(users), _unique(alternatives), _unique(_shells(after, declared_shells)))


def _unique(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(values))


def _command_lines(script: str) -> Iterator[str]:
    joined = re.sub(r"\\\n\s*", " ", script)
    for line in joined.splitlines():
        if not line.lstrip().startswith("#"):
            yield line.strip()


def _users(lines: Iterable[str], known: Accounts) -> Iterator[str]:
    for line in lines:
        match = re.search(r"\b(adduser|addgroup)\s+(.*)", line)
        if not match or "--system" not in line:
            continue
        name, home = _parse_adduser(match[2])
        if not _NAME.fullmatch(name):
            continue
        if match[1] == "adduser" and name not in known.users:
            yield f'u {name} - "{name}" {home}'
        elif match[1] == "addgroup" and name not in known.groups:
            yield f"g {name} -"


def _parse_adduser(arguments: str) -> tuple[str, str]:
    """Name and home; the name is empty where the line is not plain."""
    try:
        words = shlex.split(_END_OF_COMMAND.split(arguments)[0])
    except ValueError:
        return "", ""
    name, home = "", "/nonexistent"
    position = 0
    while position < len(words):
        word = words[position]
        if word in _OPTIONS_WITH_VALUE:
            position += 1
            if word == "--home" and position < len(words) and "$" not in words[position]:
                home = words[position]
        elif not word.startswith("-"):
            name = name or word
        position += 1
    return name, home


def _alternatives(lines: Iterable[str]) -> Iterator[str]:
    for line in lines:
        match = re.search(r"update-alternatives\s+(?:--quiet\s+)?--install\s+(.*)", line)
        if match and "$" not in match[1]:
            yield _END_OF_COMMAND.split(match[1])[0].strip()


def _shells(lines: Iterable[str], declared: str) -> Iterator[str]:
    added = (match[1] for line in lines if (match := re.match(r"add-shell\s+(/\S+)", line)))
    for path in (*added, *declared.split()):
        yield path if path.startswith("/usr/") else f"/usr{path}"
