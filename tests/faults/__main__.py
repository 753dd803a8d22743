"""`make sweep`: every point of every scene, and the hostile input; one table, one JSON file.

SWEEP_STEP strikes at each n-th point only. `failures` counts what was lost or let in.
"""

import json
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.powercut import run_apart, sweep_scene
from tests.faults.scenes import BOOTED, SCENES, build_scene, build_stage
from tests.faults.sweep import count_points, every_fault, every_signal, every_strike, strike_all
from tests.support.cli import PROJECT

REPORT = PROJECT / "build/reports/sweep.json"
STEP = int(os.environ.get("SWEEP_STEP", "1"))
KINDS = {"kill_points": every_strike, "fault_points": every_fault, "signal_points": every_signal}
POWER_CUTS = (
    *((name,) for name in SCENES),
    *((name, "booted") for name in BOOTED),
    ("install", "booted", "xfs"),
)
"""Scenes, and how and on what each is played."""
HOSTILE = tuple(
    f"tests/faults/test_{name}.py"
    for name in ("hostile_packages", "hostile_links", "repositories", "foreign_input", "fuzz",
                 "fuzz_texts")
)  # fmt: skip
ESCAPES = ("tests/faults/test_escapes.py", "tests/integration/test_sandbox.py")


class _Counter:
    """A pytest plugin that counts outcomes."""

    def __init__(self) -> None:
        self.seen: Counter[str] = Counter()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" or report.failed:
            self.seen[report.outcome] += 1


def main() -> int:
    """Run it all; the exit code is 0 when nothing failed."""
    began, failures = time.monotonic(), []
    totals: dict[str, int] = dict.fromkeys((*KINDS, "power_cuts"), 0)
    rows = []
    for name, kind, number, failed in _sweep_all():
        rows.append((name, kind, number, len(failed)))
        totals[kind] += number
        failures += failed
        _say(f"{name:16} {kind:14} {number:6} struck {len(failed):3} failed")
    hostile, escapes = _run_tests(HOSTILE), _run_tests(ESCAPES)
    report = {
        **totals,
        "hostile_inputs": hostile["passed"],
        "escapes": escapes["passed"],
        "failures": len(failures) + hostile["failed"] + escapes["failed"],
        "step": STEP,
        "seconds": round(time.monotonic() - began),
        "scenes": [dict(zip(("scene", "kind", "struck", "failed"), r, strict=True)) for r in rows],
        "failed": failures,
    }
    REPORT.parent.mkdir(parents=True, exist_ok=True)
    REPORT.write_text(json.dumps(report, indent=1) + "\n")
    for key in (*totals, "hostile_inputs", "escapes", "failures"):
        _say(f"{key:16} {report[key]:6}")
    for text in failures:
        _say(text)
    return 1 if report["failures"] else 0


def _sweep_all() -> Iterator[tuple[str, str, int, list[str]]]:
    """Of each scene and kind of strike: how often it struck, and what failed."""
    with tempfile.TemporaryDirectory(prefix="sweep-", dir="/var/tmp") as where:
        stage = build_stage(Path(where) / "stage")
        for name in SCENES:
            scene = build_scene(name, Path(where) / name, stage)
            points = count_points(scene)
            for kind, strikes in KINDS.items():
                step = STEP if kind == "kill_points" else 3 * STEP
                sweep = strike_all(scene, strikes(points, step))
                yield name, kind, sweep.points, sweep.failures
    for name, *options in POWER_CUTS:
        found = sweep_scene(name, STEP, *options)
        yield " ".join((name, *options)), "power_cuts", found["cuts"], found["failures"]
    found = run_apart("tests.faults.vmcuts", str(STEP))
    yield "virtual machine", "power_cuts", found["cuts"], found["failures"]


def _run_tests(files: tuple[str, ...]) -> Counter[str]:
    counter = _Counter()
    pytest.main(["-q", "--no-header", *files], plugins=[counter])
    return counter.seen


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
