"""What a run of the benchmark leaves: build/reports/bench.json, the tables in docs, the plots."""

import json
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.bench.extras import Fact
from tests.bench.measure import PROJECT, CommandFailed, Sample, environment, median
from tests.bench.plot import Line, write_plot

JSON = PROJECT / "build/reports/bench.json"
DOCS = PROJECT / "docs/benchmarks.md"
PLOTS = PROJECT / "docs/plots"
MARKS = ("<!-- figures: begin (written by make bench) -->", "<!-- figures: end -->")
TOOLS = ("pkglayer", "reference", "floor", "dnf")


@dataclass(frozen=True)
class Row:
    """Medians of one case, base and tool; `spread` is the slowest wall over the fastest."""

    case: str
    base_files: int
    tool: str
    wall_s: float
    cpu_s: float
    peak_mb: float
    written_mb: float
    runs: int
    spread: float
    phases: Mapping[str, float]


def to_row(
    case: str, files: int, tool: str, samples: Sequence[Sample], phases: Mapping[str, float]
) -> Row:
    """A row out of its samples."""
    m, walls = median(samples), [s.wall_s for s in samples]
    return Row(
        case,
        files,
        tool,
        round(m.wall_s, 3),
        round(m.cpu_s, 3),
        round(m.peak_mb, 1),
        round(m.written_mb, 1),
        len(samples),
        round(max(walls) / min(walls), 2),
        phases,
    )


def run_phases(command: Sequence[str | Path]) -> dict[str, float]:
    """Run a changing verb with its phase table as data, and return that."""
    words = [*map(str, command), "--timings", "--json", "--quiet"]
    done = subprocess.run(
        words, env=environment(), capture_output=True, text=True, check=False, cwd="/"
    )
    if done.returncode != 0:
        raise CommandFailed(f"{' '.join(words)}: exit {done.returncode}\n{done.stderr}")
    last = done.stderr.strip().splitlines()[-1]
    found: dict[str, float] = json.loads(last)["cpu"]
    return found


def read() -> tuple[list[Row], list[Fact]]:
    """Rows and facts of the report as it is now."""
    if not JSON.exists():
        return [], []
    data = json.loads(JSON.read_text())
    return [Row(**row) for row in data["rows"]], [Fact(**f) for f in data.get("facts", [])]


def merge_facts(facts: Iterable[Fact], newer: Iterable[Fact]) -> list[Fact]:
    """Both, the newer ones in the place of older ones of the same base."""
    return list({(f.base_files, f.what): f for f in (*facts, *newer)}.values())


def merge(rows: Iterable[Row], newer: Iterable[Row]) -> list[Row]:
    """Both, the newer ones in the place of older ones of the same case, base and tool."""
    return list({(r.base_files, r.case, r.tool): r for r in (*rows, *newer)}.values())


def write(rows: Sequence[Row], facts: Sequence[Fact], machine: Mapping[str, str | int]) -> None:
    """Write the JSON report, and the tables and plots in docs/."""
    JSON.parent.mkdir(parents=True, exist_ok=True)
    data = {
        "machine": machine,
        "rows": [asdict(row) for row in rows],
        "facts": [asdict(fact) for fact in facts],
    }
    JSON.write_text(json.dumps(data, indent=1) + "\n")
    write_docs(rows, facts, machine)


def write_docs(
    rows: Sequence[Row], facts: Sequence[Fact], machine: Mapping[str, str | int]
) -> None:
    """Put the figures between their marks in docs/benchmarks.md and draw the plots."""
    before, _, rest = DOCS.read_text().partition(MARKS[0])
    after = rest.partition(MARKS[1])[2]
    text = "\n".join([MARKS[0], "", *_tables(rows, machine), *_fact_table(facts), MARKS[1]])
    DOCS.write_text(before + text + after)
    PLOTS.mkdir(parents=True, exist_ok=True)
    write_plot(PLOTS / "base-size.svg", "Install one small cached package: CPU seconds",
               "files in the base", _lines_by_base(rows, "install-1"))  # fmt: skip
    write_plot(PLOTS / "layer-size.svg", "Install into the largest base: CPU seconds",
               "megabytes of the layer", _lines_by_layer(rows))  # fmt: skip


