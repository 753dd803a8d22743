"""Record: what this state is, as values for its record file and for the files generated with it."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from pkglayer.model.accounts import to_sysusers
from pkglayer.model.plan import Plan
from pkglayer.model.record import RECORD_PATH, Account, Note, Record, Ruling, ScriptRun, to_json

SYSUSERS_PATH = "usr/lib/sysusers.d/00-pkglayer.conf"
"""Early in order: of two lines for one name sysusers.d takes the first, and ours have the ids."""


class Report(Protocol):
    """What running the scriptlets tells."""

    @property
    def runs(self) -> tuple[ScriptRun, ...]: ...

    @property
    def accounts(self) -> tuple[Account, ...]: ...

    @property
    def notes(self) -> tuple[Note, ...]: ...

    @property
    def rulings(self) -> tuple[Ruling, ...]: ...


def make_record(
    plan: Plan, digest: str, report: Report, notes: Sequence[Note]
) -> tuple[Record, dict[str, bytes]]:
    """The record, and the files that go into the tree with it (path -> content).

    What scriptlets printed may vary from run to run, so the record has it only of those that
    failed.
    """
    every = tuple(sorted({*notes, *report.notes}, key=lambda n: (n.package, n.what, n.why)))
    runs = tuple(r if r.exit_code else replace(r, output="") for r in report.runs)
    made = Record(plan, digest, runs, report.accounts, every, report.rulings)
    files = {RECORD_PATH: to_json(made).encode()}
    if report.accounts:
        files[SYSUSERS_PATH] = to_sysusers(report.accounts).encode()
    return made, files
