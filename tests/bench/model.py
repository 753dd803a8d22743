"""The cost model of docs/scale.md: processor seconds of a change by the size of things.

`python -m tests.bench.model` checks it against build/reports/bench.json and writes both tables into
the page; `make bench` ends with that.
"""

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.bench import report
from tests.bench.fixtures import (
    BIG_BYTES,
    BIG_FILES,
    CHANGED_IN_LAYER,
    FILES_A_PACKAGE,
    INDEXED,
    MANY,
    MANY_FILES,
)  # fmt: skip
from tests.bench.measure import PROJECT
from tests.bench.report import Row

PAGE = PROJECT / "docs/scale.md"
ALLOWED = 0.2
"""How far a measured value may be from the model's, as a part of it."""
MANY_MB, BIG_MB = MANY * MANY_FILES * 8_000 / 1e6, BIG_BYTES / 1e6
SCRIPTS = MANY // 5


@dataclass(frozen=True)
class Part:
    """One term: what it is, what it grows with, and the seconds of each."""

    what: str
    unit: str
    each: float


PARTS: Mapping[str, Part] = {
    "start": Part("start: interpreter, libraries, reading the sysroot, plan", "nothing", 0.39),
    "offered": Part("solve, warm metadata", "packages on offer", 1.1e-6),
    "parsed": Part("metadata, cold", "packages on offer", 29e-6),
    "files": Part("deployment: hardlinks, directories, /etc (libostree's)", "files of the base",
                  26.5e-6),
    "packages": Part("the base's rpmdb: read by the solver, copied, added to, hashed",
                     "packages of the base", 30e-6),
    "imported": Part("import, once a package version: a file", "files that are imported", 0.21e-3),
    "megabytes": Part("import: its bytes", "MB that are imported", 3.7e-3),
    "layered": Part("place imported files: link, tree entry, rpmdb, checks", "files of the layer",
                    0.15e-3),
    "scripts": Part("scriptlet: its sandbox, a shell, its record",
                    "scriptlets and triggers (their own time besides)", 21e-3),
    "moved": Part("the state before: read and compared", "changes of a layered state", 0.06),
    "pulled": Part("base upgrade: pull, which asks for every object", "files of the base", 7.3e-6),
}  # fmt: skip

_STATE = {"start": 1.0, "files": 1.0, "packages": 1.0}
_ONE = {**_STATE, "layered": 5.0, "offered": 1.0}
_FIFTY = {**_STATE, "layered": MANY * MANY_FILES, "scripts": SCRIPTS, "offered": MANY}
_BIG = {**_STATE, "layered": BIG_FILES, "offered": 1.0}
_SEARCH = {"start": 1.0, "packages": 1.0, "offered": INDEXED}
_CHANGED = {"imported": CHANGED_IN_LAYER * MANY_FILES, "parsed": MANY,
            "megabytes": CHANGED_IN_LAYER * MANY_FILES * 8_000 / 1e6}  # fmt: skip
WORK: Mapping[str, Mapping[str, float]] = {
    "install-1": _ONE,
    "install-1-cold": {**_ONE, "imported": 5.0, "megabytes": 0.05, "parsed": 1.0},
    "install-50": _FIFTY,
    "install-50-cold": {**_FIFTY, "imported": MANY * MANY_FILES, "megabytes": MANY_MB,
                        "parsed": MANY},
    "install-big": _BIG,
    "install-big-cold": {**_BIG, "imported": BIG_FILES, "megabytes": BIG_MB, "parsed": 1.0},
    "add-1-to-50": {**_FIFTY, "layered": MANY * MANY_FILES + 5.0, "moved": 1.0},
    "uninstall-1-of-50": {**_FIFTY, "layered": (MANY - 1) * MANY_FILES, "moved": 1.0},
    "upgrade-50-same": {**_FIFTY, "moved": 1.0, "pulled": 1.0},
    "upgrade-50-10-changed": {**_FIFTY, **_CHANGED, "moved": 1.0, "pulled": 1.0},
    "search-70000": _SEARCH,
    "search-70000-cold": {**_SEARCH, "parsed": INDEXED},
}  # fmt: skip
"""What each case does, in the units of `PARTS`; those of a base are for each of its own."""


def predict(case: str, base_files: int) -> float:
    """Processor seconds of a case of the benchmark."""
    own = {"files": base_files, "packages": base_files / FILES_A_PACKAGE, "pulled": base_files}
    return sum(PARTS[name].each * n * own.get(name, 1) for name, n in WORK[case].items())


@dataclass(frozen=True)
class Check:
    """A case with what the model says and what was measured."""

    case: str
    base_files: int
    model: float
    measured: float

    @property
    def fits(self) -> bool:
        return abs(self.measured - self.model) <= ALLOWED * self.model


def check(rows: Sequence[Row]) -> Iterator[Check]:
    """Every measured change against the model."""
    for row in rows:
        if row.tool == "pkglayer" and row.case in WORK:
            yield Check(row.case, row.base_files, predict(row.case, row.base_files), row.cpu_s)


def write_page(checks: Sequence[Check], page: Path = PAGE) -> None:
    """Put the constants and the check between their marks."""
    constants = ["| part | what it grows with | constant |", "| --- | --- | --- |"]
    constants += [f"| {p.what} | {p.unit} | {_words(p.each)} |" for p in PARTS.values()]
    rows = ["| case | base files | model | measured CPU | difference |", "| --- " * 5 + "|"]
    rows += [
        f"| {c.case} | {c.base_files:,} | {c.model:.2f} s | {c.measured:.2f} s "
        f"| {c.measured / c.model - 1:+.0%} |"
        for c in checks
    ]
    text = page.read_text()
    for name, lines in {"constants": constants, "check": rows}.items():
        begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
        before, _, rest = text.partition(begin)
        text = "\n".join([before + begin, "", *lines, "", end + rest.partition(end)[2]])
    page.write_text(text)


def _words(seconds: float) -> str:
    if seconds >= 0.02:
        return f"{seconds:.2f} s"
    return f"{seconds * 1e3:.2g} ms each" if seconds >= 1e-4 else f"{seconds * 1e6:.2g} µs each"


def main() -> None:
    """Check, write the page, and say what does not fit."""
    rows, _ = report.read()
    checks = list(check(rows))
    write_page(checks)
    wrong = [c for c in checks if not c.fits]
    for c in wrong:
        sys.stderr.write(f"model: {c.case} on {c.base_files} files: {c.model:.2f} s expected, "
                         f"{c.measured:.2f} s measured\n")  # fmt: skip
    sys.stderr.write(f"model: {len(checks) - len(wrong)} of {len(checks)} cases within "
                     f"{ALLOWED:.0%}\n")  # fmt: skip


if __name__ == "__main__":
    main()
