"""Holds the architecture against the code: ranks, cycles, and who may touch foreign libraries.

Reads sources with `ast` and runs none of them, so imports inside functions count as well. Each rule
is also shown code that breaks it.
"""

import ast
import sys
from collections.abc import Callable, Iterator, Mapping
from fnmatch import fnmatch
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import NamedTuple

import pytest

PROJECT = Path(__file__).parents[2]

RANKS = ("model", "system", "stages", "engine", "cli", "__main__")
"""From the bottom up: imports go down only, or stay within a rank."""

APART = ("stages",)
"""Ranks whose files do not know each other: only the rank above puts them together."""

BORDER = {
    "cyclonedx": ("sbom.py",),
    "ctypes": ("filecaps.py", "mounts.py", "rpmstates.py"),
    "gi": ("repo*.py", "sysroot*.py"),
    "hawkey": ("sack*.py",),
    "libcomps": ("comps.py",),
    "libdnf": ("rpmmd*.py",),
    "packageurl": ("sbom.py",),
    "rpm": ("rpm*.py", "keyring.py"),
    "sqlite3": ("history.py", "rpmdb.py", "rpmquery.py"),
    "subprocess": ("run.py", "sandbox.py"),
}
"""Which files of system/ may import what reaches the machine."""

FOREIGN = frozenset({"gi", "hawkey", "libcomps", "libdnf", "rpm"})
"""Those of them that are not Python's own; no file knows two."""

OS_COMMANDS = ("exec*", "fork*", "popen", "posix_spawn*", "spawn*", "startfile", "system")
"""Functions of `os` that start programs, past the one door for commands."""

ALLOWED_OUTSIDE = frozenset({"rich", "tomli", "typer", "click"})
"""Libraries from the package index, for the command line alone."""


class Import(NamedTuple):
    """One imported name: `target` is dotted, such as `pkglayer.model.errors`."""

    line: int
    target: str


Sources = Mapping[str, str]
"""Source texts by path from the project's root, such as `pkglayer/system/run.py`."""

Rule = Callable[[Sources], list[str]]


def read_sources() -> Sources:
    paths = sorted((PROJECT / "pkglayer").rglob("*.py"))
    return {str(path.relative_to(PROJECT)): path.read_text() for path in paths}


def module_name(path: str) -> str:
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def rank_of(module: str) -> str:
    """Return the part after `pkglayer.`: a rank, `log`, or nothing for the package itself."""
    return f"{module}.".split(".")[1]


def find_imports(path: str, source: str, modules: frozenset[str]) -> Iterator[Import]:
    """Yield what a file imports; `from a import b` counts as `a.b` where that is a module."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (Import(node.lineno, name.name) for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            parent = _absolute(path, node)
            for name in node.names:
                inner = f"{parent}.{name.name}"
                yield Import(node.lineno, inner if inner in modules else parent)


def _absolute(path: str, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    package = path.split("/")[: -node.level]
    return ".".join([*package, *([node.module] if node.module else [])])


def all_imports(sources: Sources) -> Iterator[tuple[str, Import]]:
    modules = frozenset(map(module_name, sources))
    for path, source in sources.items():
        yield from ((path, found) for found in find_imports(path, source, modules))


def find_rank_faults(sources: Sources) -> list[str]:
    """Name each import that goes up, and each between files of a rank that stay apart."""
    faults = []
    for path, (line, target) in all_imports(sources):
        own, other = rank_of(module_name(path)), rank_of(target)
        if not target.startswith("pkglayer.") or (own == "log" and other == "model"):
            continue
        if own in APART and own == other:
            faults.append(f"{path}:{line}: files of {own} do not import each other: {target}")
        elif other == "log" and own != "model":
            continue
        elif own not in RANKS or other not in RANKS or RANKS.index(own) < RANKS.index(other):
            faults.append(f"{path}:{line}: {own} may not import {target}")
    return faults


def find_border_faults(sources: Sources) -> list[str]:
    """Name each import of a library outside the file that is its border."""
    faults = []
    for path, (line, target) in all_imports(sources):
        library = target.partition(".")[0]
        homes = [f"pkglayer/system/{name}" for name in BORDER.get(library, ())]
        if homes and not any(fnmatch(path, home) for home in homes):
            faults.append(f"{path}:{line}: {library} is imported in {', '.join(homes)} alone")
    return faults


def find_mixing_faults(sources: Sources) -> list[str]:
    """Name each file that imports more than one foreign library."""
    libraries: dict[str, set[str]] = {}
    for path, found in all_imports(sources):
        libraries.setdefault(path, set()).update({found.target.partition(".")[0]} & FOREIGN)
    mixed = {path: names for path, names in libraries.items() if len(names) > 1}
    return [f"{path}: one foreign library a file, not {sorted(mixed[path])}" for path in mixed]


def find_outside_faults(sources: Sources) -> list[str]:
    """Name each library that is neither Python's own nor expected in its rank."""
    faults = []
    for path, (line, target) in all_imports(sources):
        library, rank = target.partition(".")[0], rank_of(module_name(path))
        known = sys.stdlib_module_names | {"pkglayer"}
        known |= ALLOWED_OUTSIDE if rank in ("cli", "__main__") else frozenset()
        known |= BORDER.keys() if rank == "system" else frozenset()
        if library not in known:
            faults.append(f"{path}:{line}: {rank or 'pkglayer'} may not import {library}")
    return faults


