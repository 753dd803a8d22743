"""`make sim`: the year, a table, build/reports/sim.json and build/reports/sim.svg."""

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.sim.policies import Tally, follow
from tests.sim.year import make_year

COLOURS = ("#2a7", "#27c", "#c72", "#b33")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--seed", type=int, default=4)
    parser.add_argument("--out", type=Path, default=Path("build/reports"))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as work:
        tallies = follow(make_year(options.days, options.seed), Path(work))
    sys.stdout.write(table(tallies))
    options.out.mkdir(parents=True, exist_ok=True)
    report = {"seed": options.seed, "policies": {t.policy: t.figures() for t in tallies}}
    (options.out / "sim.json").write_text(json.dumps(report, indent=2) + "\n")
    (options.out / "sim.svg").write_text(picture(tallies))


def table(tallies: Sequence[Tally]) -> str:
    """The figures for people."""
    heads = list(tallies[0].figures())
    lines = [f"{'policy':28}" + "".join(f"{h:>22}" for h in heads)]
    for tally in tallies:
        row = "".join(f"{v:>22}" for v in tally.figures().values())
        lines.append(f"{tally.policy:28}{row}")
    return "\n".join(lines) + "\n"


def picture(tallies: Sequence[Tally]) -> str:
    """Two curves a policy over the year: the base's age above, the requests missing below."""
    days = len(tallies[0].ages)
    width, height = 900, 220
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {2 * height + 60}" '
        'font-family="sans-serif" font-size="12">'
        f'<rect width="{width}" height="{2 * height + 60}" fill="white"/>'
    )
    parts = [head]
    for row, (title, curves) in enumerate(
        (
            ("age of the base (days)", [t.ages for t in tallies]),
            ("requests missing", [t.missing for t in tallies]),
        )
    ):
        top = 20 + row * (height + 20)
        high = max(1, *(max(c) for c in curves))
        parts.append(f'<text x="10" y="{top}">{title}, up to {high}</text>')
        for curve, colour in zip(curves, COLOURS, strict=True):
            points = " ".join(
                f"{10 + x * (width - 20) / max(1, days - 1):.1f},"
                f"{top + height - 10 - y * (height - 30) / high:.1f}"
                for x, y in enumerate(curve)
            )
            parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}"/>')
    for number, (tally, colour) in enumerate(zip(tallies, COLOURS, strict=True)):
        place = f'x="{10 + number * 200}" y="{2 * height + 50}"'
        parts.append(f'<text {place} fill="{colour}">{tally.policy}</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"


if __name__ == "__main__":
    main()
