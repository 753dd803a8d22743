"""The systemd units are thin: they call verbs that exist, on OSTree hosts only."""

import configparser
import os
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import typer

from pkglayer.cli.app import make_app

HOOKS = Path(__file__).parents[2] / "hooks"
UNITS = sorted(p.name for p in HOOKS.iterdir() if p.suffix in (".path", ".service", ".timer"))
SERVICES = [name for name in UNITS if name.endswith(".service")]


def read(name: str) -> configparser.RawConfigParser:
    parser = configparser.RawConfigParser(strict=True)
    parser.optionxform = str  # type: ignore[assignment, method-assign]  # systemd's keys have case
    parser.read_string((HOOKS / name).read_text())
    return parser


def test_all_units_are_there() -> None:
    verbs = {
        "pkglayer-reconcile": ["path", "service", "timer"],
        "pkglayer-upgrade": ["service", "timer"],
    }
    assert [f"{name}.{kind}" for name, kinds in verbs.items() for kind in kinds] == UNITS


@pytest.mark.parametrize("name", UNITS)
def test_units_run_on_ostree_hosts_only(name: str) -> None:
    unit = read(name)
    assert unit["Unit"]["ConditionPathExists"] == "/run/ostree-booted"
    assert unit["Unit"]["Documentation"] == f"man:{name.partition('.')[0]}(1)"


@pytest.mark.parametrize("name", [name for name in UNITS if name not in SERVICES])
def test_what_starts_something_starts_a_service_of_ours(name: str) -> None:
    unit = read(name)
    assert "Unit" not in unit["Path" if name.endswith(".path") else "Timer"]
    assert f"{name.rpartition('.')[0]}.service" in SERVICES
    assert unit["Install"]["WantedBy"] in ("multi-user.target", "timers.target")


@pytest.mark.parametrize("name", SERVICES)
def test_services_call_a_public_verb_with_options_it_has(name: str) -> None:
    program, verb, *words = shlex.split(read(name)["Service"]["ExecStart"])
    assert program == "/usr/bin/pkglayer"
    assert verb == name.partition(".")[0].removeprefix("pkglayer-")
    command: Any = typer.main.get_command(make_app())
    # Parsing fails for an option or argument that the verb does not have.
    command.commands[verb].make_context(verb, words)


@pytest.mark.parametrize("name", SERVICES)
def test_services_stop_before_deployments_are_finalised(name: str) -> None:
    unit = read(name)
    assert "ostree-finalize-staged.service" in unit["Unit"]["After"].split()
    assert unit["Service"]["Type"] == "oneshot"


def test_the_readme_has_a_row_for_each_unit() -> None:
    readme = (HOOKS / "README.md").read_text()
    assert [name for name in UNITS if f"| `{name}` |" not in readme] == []


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd is not here")
def test_systemd_understands_the_units(tmp_path: Path) -> None:
    for name in UNITS:
        text = (HOOKS / name).read_text()
        # Only the program's place differs: here it need not be installed.
        (tmp_path / name).write_text(text.replace("/usr/bin/pkglayer", "/bin/true"))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *(str(tmp_path / name) for name in UNITS)],
        env={"PATH": os.environ["PATH"], "SYSTEMD_LOG_LEVEL": "warning"},
        capture_output=True,
        text=True,
        check=False,
    )
    ours = [line for line in done.stderr.splitlines() if "pkglayer-" in line]
    assert ours == []