def find_command_faults(sources: Sources) -> list[str]:
    """Name each use of `os` that starts a program outside system/."""
    faults = []
    for path, source in sources.items():
        if path.startswith("pkglayer/system/"):
            continue
        for node in ast.walk(ast.parse(source)):
            for name in _os_names(node):
                if any(fnmatch(name, pattern) for pattern in OS_COMMANDS):
                    faults.append(f"{path}: os.{name} is used past system/run.py")
    return faults


def _os_names(node: ast.AST) -> list[str]:
    match node:
        case ast.Attribute(value=ast.Name(id="os"), attr=name):
            return [name]
        case ast.ImportFrom(module="os", names=names):
            return [name.name for name in names]
        case _:
            return []


def find_cycles(sources: Sources) -> list[str]:
    """Name one cycle of imports, if there is any."""
    modules = frozenset(map(module_name, sources))
    graph: dict[str, set[str]] = {module: set() for module in modules}
    for path, found in all_imports(sources):
        graph[module_name(path)] |= {found.target} & modules
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return [" -> ".join(error.args[1])]
    return []


RULES = (
    find_rank_faults,
    find_border_faults,
    find_mixing_faults,
    find_outside_faults,
    find_command_faults,
    find_cycles,
)


@pytest.mark.parametrize("rule", RULES)
def test_code_keeps_the_rule(rule: Rule) -> None:
    assert rule(read_sources()) == []


def test_sources_are_found() -> None:
    assert {"pkglayer/__init__.py", "pkglayer/model/errors.py"} <= read_sources().keys()


BAD: list[tuple[Rule, Sources, str]] = [
    (find_rank_faults, {"pkglayer/model/a.py": "import pkglayer.system.run"}, "model may not"),
    (find_rank_faults, {"pkglayer/model/a.py": "import pkglayer.log"}, "model may not"),
    (find_rank_faults, {"pkglayer/system/a.py": "from pkglayer.stages import x"}, "system may not"),
    (find_rank_faults, {"pkglayer/stages/a.py": "from pkglayer.engine import x"}, "stages may not"),
    (find_rank_faults, {"pkglayer/stages/a.py": "from pkglayer.stages.b import c"}, "each other"),
    (find_rank_faults, {"pkglayer/stages/a.py": "from . import b"}, "each other"),
    (find_rank_faults, {"pkglayer/engine.py": "def f():\n import pkglayer.cli.app"}, "engine may"),
    (find_rank_faults, {"pkglayer/log.py": "from pkglayer.system import run"}, "log may not"),
    (find_rank_faults, {"pkglayer/utils.py": "import pkglayer.model.a"}, "utils may not"),
    (find_border_faults, {"pkglayer/stages/a.py": "import subprocess"}, "system/run.py"),
    (find_border_faults, {"pkglayer/cli/a.py": "def f():\n from gi.repository import X"}, "repo"),
    (find_border_faults, {"pkglayer/system/sack.py": "import libdnf.repo"}, "libdnf"),
    (find_border_faults, {"pkglayer/engine.py": "from sqlite3 import connect"}, "history.py"),
    (find_mixing_faults, {"pkglayer/system/run.py": "import rpm, hawkey"}, "run.py"),
    (find_outside_faults, {"pkglayer/model/a.py": "import tomli"}, "model may not import tomli"),
    (find_outside_faults, {"pkglayer/stages/a.py": "from rich import print"}, "rich"),
    (find_outside_faults, {"pkglayer/system/a.py": "import requests"}, "requests"),
    (find_command_faults, {"pkglayer/stages/a.py": "import os\nos.system('x')"}, "os.system"),
    (find_command_faults, {"pkglayer/cli/a.py": "from os import path, execvp"}, "os.execvp"),
    (
        find_cycles,
        {
            "pkglayer/model/a.py": "from pkglayer.model import b",
            "pkglayer/model/b.py": "def f():\n from pkglayer.model.c import x",
            "pkglayer/model/c.py": "import pkglayer.model.a",
        },
        "pkglayer.model.a",
    ),
]


@pytest.mark.parametrize(("rule", "sources", "text"), BAD)
def test_rule_names_what_breaks_it(rule: Rule, sources: Sources, text: str) -> None:
    [fault] = rule(sources)
    assert text in fault


GOOD: Sources = {
    "pkglayer/__init__.py": "",
    "pkglayer/__main__.py": "import typer, pkglayer\nfrom pkglayer.cli.app import app",
    "pkglayer/log.py": "import logging\nfrom pkglayer.model.errors import PkglayerError",
    "pkglayer/cli/app.py": "from pkglayer import __version__, engine, log\nimport rich",
    "pkglayer/engine.py": "from pkglayer.stages import a\nfrom pkglayer.log import step",
    "pkglayer/stages/a.py": "from pkglayer.system import run\nfrom pkglayer.model.errors import X",
    "pkglayer/system/run.py": "import os, subprocess\nfrom pkglayer import log\nos.execvp('x', [])",
    "pkglayer/model/errors.py": "import dataclasses\nfrom pkglayer.model import plan",
    "pkglayer/model/plan.py": "import tomllib",
}


@pytest.mark.parametrize("rule", RULES)
def test_rule_is_content_with_good_code(rule: Rule) -> None:
    assert rule(GOOD) == []
