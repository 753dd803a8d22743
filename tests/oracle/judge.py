"""Runs a set of packages through both ways and judges every difference by the table of rows."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.oracle.compare import Difference, compare_trees
from tests.oracle.databases import compare_databases, read_database
from tests.oracle.ground import (
    Ground,
    Refused,
    Result,
    change_by_pkglayer,
    change_by_rpm,
    in_root,
)
from tests.oracle.overrides import Change
from tests.oracle.rows import find_row
from tests.oracle.trees import scan


@dataclass
class Verdict:
    """What came of some sets: packages compared, rows used (name -> how often), differences that
    no row explains, and names that pkglayer refused with what it said."""

    packages: set[str] = field(default_factory=set)
    rows: Counter[str] = field(default_factory=Counter)
    unexplained: list[Difference] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)

    def add(self, difference: Difference) -> None:
        if row := find_row(difference):
            self.rows[row.name] += 1
        else:
            self.unexplained.append(difference)

    def merge(self, other: "Verdict") -> None:
        self.packages |= other.packages
        self.rows += other.rows
        self.unexplained += other.unexplained
        self.refused |= other.refused


def judge(ground: Ground, names: Sequence[str]) -> Verdict:
    """Install packages by name, with what they need, in both ways.

    Where pkglayer refuses some of them together, halves are tried, down to single packages.
    """
    verdict = Verdict()
    try:
        came, ours = change_by_pkglayer(ground, ["install", *names])
    except Refused as e:
        if len(names) == 1:
            verdict.refused[names[0]] = str(e)
        else:
            middle = len(names) // 2
            verdict.merge(judge(ground, names[:middle]))
            verdict.merge(judge(ground, names[middle:]))
        return verdict
    verdict.packages.update(came)
    words = ["--install", *(str(ground.rpms[nevra]) for nevra in came)]
    for difference in differences(ground, words, came, ours):
        verdict.add(difference)
    return verdict


def judge_change(ground: Ground, change: Change, rpms: Mapping[str, Sequence[Path]]) -> Verdict:
    """Change packages of the base in both ways."""
    verdict = Verdict()
    try:
        came, ours = change_by_pkglayer(ground, change.ours(rpms))
    except Refused as e:
        verdict.refused[change.title] = str(e)
        return verdict
    verdict.packages.update([*came, *change.remove])
    words = change.rpms([ground.rpms[nevra] for nevra in came])
    for difference in differences(ground, words, came, ours):
        verdict.add(difference)
    return verdict


def differences(
    ground: Ground, words: Sequence[str], nevras: Sequence[str], ours: Result
) -> Iterator[Difference]:
    """Everything in which our tree, to which these packages came, differs from what rpm makes."""
    try:
        rpm = change_by_rpm(ground, words)
    except Refused as e:
        yield Difference("said", f"rpm {words[0]}", "done", str(e))
        return
    yield from _compare_words("boot", ours.said, rpm.said)
    yield from compare_trees(scan(ours.tree), scan(rpm.tree))
    dbpath = ground.base.database
    yield from compare_databases(
        read_database(ours.tree, dbpath), read_database(rpm.tree, dbpath)
    )
    if nevras:
        verified = [_verify(ground, result, nevras) for result in (ours, rpm)]
        yield from _compare_words("rpm --verify", *verified)


def _verify(ground: Ground, result: Result, nevras: Sequence[str]) -> tuple[str, ...]:
    flags = [f"--root={result.tree}", f"--dbpath=/{ground.base.database}", "--nomtime"]
    command = ["rpm", "--verify", *flags, "--noscripts", *nevras]
    return tuple(in_root(result.tree, command, ground.base.timestamp).stdout.splitlines())


def _compare_words(
    what: str, ours: Sequence[str], rpm: Sequence[str]
) -> Iterator[Difference]:
    for line in sorted({*ours} ^ {*rpm}):
        mine = line in ours
        yield Difference("said", f"{what}: {line}", line if mine else "", "" if mine else line)
