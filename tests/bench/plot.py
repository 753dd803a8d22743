"""Draws lines over two axes as an SVG file; small enough to need no library."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

WIDTH, HEIGHT, MARGIN = 640, 400, 60
COLOURS = ("#1f5fa8", "#c0392b", "#2e8b57", "#8e6bbf")


@dataclass(frozen=True)
class Line:
    """Points (x, y) under one name."""

    name: str
    points: Sequence[tuple[float, float]]


def write_plot(path: Path, title: str, x_name: str, lines: Sequence[Line]) -> None:
    """Write the plot; lines without points are left out, and without lines there is no file."""
    lines = [line for line in lines if line.points]
    if not lines:
        return
    right = max(x for line in lines for x, _ in line.points) or 1
    top = max(y for line in lines for _, y in line.points) or 1
    parts = [_text(WIDTH / 2, 24, title, 15), _text(WIDTH / 2, HEIGHT - 12, x_name, 12)]
    parts += [*_axes(right, top)]
    for number, line in enumerate(lines):
        parts += _draw(line, COLOURS[number % len(COLOURS)], number, right, top)
    size = f'width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}"'
    head = f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif">'
    background = f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>'
    path.write_text("\n".join([head, background, *parts, "</svg>", ""]))


def _place(x: float, y: float, right: float, top: float) -> tuple[float, float]:
    across, up = WIDTH - 2 * MARGIN, HEIGHT - 2 * MARGIN
    return MARGIN + across * x / right, HEIGHT - MARGIN - up * y / top


def _axes(right: float, top: float) -> list[str]:
    x0, y0 = _place(0, 0, right, top)
    x1, y1 = _place(right, top, right, top)
    parts = [f'<path d="M{x0} {y1}V{y0}H{x1}" fill="none" stroke="black"/>']
    for part in (0.25, 0.5, 0.75, 1.0):
        x, y = _place(right * part, top * part, right, top)
        parts.append(_text(x, y0 + 18, f"{right * part:,.0f}", 11))
        parts.append(_text(34, y + 4, f"{top * part:.3g}", 11))
        parts.append(f'<path d="M{x0} {y:.1f}H{x1}" stroke="#dddddd"/>')
    return parts


def _draw(line: Line, colour: str, number: int, right: float, top: float) -> list[str]:
    places = [_place(x, y, right, top) for x, y in sorted(line.points)]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    parts = [f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>']
    parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in places]
    key = 44 + 18 * number
    parts.append(f'<rect x="{MARGIN + 16}" y="{key}" width="14" height="4" fill="{colour}"/>')
    parts.append(_text(MARGIN + 38, key + 7, line.name, 12, "start"))
    return parts


def _text(x: float, y: float, text: str, size: int, anchor: str = "middle") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}">{text}</text>'
