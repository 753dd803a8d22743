"""The whole run: `python -m tests.oracle [--keep DIR] [NAME ...]`, as `make oracle` starts it.

Exits with 1 when a difference has no row. With names only these packages are compared.
"""

import argparse
import os
import sys
import tempfile
import time
from contextlib import nullcontext
from pathlib import Path

from tests.oracle import accounts, bases, corpus, overrides, report, tables
from tests.oracle.ground import make_account_ground, make_ground, make_override_ground
from tests.oracle.judge import Verdict, judge, judge_change
from tests.support import world
from tests.support.ostree import make_base
from tests.support.repos import make_repo

BATCH = 24


def main() -> int:
    """Real packages first, then those made for the hard cases."""
    arguments = _read_arguments()
    if arguments.tables:
        tables.PAGE.write_text(tables.fill(tables.PAGE.read_text()))
        return 0
    if os.geteuid() != 0:
        sys.exit("the oracle installs packages and needs root: sudo make oracle")
    if arguments.keep:
        arguments.keep.mkdir(parents=True, exist_ok=True)
    place = nullcontext(arguments.keep) if arguments.keep else tempfile.TemporaryDirectory(
        prefix="pkglayer-oracle-", dir="/var/tmp"
    )
    with place as directory:
        verdicts = _run(arguments, Path(directory).absolute())
    report.write(verdicts)
    report.show(verdicts)
    return 1 if any(v.unexplained for v in verdicts.values()) else 0


def _read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="oracle", description=__doc__)
    parser.add_argument("--keep", type=Path, help="work here and leave it")
    parser.add_argument("--batch", type=int, default=BATCH, help="packages installed together")
    parser.add_argument("--tables", action="store_true", help="write the tables of the page anew")
    parser.add_argument("--made", action="store_true", help="only the packages made for it")
    parser.add_argument("--real", action="store_true", help="only packages of the distribution")
    parser.add_argument("names", nargs="*", help="only these packages")
    return parser.parse_args()


def _run(arguments: argparse.Namespace, work: Path) -> dict[str, Verdict]:
    verdicts = {}
    if not arguments.made:
        real = run_real(work / "real", arguments.names, arguments.batch)
        verdicts["distribution packages"] = real
    if not (arguments.names or arguments.real):
        verdicts["hard cases"] = run_corpus(work / "made")
        verdicts["packages of the base"] = run_overrides(work / "overrides")
        verdicts["accounts of the base"] = run_accounts(work / "accounts")
    return verdicts


def run_real(work: Path, names: list[str], batch: int) -> Verdict:
    """Everything of the full world that can be layered on the smallest base, in batches."""
    work.mkdir(parents=True, exist_ok=True)
    full, small = world.build("full", report.say), world.build("small", report.say)
    report.say("composing the base")
    base, layers = bases.compose_base(work, full, small)
    ground = make_ground(work, base, [full.repo_v1])
    wanted = names or layers
    verdict = Verdict()
    for start in range(0, len(wanted), batch):
        chosen = wanted[start : start + batch]
        began = time.monotonic()
        one = judge(ground, chosen)
        verdict.merge(one)
        report.say(
            f"{chosen[0]} .. {chosen[-1]}: {len(one.packages)} packages, {one.rows.total()} "
            f"explained, {len(one.unexplained)} not, {time.monotonic() - began:.0f} s"
        )
        report.show_unexplained(one)
    return verdict


def run_corpus(work: Path) -> Verdict:
    """The packages of `corpus`, each case on its own, on the test system's base."""
    work.mkdir(parents=True, exist_ok=True)
    rpms, cases = corpus.build(work / "rpms")
    ground = make_ground(
        work, make_base(work, corpus.BASE_FILES), [make_repo(work / "repo", rpms)]
    )
    verdict = Verdict()
    for names in cases:
        one = judge(ground, names)
        verdict.merge(one)
        report.show_unexplained(one, f"{names[0]}: ")
    report.say(f"{len(cases)} hard cases: {len(verdict.unexplained)} unexplained")
    return verdict


def run_overrides(work: Path) -> Verdict:
    """Packages of the base replaced, updated and removed, each change on its own."""
    work.mkdir(parents=True, exist_ok=True)
    ground, new = make_override_ground(work)
    verdict = Verdict()
    for change in overrides.CHANGES:
        one = judge_change(ground, change, new)
        verdict.merge(one)
        report.show_unexplained(one, f"{change.title}: ")
    report.say(f"{len(overrides.CHANGES)} overrides: {len(verdict.unexplained)} unexplained")
    return verdict


def run_accounts(work: Path) -> Verdict:
    """Packages that make and use accounts, on bases that keep theirs in other ways."""
    verdict = Verdict()
    for number, kind in enumerate(accounts.KINDS):
        place = work / str(number)
        place.mkdir(parents=True)
        ground = make_account_ground(place, kind)
        for names in (*([name] for name in accounts.PACKAGES), list(accounts.PACKAGES)):
            one = judge(ground, names)
            verdict.merge(one)
            report.show_unexplained(one, f"{kind}: {names[0]}: ")
    report.say(f"{len(accounts.KINDS)} bases: {len(verdict.unexplained)} unexplained")
    return verdict


if __name__ == "__main__":
    sys.exit(main())
