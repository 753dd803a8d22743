"""What is measured: the cases, each with its command for every tool that can do it."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.bench.fixtures import MANY
from tests.bench.stage import REFSPEC, Stage

Command = list[str | Path]
HERE = Path(__file__).parent
PROGRAM = Path(sys.executable).with_name("pkglayer")
MANY_NAMES = tuple(f"many{number:02d}" for number in range(MANY))
BOTH = ("small", "many")
BOTH_V2 = ("small", "many-v2")
DBPATH = "usr/lib/sysimage/rpm"


@dataclass(frozen=True)
class Case:
    """One measurement.

    `start` is the stage: `bare`, or `fifty` with the fifty packages layered; `repos` are enabled;
    `layer` names the RPMs that are in the result (for the tools that start from the base);
    `cold` forgets metadata, downloads and imports before each run (the floor is that of the warm
    case); `moves` publishes the second
    base before the run; `deploys` tells that the result is a new deployment.
    """

    name: str
    start: str
    repos: tuple[str, ...]
    verb: tuple[str, ...]
    layer: tuple[str, ...] = ()
    cold: bool = False
    moves: bool = False
    deploys: bool = True

    def commands(self, stage: Stage, work: Path) -> dict[str, Command]:
        """The command of each tool; those of tools that have none are not there."""
        quiet = ["--quiet"] if (self.start == "fifty" and self.repos) or self.deploys else []
        own, dashes, foreign = self._words()
        ours: Command = [PROGRAM, *own, *quiet, "--sysroot", stage.path, *dashes, *foreign]
        found: dict[str, Command] = {"pkglayer": ours}
        if reference := _REFERENCES.get(self.name, _layer)(self, stage):
            found["reference"] = reference
        if self.deploys and not self.cold:  # a ready commit would have the layer's content
            ready = (work / f"ready-{self.name}").read_text().split()
            found["floor"] = [sys.executable, HERE / "floor.py", stage.path, *ready]
        return found

    def _words(self) -> tuple[Sequence[str], Sequence[str], Sequence[str]]:
        at = self.verb.index("--") if "--" in self.verb else len(self.verb)
        return self.verb[:at], self.verb[at : at + 1], self.verb[at + 1 :]

    def rpms(self, stage: Stage) -> list[Path]:
        """The RPM files that the result of the case has on the base."""
        where = [stage.repos / repo for repo in self.repos]
        return [
            max((p for d in where for p in d.glob(f"{name}-*.rpm")), key=lambda p: p.name)
            for name in self.layer
        ]


CASES: tuple[Case, ...] = (
    Case("install-1", "bare", ("small",), ("install", "small"), ("small",)),
    Case("install-1-cold", "bare", ("small",), ("install", "small"), ("small",), cold=True),
    Case("install-50", "bare", ("many",), ("install", *MANY_NAMES), MANY_NAMES),
    Case("install-50-cold", "bare", ("many",), ("install", *MANY_NAMES), MANY_NAMES, cold=True),
    Case("install-big", "bare", ("big",), ("install", "big"), ("big",)),
    Case("install-big-cold", "bare", ("big",), ("install", "big"), ("big",), cold=True),
    Case("add-1-to-50", "fifty", BOTH, ("install", "small"), ("small", *MANY_NAMES)),
    Case("uninstall-1-of-50", "fifty", BOTH, ("uninstall", "many07"),
         tuple(n for n in MANY_NAMES if n != "many07")),
    Case("upgrade-50-same", "fifty", BOTH, ("upgrade",), MANY_NAMES, moves=True),
    Case("upgrade-50-10-changed", "fifty", BOTH_V2, ("upgrade",), MANY_NAMES, moves=True),
    Case("upgrade-noop", "fifty", BOTH, ("upgrade", "--idempotent"), deploys=False),
    Case("preview", "fifty", BOTH, ("upgrade", "--preview"), moves=True, deploys=False),
    Case("status", "fifty", (), ("status",), deploys=False),
    Case("db-list", "fifty", (), ("db", "list", "0"), deploys=False),
    Case("db-diff", "fifty", (), ("db", "diff", "base", "0"), deploys=False),
    Case("db-query", "fifty", (), ("db", "query", "0", "--", "-qa"), deploys=False),
    Case("search-70000", "bare", ("index",), ("search", "indexed-00007"), deploys=False),
    Case("search-70000-cold", "bare", ("index",), ("search", "indexed-00007"), deploys=False,
         cold=True),
)  # fmt: skip


def dnf_command(case: Case, stage: Stage, root: Path) -> Command:
    """`dnf --installroot` of the case's packages, and of a shell for their scriptlets."""
    names = (*case.repos, "shell")
    repos = [f"--repofrompath={name},{(stage.repos / name).as_uri()}" for name in names]
    options = [f"--installroot={root}", "--releasever=1", "--nogpgcheck", "--disablerepo=*"]
    options += [f"--enablerepo={name}" for name in names]
    options += [f"--setopt=cachedir={root.parent}/dnf-cache", "--setopt=reposdir=/nonexistent"]
    return ["dnf", "-q", "-y", *repos, *options, "install", *case.layer]


def _layer(case: Case, stage: Stage) -> Command:
    script = HERE / "reference.sh"
    if case.moves:
        return [script, "upgrade", stage.path, REFSPEC, *case.rpms(stage)]
    return [script, "layer", stage.path, stage.base.v1, *case.rpms(stage)]


def _noop(_case: Case, stage: Stage) -> Command:
    return [HERE / "reference.sh", "upgrade", stage.path, REFSPEC]


def _preview(_case: Case, stage: Stage) -> Command:
    pull = f"ostree pull --repo={stage.repo} --subpath=/{DBPATH} origin {stage.base.ref}"
    cat = f"ostree cat --repo={stage.repo} {REFSPEC} /{DBPATH}/rpmdb.sqlite"
    work = stage.path / "preview"
    query = f"rpm -qa --dbpath={work}"
    return ["sh", "-c", f"{pull} && mkdir -p {work} && {cat} > {work}/rpmdb.sqlite && {query}"]


def _status(_case: Case, stage: Stage) -> Command:
    return ["ostree", "admin", "status", f"--sysroot={stage.path}"]


def _list(_case: Case, stage: Stage) -> Command:
    return ["rpm", "-qa", f"--dbpath={stage.deployment}/{DBPATH}"]


def _diff(_case: Case, stage: Stage) -> Command:
    state = f"rpm -qa --dbpath={stage.deployment}/{DBPATH} | sort > {stage.path}/b"
    cat = f"ostree cat --repo={stage.repo} {stage.base.v1} /{DBPATH}/rpmdb.sqlite"
    work = stage.path / "diff"
    base = f"mkdir -p {work} && {cat} > {work}/rpmdb.sqlite && rpm -qa --dbpath={work}"
    diff = f"diff {stage.path}/a {stage.path}/b || true"
    return ["sh", "-c", f"{state}; {base} | sort > {stage.path}/a; {diff}"]


def _nothing(_case: Case, _stage: Stage) -> Command:
    return []


_REFERENCES: dict[str, Callable[[Case, Stage], Command]] = {
    "upgrade-noop": _noop,
    "preview": _preview,
    "status": _status,
    "db-list": _list,
    "db-query": _list,
    "db-diff": _diff,
    "search-70000": _nothing,
    "search-70000-cold": _nothing,
}


def find_cases(names: Sequence[str]) -> list[Case]:
    """The cases of these names, or all; raises KeyError for a name that is none."""
    by_name = {case.name: case for case in CASES}
    return [by_name[name] for name in names] if names else list(CASES)
