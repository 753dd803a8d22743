"""`make bench`: measure every case on every base, in turn with the other tools, and report.

python -m tests.bench [--base FILES]... [--case NAME]... [--runs N] [--tool NAME]... [--facts]
                     [--add]

The report is written after each case; with --add what it has already stays where nothing new came.
"""

import argparse
import platform
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.bench import extras, fixtures, imports, model, report
from tests.bench.cases import MANY_NAMES, PROGRAM, Case, dnf_command, find_cases
from tests.bench.extras import Fact
from tests.bench.fixtures import BaseFixture, Fixtures
from tests.bench.measure import Sample, measure, run
from tests.bench.report import Row
from tests.bench.stage import Stage, make_stage

BASES = (2_000, 30_000, 120_000)
TOOLS = ("pkglayer", "reference", "floor", "dnf")


def main() -> None:
    """Measure what the command line names and write the reports."""
    wanted = _arguments()
    cases = find_cases(wanted.case)
    with fixtures.mounted() as cache:
        _measure_all(fixtures.load(cache, say), cases, wanted)
    model.main()


def _measure_all(made: Fixtures, cases: Sequence[Case], wanted: argparse.Namespace) -> None:
    rows, facts = report.read() if wanted.add else ([], [])
    if not wanted.case:
        with tempfile.TemporaryDirectory(prefix="run-", dir=made.cache) as work:
            rows = report.merge(rows, imports.measure_imports(made, Path(work), wanted.runs, say))
            facts = report.merge_facts(facts, imports.measure_huge(Path(work)))
        report.write(rows, facts, machine())
    for files in wanted.base:
        base = made.base(files, say)
        with tempfile.TemporaryDirectory(prefix="run-", dir=made.cache) as work:
            for row in _measure_base(made, base, cases, Path(work), wanted):
                rows = report.merge(rows, [row])
                report.write(rows, facts, machine())
        if not wanted.case or wanted.facts:
            with tempfile.TemporaryDirectory(prefix="run-", dir=made.cache) as work:
                facts = report.merge_facts(facts, _measure_facts(made, base, Path(work)))
        report.write(rows, facts, machine())


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench")
    parser.add_argument("--base", type=int, action="append", help="files in the base; repeatable")
    parser.add_argument("--case", action="append", default=[], help="a case; repeatable")
    parser.add_argument("--tool", action="append", choices=TOOLS, help="a tool; repeatable")
    parser.add_argument("--runs", type=int, default=5, help="runs of each command")
    parser.add_argument("--facts", action="store_true", help="progress, disk, requests as well")
    parser.add_argument("--add", action="store_true", help="keep what the report has already")
    wanted = parser.parse_args()
    wanted.base = wanted.base or list(BASES)
    wanted.tool = wanted.tool or list(TOOLS)
    return wanted


def say(text: str) -> None:
    """Tell a person how far the run is."""
    sys.stderr.write(f"bench: {text}\n")


def machine() -> dict[str, str | int]:
    """What the figures were measured on."""
    memory = Path("/proc/meminfo").read_text().split()[1]
    cpu = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line]
    names = [line for line in Path("/etc/os-release").read_text().splitlines() if "PRETTY" in line]
    return {
        "cores": len(list(Path("/sys/devices/system/cpu").glob("cpu[0-9]*"))),
        "cpu": cpu[0].partition(": ")[2] if cpu else platform.machine(),
        "memory_mb": int(memory) // 1024,
        "kernel": platform.release(),
        "system": names[0].partition("=")[2].strip('"') if names else "",
        "ostree": run("ostree", "--version").split("'")[1],
        "rpm": run("rpm", "--version").split()[-1],
    }


def _measure_base(
    made: Fixtures, base: BaseFixture, cases: Sequence[Case], work: Path, wanted: argparse.Namespace
) -> Iterator[Row]:
    for start in ("bare", "fifty"):
        mine = [case for case in cases if case.start == start]
        if not mine:
            continue
        stage = _prepare(made, base, work, start)
        for case in mine:
            with stage.case():
                yield from _measure_case(case, stage, work, wanted)
        shutil.rmtree(stage.path)


