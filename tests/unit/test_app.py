"""The command line's start: each verb loads its own module and nothing heavy."""

import importlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer

from pkglayer.cli.app import MODULES, make_app

PROJECT = Path(__file__).parents[2]


def verbs_of(*words: str) -> set[str]:
    command: Any = typer.main.get_command(make_app(words))
    return set(command.commands)


@pytest.mark.parametrize("verb", [verb for verbs in MODULES.values() for verb in verbs])
def test_a_run_has_the_verb_that_it_names(verb: str) -> None:
    assert verbs_of(verb, "--help") == {verb}


@pytest.mark.parametrize("module", MODULES)
def test_names_the_verbs_that_each_module_registers(module: str) -> None:
    app = typer.Typer()
    importlib.import_module(f"pkglayer.cli.{module}").register(app)
    groups = [group.name for group in app.registered_groups]
    assert {*groups, *(c.name for c in app.registered_commands)} == set(MODULES[module])


@pytest.mark.parametrize("words", [(), ("--help",), ("no-such-verb",), ("--version", "status")])
def test_has_all_verbs_when_none_is_named(words: tuple[str, ...]) -> None:
    assert verbs_of(*words) == {verb for verbs in MODULES.values() for verb in verbs}


@pytest.mark.parametrize(
    ("imports", "heavy"),
    [
        ("pkglayer.cli.program", {"gi", "rpm", "hawkey", "libdnf", "rich", "pydantic"}),
        ("pkglayer.cli.quick", {"typer", "gi", "rpm", "subprocess", "tempfile", "dataclasses"}),
        ("pkglayer.engine.notices", {"rpm", "hawkey", "libdnf", "sqlite3", "tomllib", "tempfile"}),
    ],
)
def test_loads_nothing_heavy_that_it_does_not_need(imports: str, heavy: set[str]) -> None:
    code = f"import sys, {imports}; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True
    )
    assert not heavy & set(done.stdout.split())
