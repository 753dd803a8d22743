"""What a run of the oracle tells: a table for people, build/reports/oracle.json for programs."""

import json
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from tests.oracle.judge import Verdict
from tests.oracle.rows import ROWS

FILE = Path(__file__).parents[2] / "build/reports/oracle.json"


def say(text: str) -> None:
    """A line at once."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def to_data(verdicts: Mapping[str, Verdict]) -> dict[str, object]:
    """The report as data: counts, the rows used with their reasons, and what is left."""
    rows: Counter[str] = sum((v.rows for v in verdicts.values()), Counter())
    reasons = {row.name: row.reason for row in ROWS}
    left = [d for v in verdicts.values() for d in v.unexplained]
    return {
        "packages": sum(len(v.packages) for v in verdicts.values()),
        "explained": rows.total(),
        "unexplained": len(left),
        "rows": [
            {"row": name, "count": count, "reason": reasons[name]}
            for name, count in rows.most_common()
        ],
        "sets": {
            name: {"packages": len(v.packages), "refused": v.refused}
            for name, v in verdicts.items()
        },
        "differences": [
            {"aspect": d.aspect, "path": d.path, "ours": d.ours, "rpm": d.rpm} for d in left
        ],
    }


def write(verdicts: Mapping[str, Verdict], file: Path = FILE) -> None:
    """Write the report."""
    file.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(to_data(verdicts), indent=1, sort_keys=False)
    file.write_text(text.encode("utf-8", "backslashreplace").decode() + "\n")


def show(verdicts: Mapping[str, Verdict]) -> None:
    """Print the summary."""
    for name, verdict in verdicts.items():
        say(f"\n{name}: {len(verdict.packages)} packages compared with rpm")
        for refused, why in verdict.refused.items():
            say(f"  refused: {refused}: {why.strip().splitlines()[0]}")
        for row, count in verdict.rows.most_common():
            say(f"  {count:6} explained by {row}")
        say(f"  {len(verdict.unexplained):6} unexplained")


def show_unexplained(verdict: Verdict, where: str = "") -> None:
    """Print what has no row, while the run goes on."""
    for d in verdict.unexplained:
        say(f"  UNEXPLAINED {where}{d.aspect} {d.path!r}: ours {d.ours!r}, rpm {d.rpm!r}")