def _prepare(made: Fixtures, base: BaseFixture, work: Path, start: str) -> Stage:
    say(f"preparing a sysroot of {base.files} files, {start}")
    stage = make_stage(work / start, base, made.repos)
    if start == "fifty":
        stage.enable(("many",))
        run(PROGRAM, "install", *MANY_NAMES, "--quiet", "--sysroot", stage.path)
        stage.settle()
        stage.save()
    return stage


def _measure_facts(made: Fixtures, base: BaseFixture, work: Path) -> Iterator[Fact]:
    yield from extras.measure_bare(_prepare(made, base, work, "bare"), made)
    yield from extras.measure_fifty(_prepare(made, base, work, "fifty"))


def _measure_case(
    case: Case, stage: Stage, work: Path, wanted: argparse.Namespace
) -> Iterator[Row]:
    stage.enable(case.repos)
    stage.publish(stage.base.v1)
    if case.cold:
        stage.chill()
    else:
        _warm_up(case, stage, work)
    commands = case.commands(stage, work)
    if case.layer and not case.moves and case.start == "bare" and shutil.which("dnf"):
        commands["dnf"] = dnf_command(case, stage, work / "dnf")
    samples: dict[str, list[Sample]] = {tool: [] for tool in commands if tool in wanted.tool}
    for number in range(wanted.runs):
        for tool, found in samples.items():
            found.append(_run_once(case, stage, work, tool, commands[tool]))
        say(f"{stage.base.files} {case.name} {number + 1}/{wanted.runs}: " + ", ".join(
            f"{tool} {found[-1].wall_s:.2f} s" for tool, found in samples.items()))  # fmt: skip
    phases = _phases(case, stage) if "pkglayer" in samples and case.deploys else {}
    for tool, found in samples.items():
        yield report.to_row(case.name, stage.base.files, tool, found,
                            phases if tool == "pkglayer" else {})  # fmt: skip


def _run_once(
    case: Case, stage: Stage, work: Path, tool: str, command: Sequence[str | Path]
) -> Sample:
    if case.cold:
        stage.forget()
        shutil.rmtree(work / "dnf-cache", ignore_errors=True)
    if tool == "dnf":
        (work / "dnf/usr/bin").mkdir(parents=True)
        (work / "dnf/bin").symlink_to("usr/bin")
    stage.publish(stage.base.v2 if case.moves else stage.base.v1)
    try:
        return measure(command)
    finally:
        if tool == "dnf":
            shutil.rmtree(work / "dnf", ignore_errors=True)
        elif case.deploys or case.name == "preview":
            stage.restore()
        stage.publish(stage.base.v1)


def _warm_up(case: Case, stage: Stage, work: Path) -> None:
    """Run once with all caches; keep the imports, which is what warm means."""
    if not case.deploys:
        run(*case.commands(stage, work)["pkglayer"])
        return
    _make_ready(case, stage, work)


def _make_ready(case: Case, stage: Stage, work: Path) -> None:
    """Make the commit that `floor` deploys, and a file of the layer's size; keep the imports."""
    stage.publish(stage.base.v2 if case.moves else stage.base.v1)
    run(PROGRAM, *case.verb, "--quiet", "--sysroot", stage.path)
    commit = stage.deployment.name.split(".")[0]
    run("ostree", "refs", f"--repo={stage.repo}", f"--create=bench/ready-{case.name}", commit)
    stage.keep_imports()
    stage.restore()
    layer = work / f"layer-{case.name}"
    sizes = run("rpm", "-qp", "--nosignature", "--qf=%{LONGSIZE}\n", *case.rpms(stage)).split()
    layer.write_bytes(bytes(sum(map(int, sizes))) if not case.moves else b"")
    (work / f"ready-{case.name}").write_text(f"{commit} {layer}")


def _phases(case: Case, stage: Stage) -> dict[str, float]:
    """The phase table of one more run, as pkglayer tells it."""
    stage.publish(stage.base.v2 if case.moves else stage.base.v1)
    if case.cold:
        stage.forget()
    try:
        return report.run_phases([PROGRAM, *case.verb, "--sysroot", stage.path])
    finally:
        stage.restore()
        stage.publish(stage.base.v1)


if __name__ == "__main__":
    main()
