"""How scriptlets that need librpm run in a sandbox: `<lua>` ones, and those with macros in them.

The tree need not have rpm: this machine's Python and librpm are shown read-only at a private path
of the sandbox and started with their own dynamic loader there. rpm's configuration is the tree's
own where it has one.
"""

import base64
import json
import os
import sys
import sysconfig
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import rpm

from pkglayer.model.errors import PkglayerError
from pkglayer.model.scriptlet import EXPAND, QFORMAT, Scriptlet
from pkglayer.model.sequence import Run
from pkglayer.system import rpminside
from pkglayer.system.run import run

LUA = "<lua>"
_PLACE = "/run/pkglayer"
_HOST_CONFIG = "/usr/lib/rpm"
_CONFIG_FILES = ("rpmrc", "macros")


@dataclass(frozen=True)
class Launch:
    """What to give to `run_sandboxed` instead of the scriptlet itself."""

    argv: tuple[str, ...]
    env: dict[str, str]
    binds: tuple[tuple[Path, str], ...]
    job: bytes


def needs_librpm(script: Scriptlet) -> bool:
    """Whether only librpm can run the scriptlet."""
    return script.program[0] == LUA or bool(script.flags & (EXPAND | QFORMAT))


def to_launch(root: Path, step: Run) -> Launch:
    """The command for one script of the sequence; `job` is its script file."""
    script = step.script
    job = {
        "program": script.program,
        "body": script.body,
        "flags": script.flags,
        "arguments": step.arguments,
        "prefixes": step.owner.prefixes,
        "blob": base64.b64encode(step.owner.blob).decode(),
    }
    loader, binds = _runtime()
    config, config_binds = _configuration(root)
    return Launch(
        argv=(
            loader,
            *("--library-path", f"{_PLACE}/lib"),
            *(f"{_PLACE}/python", "-S", "-s", "-B", f"{_PLACE}/inside.py"),
        ),
        env={
            "PYTHONHOME": f"{_PLACE}/usr",
            "PYTHONPATH": f"{_PLACE}/site",
            "RPM_CONFIGDIR": config,
        },
        binds=(*binds, *config_binds),
        job=json.dumps(job).encode(),
    )


def _configuration(root: Path) -> tuple[str, Sequence[tuple[Path, str]]]:
    """The tree's own macros, else this machine's."""
    if all((root / _HOST_CONFIG.lstrip("/") / name).is_file() for name in _CONFIG_FILES):
        return _HOST_CONFIG, ()
    return f"{_PLACE}/config", [(Path(rpm.expandMacro("%{_rpmconfigdir}")), f"{_PLACE}/config")]


@cache
def _runtime() -> tuple[str, tuple[tuple[Path, str], ...]]:
    """The dynamic loader's path in the sandbox, and all files that Python with librpm needs."""
    python = Path(sys.executable).resolve()
    loader = _find_loader()
    binds = [(python, f"{_PLACE}/python"), (loader, f"{_PLACE}/loader")]
    for library, path in _needed_libraries(loader, [python, Path(rpm._rpm.__file__)]).items():
        binds.append((path, f"{_PLACE}/lib/{library}"))
    for name in ("stdlib", "platstdlib"):
        path = Path(sysconfig.get_path(name)).resolve()
        binds.append((path, f"{_PLACE}/usr/{os.path.relpath(path, sys.base_prefix)}"))
    binds.append((Path(rpm.__file__).parent, f"{_PLACE}/site/rpm"))
    binds.append((Path(rpminside.__file__), f"{_PLACE}/inside.py"))
    return f"{_PLACE}/loader", tuple(dict.fromkeys(binds))


def _find_loader() -> Path:
    """The dynamic loader that this process was started with."""
    for line in Path("/proc/self/maps").read_text().splitlines():
        path = Path(line.split(maxsplit=5)[5]) if line.count("/") else Path()
        if path.name.startswith(("ld-", "ld64", "ld.so")):
            return path
    raise PkglayerError("this machine's Python has no dynamic loader that can be found")


def _needed_libraries(loader: Path, programs: Sequence[Path]) -> dict[str, Path]:
    """Shared libraries by the name under which they are asked for."""
    found: dict[str, Path] = {}
    for program in programs:
        for line in run([str(loader), "--list", str(program)]).stdout.decode().splitlines():
            name, arrow, rest = line.strip().partition(" => ")
            if arrow and rest.startswith("/"):
                found[name] = Path(rest.rsplit(" (", 1)[0]).resolve()
    return found
