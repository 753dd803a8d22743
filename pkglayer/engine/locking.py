"""Locks at work: a state as a lock file, the same state from it on any machine, and proof of it.

`make_lock`, `apply_lock`, `verify`. Nothing is resolved here: the lock says which packages, and the
commit must come out with the same checksum.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from pkglayer.engine import bases, pipeline, signing, solving, space, standing, upkeep
from pkglayer.engine.local import LocalRpm
from pkglayer.engine.pipeline import Outcome
from pkglayer.engine.session import Session, base_files
from pkglayer.engine.states import find_state
from pkglayer.model.errors import PkglayerError, StateError
from pkglayer.model.lock import Lock
from pkglayer.model.package import Package
from pkglayer.model.plan import LAYOUT_VERSION, plan_digest
from pkglayer.model.record import Record
from pkglayer.model.signature import SignatureState
from pkglayer.model.space import check_rooms
from pkglayer.stages import commit, importer
from pkglayer.stages.fetch import fetch_local
from pkglayer.system import rpmlib
from pkglayer.system.rpmmd import Repository


def recorded_state(session: Session, which: str) -> tuple[str, Record]:
    """Commit and record of a deployed state; raises StateError for a bare base."""
    target = find_state(session, which)
    record = target.deployment.record if target.deployment else None
    if record is None:
        raise StateError(
            f"{target.label} has no record: it is a bare base, or not deployed",
            hint="pkglayer status lists the states; name one that has layered packages",
        )
    return target.commit, record


def make_lock(session: Session, which: str) -> Lock:
    """Everything that determines a state; which setting it was built with is in its digest."""
    checksum, record = recorded_state(session, which)
    for post_failure in ("abort", "warn"):
        if plan_digest(record.plan, {"post-failure": post_failure}) == record.digest:
            accounts = record.accounts
            return Lock(record.plan, checksum, record.digest, post_failure, accounts=accounts)
    raise StateError(
        "this state was built by another version of pkglayer and cannot be locked",
        hint="build it anew first: pkglayer upgrade",
    )


def apply_lock(session: Session, lock: Lock, rpms: Path | None = None) -> Outcome:
    """Build the locked state and make it the next boot.

    Packages come from what is imported, from the directory `rpms`, or from the repositories.
    Raises StateError when the result is not the locked commit; nothing is deployed then.
    """
    _check_layout(lock)
    before, base = session.sysroot.newest, lock.plan.base
    session.settings = replace(session.settings, post_failure=lock.post_failure)
    session.seed = lock.accounts
    if session.options.dry_run:
        return Outcome(lock.plan, before, rooms=space.plan_rooms(session, lock.plan))
    with (
        bases.particular_base(session, base.refspec, base.commit),
        upkeep.refs_undone(session),
        _local_rpms(session, lock.plan.packages, rpms) as brought,
    ):
        rooms = space.plan_rooms(session, lock.plan)
        check_rooms(rooms)
        signing.check_key(session)
        repositories = _repositories(session, lock, brought)
        packages = pipeline.obtain(session, lock.plan, repositories, brought)
        plan = replace(lock.plan, packages=tuple(p.package for p in packages))
        digest = plan_digest(plan, {"post-failure": lock.post_failure})
        if digest != lock.digest:
            raise StateError("the lock was edited: its packages and requests give another digest")
        checksum, reused, made = pipeline.built(session, plan, packages, digest)
        if checksum != lock.commit:
            raise StateError(
                f"the state came out as {checksum[:12]}, the lock says {lock.commit[:12]}",
                hint="pkglayer verify on the machine the lock is from names the files that vary",
                data={"commit": checksum, "locked": lock.commit},
            )
        changed = pipeline.publish(session, plan, checksum, {}, replaces=False)
    standing.remember_plan(session, plan, moved=True)
    upkeep.sweep(session)
    return Outcome(plan, before, checksum, changed, reused, made, rooms=rooms)


def _check_layout(lock: Lock) -> None:
    if lock.layout != LAYOUT_VERSION:
        raise StateError(
            f"the lock is for layout {lock.layout}, this pkglayer builds {LAYOUT_VERSION}",
            hint="use the pkglayer that wrote it",
        )


def _repositories(session: Session, lock: Lock, brought: Sequence[LocalRpm]) -> list[Repository]:
    """Loaded only when something is neither imported nor brought."""
    there = {rpm.package.header_checksum for rpm in brought}
    rest = [p for p in lock.plan.packages if p.header_checksum not in there]
    if None not in importer.find_imports(session.repo, rest):
        return []
    with base_files(session, lock.plan.base) as tree:
        return solving.load_repositories(session, tree)


@contextmanager
def _local_rpms(
    session: Session, packages: Sequence[Package], directory: Path | None
) -> Iterator[list[LocalRpm]]:
    """The files of a directory that the lock names by header checksum, verified and open.

    A package that the lock has without a key was let in unsigned where the lock comes from, and is
    here by the same header; every other needs a trusted signature.
    """
    wanted = {p.header_checksum: p for p in packages}
    keyring = solving.read_keyring(session)
    with ExitStack() as stack:
        found = []
        for path in sorted(directory.glob("*.rpm")) if directory else ():
            package = wanted.get(_header_of(path))
            if package is None:
                continue
            check = keyring if package.key else None
            rpm = fetch_local(path, cache=session.cachedir / "packages", keyring=check)
            stack.callback(rpm.file.close)
            if rpm.package.header_checksum != package.header_checksum:
                raise PkglayerError(f"{path} changed while it was read", hint="try again")
            found.append(LocalRpm(package, rpm.file, rpmlib.read_head(rpm.file)))
        yield found


def _header_of(path: Path) -> str:
    """The header's checksum, "" for a file that is no RPM (it is of no interest then)."""
    try:
        with path.open("rb") as file:
            return rpmlib.header_checksum(rpmlib.read_head(file))
    except (OSError, PkglayerError):
        return ""


@dataclass(frozen=True)
class Verified:
    """What building a state again gave; `differences` are paths, each with `+`, `-` or `f`."""

    commit: str
    rebuilt: str
    signature: SignatureState
    differences: tuple[str, ...] = ()

    @property
    def same(self) -> bool:
        return self.commit == self.rebuilt


def verify(session: Session, which: str) -> Verified:
    """Check the signature, build the state again from its record and compare; deploys nothing."""
    lock = make_lock(session, which)
    signature = signing.read_state(session, lock.commit)
    session.settings = replace(session.settings, post_failure=lock.post_failure)
    session.seed = lock.accounts
    ref = commit.STATE_REF + lock.digest
    kept = session.repo.resolve(ref)
    with upkeep.refs_undone(session):
        try:
            packages = pipeline.obtain(session, lock.plan, _repositories(session, lock, ()), ())
            rebuilt, _ = pipeline.build(session, lock.plan, packages, lock.digest)
            differences = _differences(session, lock.commit, rebuilt)
            return Verified(lock.commit, rebuilt, signature, differences)
        finally:
            session.repo.set_ref(ref, kept or None)


def _differences(session: Session, old: str, new: str) -> tuple[str, ...]:
    trees = [session.repo.read_commit(c).tree for c in (old, new)]
    return tuple(f"{what} /{path}" for path, what, _ in session.repo.diff(trees[0], trees[1]))
