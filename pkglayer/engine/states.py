"""Looking into any state: finding the one a word names, and reading its package database.

Reading only: nothing is deployed, locked or written. A commit that is not deployed is looked at
through copies of its package database alone.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from pkglayer.engine.session import Session
from pkglayer.model.deployment import Deployment
from pkglayer.model.errors import StateError, UsageError
from pkglayer.model.package import Nevra
from pkglayer.model.pkgdiff import ChangelogEntry, PackageDiff, diff_changelogs, diff_packages
from pkglayer.model.record import RECORD_PATH, ScriptRun, from_json
from pkglayer.model.roles import ROLES
from pkglayer.model.rpmargs import reads_every_file
from pkglayer.system import repoprinted, rpmhome, rpmquery
from pkglayer.system.rpmevr import evr_compare
from pkglayer.system.rpmhome import DB_PATHS
from pkglayer.system.rpmquery import Answer
from pkglayer.system.scratch import scratch

_SHORTEST_CHECKSUM = 6


@dataclass(frozen=True)
class Target:
    """What a STATE names: a commit, and the deployment of it where there is one."""

    commit: str
    label: str
    deployment: Deployment | None = None


@dataclass(frozen=True)
class StateView:
    """A state to read from: `dbpath` is relative to `root`; `whole` when all files are there."""

    target: Target
    root: Path
    dbpath: str
    whole: bool

    def packages(self, pattern: str = "") -> tuple[Nevra, ...]:
        """The packages of the state, or those that match a shell-style pattern."""
        return rpmquery.list_packages(self.root, self.dbpath, pattern)

    def changelogs(self, packages: Sequence[Nevra]) -> Mapping[Nevra, tuple[ChangelogEntry, ...]]:
        """The changelogs of these packages."""
        return rpmquery.read_changelogs(self.root, self.dbpath, packages)


@dataclass(frozen=True)
class StateDiff:
    """The package difference of two states; `news` only where changelogs were asked for."""

    old: Target
    new: Target
    packages: PackageDiff
    news: Mapping[Nevra, Sequence[ChangelogEntry]] | None = None


@dataclass(frozen=True)
class Found:
    """A package in a deployment; `layered` when pkglayer put it on the base."""

    deployment: Deployment
    nevra: Nevra
    layered: bool


def find_state(session: Session, which: str = "") -> Target:
    """The state a word names: an index, booted, pending, rollback, base, a ref or a commit.

    Without a word it is the running state, or the next boot where none runs. `base` is the bare
    base below that. Raises UsageError for what names nothing.
    """
    sysroot = session.sysroot
    current = sysroot.booted or sysroot.newest
    if which in ("", "base"):
        return _base_of(current) if which else _of(current)
    if which in ROLES:
        return _by_role(sysroot.deployments, which)
    if which.isdecimal() and len(which) < _SHORTEST_CHECKSUM:
        return _by_index(sysroot.deployments, int(which))
    return _by_commit(session, which)


@contextmanager
def open_state(session: Session, target: Target) -> Iterator[StateView]:
    """The state, ready to be read; raises StateError when it has no package database."""
    if target.deployment is not None:
        root = Path(target.deployment.root)
        yield StateView(target, root, rpmhome.find_dbpath(root), whole=True)
        return
    with scratch("state") as copy:
        for path in DB_PATHS:
            session.repo.export(target.commit, path, copy)
        yield StateView(target, copy, rpmhome.find_dbpath(copy), whole=False)


def list_state(session: Session, which: str, pattern: str) -> tuple[Target, tuple[Nevra, ...]]:
    """The packages of one state."""
    target = find_state(session, which)
    with open_state(session, target) as view:
        return target, view.packages(pattern)


def list_scripts(
    session: Session, which: str, pattern: str
) -> tuple[Target, tuple[ScriptRun, ...] | None]:
    """The scriptlets that ran for a state, of packages whose name matches a shell-style pattern.

    With what they printed, where that was kept beside the commit. None for a state without a layer.
    """
    target = find_state(session, which)
    runs = repoprinted.read_printed(session.repo, target.commit)
    if runs is None:
        text = session.repo.read_file(target.commit, RECORD_PATH)
        runs = from_json(text.decode()).scripts if text else None
    if runs is None or not pattern:
        return target, runs
    return target, tuple(r for r in runs if fnmatchcase(Nevra.parse(r.package).name, pattern))


def diff_states(session: Session, old: str, new: str, *, changelogs: bool = False) -> StateDiff:
    """How the packages of two states differ; see `find_pair` for words that are left out."""
    a, b = find_pair(session, old, new)
    with ExitStack() as stack:
        before = stack.enter_context(open_state(session, a))
        after = stack.enter_context(open_state(session, b))
        diff = _diff(before, after)
        if not changelogs:
            return StateDiff(a, b, diff)
        changed = [*diff.upgraded, *diff.downgraded]
        news = diff_changelogs(
            diff,
            before.changelogs([c.old for c in changed]),
            after.changelogs([c.new for c in changed]),
        )
    return StateDiff(a, b, diff, news)


def diff_bases(session: Session, old: str, new: str) -> PackageDiff:
    """How the packages of two base commits differ; of the new one only the rpmdb need be here."""
    with ExitStack() as stack:
        views = [stack.enter_context(open_state(session, Target(c, "base"))) for c in (old, new)]
        return _diff(*views)


def _diff(old: StateView, new: StateView) -> PackageDiff:
    places = [(view.root, view.dbpath) for view in (old, new)]
    return diff_packages(*rpmquery.list_different(*places), evr_compare)


def find_pair(session: Session, old: str, new: str) -> tuple[Target, Target]:
    """The two states to compare; with one word or none, those a person most likely means.

    None: from the running state to the next boot. One: from the running state to that one. Where
    both are the same state, its bare base stands in for the first: what the layer adds.
    """
    if old and new:
        return find_state(session, old), find_state(session, new)
    deployments = session.sysroot.deployments
    current = session.sysroot.booted or (deployments[1] if len(deployments) > 1 else None)
    target = find_state(session, old) if old else _of(session.sysroot.newest)
    if current is None or _of(current) == target:
        base = _base_of(target.deployment) if target.deployment else target
        return base, target
    return _of(current), target


def query_state(session: Session, which: str, args: Sequence[str]) -> Answer:
    """Ask rpm about one state; raises UsageError for what is not a plain query."""
    with open_state(session, find_state(session, which)) as view:
        if not view.whole and reads_every_file(args):
            raise StateError(
                f"{view.target.label} is not deployed: only its package database can be looked at",
                hint="verify a deployed state; pkglayer status lists them",
            )
        return rpmquery.run_query(view.root, view.dbpath, args)


def find_packages(session: Session, pattern: str) -> tuple[Found, ...]:
    """Where a package is: all deployments, the next boot first."""
    rows = []
    for deployment in session.sysroot.deployments:
        plan = deployment.record.plan if deployment.record else None
        layered = {p.nevra for p in plan.packages} if plan else set()
        with open_state(session, _of(deployment)) as view:
            rows += [Found(deployment, n, n in layered) for n in view.packages(pattern)]
    return tuple(rows)


def _of(deployment: Deployment) -> Target:
    role = f" ({deployment.role_words})" if deployment.role else ""
    return Target(deployment.checksum, f"state {deployment.index}{role}", deployment)


def _base_of(deployment: Deployment) -> Target:
    if deployment.checksum == deployment.base.commit:
        return _of(deployment)
    version = f" {deployment.base.version}" if deployment.base.version else ""
    return Target(deployment.base.commit, f"the base{version} of state {deployment.index}")


def _by_role(deployments: Sequence[Deployment], role: str) -> Target:
    for deployment in deployments:
        if deployment.role == role:
            return _of(deployment)
    raise UsageError(f"there is no {role} state", hint="pkglayer status lists what there is")


def _by_index(deployments: Sequence[Deployment], index: int) -> Target:
    if index < len(deployments):
        return _of(deployments[index])
    raise UsageError(
        f"there is no state {index}", hint=f"the states are 0 to {len(deployments) - 1}"
    )


def _by_commit(session: Session, which: str) -> Target:
    for deployment in session.sysroot.deployments:
        if len(which) >= _SHORTEST_CHECKSUM and deployment.checksum.startswith(which):
            return _of(deployment)
    commit = session.repo.resolve(which)
    for deployment in session.sysroot.deployments:
        if commit and deployment.checksum == commit:
            return _of(deployment)
    if commit and session.repo.has_commit(commit):
        return Target(commit, which if commit.startswith(which) else f"{which} ({commit[:12]})")
    raise UsageError(
        f"'{which}' names no state",
        hint="give an index, booted, pending, rollback, base, a commit or a ref; "
        "a package pattern goes behind the state",
        data={"state": which},
    )
