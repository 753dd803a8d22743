"""What people see while work goes on: the Progress protocol and its two implementations.

Progress is passed in as an object and never woven into the logic; everything here goes to stderr,
since stdout is for results. Text from packages is escaped before it reaches a terminal.
"""

import logging
import resource
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol, TextIO

from pkglayer.model.units import to_size as to_size

log = logging.getLogger("pkglayer")

BAR = 20
"""Columns."""


class Progress(Protocol):
    """How a stage tells what it does."""

    def start(self, what: str, total: int = 0, unit: str = "") -> None:
        """A step begins; `total` counts items, bytes where `unit` is `B`, or what nobody counts
        where it is `%`; 0 is unknown."""

    def advance(self, amount: int = 1, detail: str = "") -> None:
        """So much of the step is done; `detail` names the item."""

    def note(self, text: str) -> None:
        """A line a person should see (scriptlet output, a warning)."""

    def done(self) -> None:
        """The step is complete."""


def printable(text: str) -> str:
    """Text from elsewhere, safe on a terminal: control, bidi and surrogate characters escaped."""
    return "".join(
        c if c.isprintable() or c == " " else c.encode("unicode_escape", "surrogatepass").decode()
        for c in text
    )


def terminal_width(out: TextIO) -> int:
    """Columns of the terminal that `out` is, COLUMNS where that is set; 0 when it is none."""
    if not out.isatty():
        return 0
    return shutil.get_terminal_size().columns


def folded(text: str, width: int) -> str:
    """Lines longer than `width` broken at spaces, the rest of each deeper in; 0 breaks none."""
    if not width:
        return text
    import textwrap

    lines: list[str] = []
    for line in text.split("\n"):
        deeper = " " * (len(line) - len(line.lstrip()) + 4)
        lines += [line] if len(line) <= width else textwrap.wrap(
            line, max(width, 40), subsequent_indent=deeper, drop_whitespace=True,
            break_long_words=False, break_on_hyphens=False,
        )  # fmt: skip
    return "\n".join(lines)


class SafeFormatter(logging.Formatter):
    """One record, one line: names from packages and servers cannot forge another."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        return printable(super().formatMessage(record))


class Quiet:
    """Says nothing; for --quiet, programs and tests."""

    def start(self, what: str, total: int = 0, unit: str = "") -> None: ...

    def advance(self, amount: int = 1, detail: str = "") -> None: ...

    def note(self, text: str) -> None: ...

    def done(self) -> None: ...


class Lines:
    """Plain lines: one when a step ends. On a terminal, while it runs, a moving line with a bar,
    the rate and the time left, of which the total is known."""

    def __init__(self, out: TextIO | None = None) -> None:
        self.out = out or sys.stderr
        self.live = self.out.isatty()
        self.what, self.total, self.unit, self.count = "", 0, "", 0
        self.began = self.drawn = 0.0

    def start(self, what: str, total: int = 0, unit: str = "") -> None:
        self.what, self.total, self.unit, self.count = what, total, unit, 0
        self.began, self.drawn = time.monotonic(), 0.0
        self._draw(what)

    def advance(self, amount: int = 1, detail: str = "") -> None:
        self.count += amount
        if self.live and time.monotonic() - self.drawn > 0.1:
            spent = time.monotonic() - self.began
            parts = [self._bar(), self._amount(), ", ".join(self._pace(spent)), printable(detail)]
            self._draw(" ".join([self.what, *filter(None, parts)]))

    def note(self, text: str) -> None:
        self._clear()
        print(printable(text), file=self.out, flush=True)

    def done(self) -> None:
        self._clear()
        seconds = time.monotonic() - self.began
        known = self.unit != "%" and (self.total or self.count)
        rate = f", {self._rate(seconds)}" if self.unit == "B" and seconds >= 1 and known else ""
        amount = f" {self._amount()}" if known else ""
        print(f"{self.what}{amount} ({seconds:.1f} s{rate})", file=self.out, flush=True)

    def _bar(self) -> str:
        if not self.total:
            return ""
        full = BAR * min(self.count, self.total) // self.total
        return f"[{'=' * full:{BAR}}]"

    def _amount(self) -> str:
        if self.unit == "%":
            return f"{100 * min(self.count, self.total) // self.total} %" if self.total else ""
        show = to_size if self.unit == "B" else str
        of = f"/{show(self.total)}" if self.total and self.total != self.count else ""
        return f"{show(self.count)}{of}"

    def _rate(self, spent: float) -> str:
        each = self.count / spent
        return f"{to_size(int(each))}/s" if self.unit == "B" else f"{each:.0f}/s"

    def _pace(self, spent: float) -> Iterator[str]:
        """Rate and time left, once there is enough to tell them from."""
        if spent < 1 or not self.count:
            return
        if self.unit != "%":
            yield self._rate(spent)
        if self.total:
            yield f"{max(0, self.total - self.count) * spent / self.count:.0f} s left"

    def _draw(self, text: str) -> None:
        if self.live:
            self.drawn = time.monotonic()
            room = min(100, terminal_width(self.out) - 1)  # a line that wraps is never cleared
            print(f"\r\x1b[K{text[:room]}", end="", file=self.out, flush=True)

    def _clear(self) -> None:
        if self.live:
            print("\r\x1b[K", end="", file=self.out, flush=True)


@dataclass(frozen=True)
class Seconds:
    """Time on the clock, and of processors by this process and its children that have ended."""

    wall: float
    cpu: float

    def __add__(self, other: "Seconds") -> "Seconds":
        return Seconds(self.wall + other.wall, self.cpu + other.cpu)

    def __sub__(self, other: "Seconds") -> "Seconds":
        return Seconds(self.wall - other.wall, self.cpu - other.cpu)


class Timings:
    """Seconds per phase on the clock and of processors, for --timings; phases do not nest."""

    def __init__(self) -> None:
        self.phases: dict[str, Seconds] = {}
        self._began = _now()

    def table(self) -> dict[str, Seconds]:
        """Every phase; `other` is what lies between them, `total` the whole session."""
        total = _now() - self._began
        other = total - sum(self.phases.values(), Seconds(0.0, 0.0))
        return {**self.phases, "other": other, "total": total}

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Add what the body takes to the phase `name`."""
        log.debug("phase: %s", name)
        began = _now()
        try:
            yield
        finally:
            self.phases[name] = self.phases.get(name, Seconds(0.0, 0.0)) + (_now() - began)


def _now() -> Seconds:
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return Seconds(
        time.monotonic(), time.process_time() + children.ru_utime + children.ru_stime
    )