def _tables(rows: Sequence[Row], machine: Mapping[str, str | int]) -> list[str]:
    told = (
        f"Measured on {machine['cores']} cores ({machine['cpu']}), {machine['memory_mb']} MB, "
        f"{machine['system']}, libostree {machine['ostree']}, rpm {machine['rpm']}; "
        f"medians of {min((r.runs for r in rows), default=0)} or more runs, tools in turn."
    )
    found = [told, ""]
    for files in sorted({row.base_files for row in rows}):
        title = f"Base of {files:,} files" if files else "Import alone"
        found += [f"### {title}", "", *_table([r for r in rows if r.base_files == files]), ""]
    title = "### Phases of pkglayer, seconds of processor time"
    return [*found, title, "", *_phase_table(rows), ""]


def _table(rows: Sequence[Row]) -> list[str]:
    head = "| case | " + " | ".join(f"{tool}: wall / CPU" for tool in TOOLS)
    head += " | CPU to floor | CPU to reference | peak MB | written MB | runs |"
    lines = [head, "| --- " * (len(TOOLS) + 6) + "|"]
    for case in dict.fromkeys(row.case for row in rows):
        mine = {row.tool: row for row in rows if row.case == case}
        cells = [f"{mine[t].wall_s:.2f} / {mine[t].cpu_s:.2f}" if t in mine else "" for t in TOOLS]
        ours = mine.get("pkglayer")
        cells += [_ratio(ours, mine.get("floor")), _ratio(ours, mine.get("reference"))]
        cells += [f"{ours.peak_mb:.0f}", f"{ours.written_mb:.1f}"] if ours else ["", ""]
        cells.append(str(min(row.runs for row in mine.values())))
        lines.append(f"| {case} | " + " | ".join(cells) + " |")
    return lines


def _ratio(ours: Row | None, other: Row | None) -> str:
    return f"{ours.cpu_s / other.cpu_s:.2f}" if ours and other and other.cpu_s else ""


def _phase_table(rows: Sequence[Row]) -> list[str]:
    mine = [row for row in rows if row.phases]
    names = list(dict.fromkeys(name for row in mine for name in row.phases))
    lines = ["| base | case | " + " | ".join(names) + " |", "| --- " * (len(names) + 2) + "|"]
    for row in mine:
        cells = [f"{row.phases[n]:.2f}" if n in row.phases else "" for n in names]
        lines.append(f"| {row.base_files:,} | {row.case} | " + " | ".join(cells) + " |")
    return lines


def _fact_table(facts: Sequence[Fact]) -> list[str]:
    if not facts:
        return []
    lines = ["### Other measures", "", "| base | what | measured |", "| --- | --- | --- |"]
    lines += [f"| {f.base_files:,} | {f.what} | {f.value} |" for f in facts]
    return [*lines, ""]


def _lines_by_base(rows: Sequence[Row], case: str) -> list[Line]:
    mine = [row for row in rows if row.case == case]
    return [
        Line(tool, [(row.base_files, row.cpu_s) for row in mine if row.tool == tool])
        for tool in TOOLS
    ]


def _lines_by_layer(rows: Sequence[Row]) -> list[Line]:
    sizes = {"install-1-cold": 0.05, "install-50-cold": 16.0, "install-big-cold": 400.0}
    largest = max((row.base_files for row in rows), default=0)
    mine = [row for row in rows if row.case in sizes and row.base_files == largest]
    return [
        Line(tool, [(sizes[row.case], row.cpu_s) for row in mine if row.tool == tool])
        for tool in TOOLS
    ]
