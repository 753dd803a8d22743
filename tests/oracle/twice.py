"""Builds one state twice, from its lock and on another machine, and compares the commits.

`python -m tests.oracle.twice` takes every package of the full test world that can be installed
together on the smallest base; `make reproduce` starts it. Exits with 1 when a file differs that
`VARIES` does not list.
"""

import json
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from pkglayer.model.record import RECORD_PATH
from tests.oracle import bases, report
from tests.support import world
from tests.support.cli import PROJECT, clean_environment
from tests.support.elsewhere import run_elsewhere
from tests.support.ostree import Base, make_sysroot
from tests.support.repos import repo_file
from tests.support.witness import deployments

HOURS = 2 * 3600
VARIES: dict[str, str] = {}
"""Paths that a scriptlet makes differ each time and no rule can mend, each with the reason."""


@dataclass(frozen=True)
class Twice:
    """One state built in two places; `differences` are the paths whose content is not the same."""

    packages: int
    scriptlets: int
    left_out: tuple[str, ...]
    commits: tuple[str, str]
    differences: tuple[str, ...]
    seconds: tuple[float, float]

    @property
    def unexplained(self) -> tuple[str, ...]:
        return tuple(path for path in self.differences if path not in VARIES)


def build_twice(work: Path, base: Base, rpms: Path, names: Sequence[str]) -> Twice:
    """Install what can be of `names` in one place, and its lock in another, with no repository."""
    one = make_sysroot(work / "one", base)
    two = make_sysroot(work / "another/place", base)
    _configure(one, rpms)
    began = time.monotonic()
    left_out = _install(one, names)
    middle = time.monotonic()
    lock = work / "layer.lock"
    lock.write_text(_run("lock", "0", sysroot=one).stdout)
    done = run_elsewhere("apply", lock, "--rpms", rpms, "--offline", sysroot=two, timeout=HOURS)
    if done.returncode not in (0, 11):
        raise AssertionError(done.stderr)
    seconds = (round(middle - began, 1), round(time.monotonic() - middle, 1))
    first = deployments(one)[0]
    second = deployments(two)[0].checksum if done.returncode == 0 else _came_out_as(done.stderr)
    differences = () if second == first.checksum else _differences(one, first.checksum)
    record = json.loads((first.path / RECORD_PATH).read_text())
    return Twice(
        len(record["plan"]["packages"]), len(record["scripts"]), tuple(left_out),
        (first.checksum, second), differences, seconds,
    )  # fmt: skip


def _configure(sysroot: Path, rpms: Path) -> None:
    file = deployments(sysroot)[0].path / "etc/yum.repos.d/all.repo"
    file.parent.mkdir(exist_ok=True)
    file.write_text(repo_file("all", rpms, gpgcheck=0))


def _install(sysroot: Path, names: Sequence[str]) -> list[str]:
    """Install all names but those that the others do not go with; returns these."""
    wanted = list(names)
    left_out: list[str] = []
    while True:
        words = ("install", *wanted, "--no-recommends", "--skip-broken", "--json")
        done = _run(*words, sysroot=sysroot, check=False)
        if done.returncode == 0:
            return left_out + [s["want"]["spec"] for s in json.loads(done.stdout)["skipped"]]
        owners = json.loads(done.stdout).get("error", {}).get("owners", [])
        gone = next((n for n in wanted for owner in owners if owner.startswith(f"{n}-")), None)
        if gone is None:
            raise AssertionError(done.stderr)
        wanted.remove(gone)
        left_out.append(gone)


def _came_out_as(text: str) -> str:
    match = re.search(r"the state came out as (\w+)", text)
    if match is None:
        raise AssertionError(text)
    return match[1]


def _differences(sysroot: Path, commit: str) -> tuple[str, ...]:
    """What `verify` names: it builds in the first place once more."""
    done = _run("verify", "0", "--json", sysroot=sysroot, check=False)
    found = tuple(d.split()[-1] for d in json.loads(done.stdout)["differences"])
    return found or ("differs in another place only",)


def _run(
    *words: str, sysroot: Path, check: bool = True
) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-m", "pkglayer", *words, "--sysroot", str(sysroot)],
        env=clean_environment(), capture_output=True, text=True, timeout=HOURS, check=False,
    )  # fmt: skip
    if check and done.returncode:
        raise AssertionError(done.stderr)
    return done


def main() -> int:
    """The whole world, and the report."""
    with tempfile.TemporaryDirectory(prefix="pkglayer-twice-", dir="/var/tmp") as directory:
        full, small = world.build("full", report.say), world.build("small", report.say)
        work = Path(directory)
        base, names = bases.compose_base(work, full, small)
        done = build_twice(work, base, full.repo_v1, names)
    target = PROJECT / "build/reports/reproduce.json"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps({**asdict(done), "unexplained": done.unexplained}, indent=1))
    report.say(
        f"{done.packages} packages, {done.scriptlets} scriptlets: "
        f"{'the same commit' if len(set(done.commits)) == 1 else 'another commit'} "
        f"{done.commits[0][:12]} in {done.seconds[0]} s and {done.seconds[1]} s; "
        f"{len(done.differences)} paths differ, {len(done.unexplained)} without a reason"
    )
    for path in done.unexplained:
        report.say(f"  {path}")
    return 1 if done.unexplained else 0


if __name__ == "__main__":
    sys.exit(main())
