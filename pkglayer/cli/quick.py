"""The short way of `db query`, for programs that ask often: this process becomes `rpm`.

What is not as plain as a number or role, `--` and a query goes the way of every verb, errors
included. Nothing heavy is imported: typer and libostree take longer than rpm does to answer.
"""

import os
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from pkglayer.model.errors import PkglayerError
from pkglayer.model.roles import ROLES, role_of
from pkglayer.model.rpmargs import plan_query
from pkglayer.system import rpmhome
from pkglayer.system.become import become
from pkglayer.system.bootentries import find_roots, find_running

_NUMBERS = frozenset(map(str, range(100)))


def try_query(words: Sequence[str]) -> None:
    """Answer the words behind `db query`, or come back where that takes the long way.

    On a terminal it does, since what rpm says has to be made safe for it.
    """
    if os.isatty(1) or os.isatty(2):
        return
    if command := plan_command(words):
        with suppress(OSError):  # no rpm: the long way says so
            become(command)


def plan_command(words: Sequence[str]) -> list[str]:
    """The command that answers `[--sysroot DIR] STATE [--sysroot DIR] -- ARGS`, empty where it is
    not as simple as that."""
    own, args = _split(words)
    match own:
        case [state]:
            sysroot = "/"
        case ["--sysroot", sysroot, state] | [state, "--sysroot", sysroot]:
            pass
        case _:
            return []
    if state not in _NUMBERS and state not in ROLES:
        return []
    roots = find_roots(Path(sysroot).absolute()) or []
    try:
        root = roots[_index_of(state, roots)]
        dbpath = rpmhome.find_dbpath(root)
        if rpmhome.reader_writes(root / dbpath):
            return []
        return rpmhome.to_command(root, dbpath, plan_query(args))
    except (PkglayerError, OSError, IndexError, ValueError):
        return []  # the long way says what is wrong


def _index_of(state: str, roots: Sequence[Path]) -> int:
    """The index that a number or role names; raises ValueError for a role that none has."""
    if state in _NUMBERS:
        return int(state)
    running = find_running(roots)
    return [role_of(index, running) for index in range(len(roots))].index(state)


def _split(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Our words and those behind `--`."""
    at = words.index("--") if "--" in words else len(words)
    return list(words[:at]), list(words[at + 1 :])
