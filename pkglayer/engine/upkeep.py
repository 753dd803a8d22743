"""The verbs that build nothing: rollback, pins, cleaning up, refreshing metadata.

Cleaning removes only what no state needs: layered commits, bases and imported packages that no
deployment refers to. The booted, pinned and next states are never touched.
"""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from pkglayer.engine import solving
from pkglayer.engine.session import Session, base_files, chosen_path, identify, read_chosen
from pkglayer.model.deployment import Deployment
from pkglayer.model.errors import PkglayerError, RepositoryError, StateError, UsageError
from pkglayer.model.request import ORIGIN_GROUP
from pkglayer.stages.commit import BASE_REF, STATE_REF
from pkglayer.stages.importer import FILE_REF, HEADER_REF
from pkglayer.system.statefiles import write_state


def rollback(session: Session) -> Deployment:
    """Make the previous state the next boot; again toggles back. Returns the new next boot."""
    order = plan_rollback(session.sysroot.deployments)
    if session.options.dry_run:
        return order[0]
    bare = order[0].record is None and ORIGIN_GROUP not in order[0].origin
    failed = _remember_choice(session, order[0]) if bare else ""
    session.sysroot.write_order(order)  # whatever came of that: going back matters more
    if failed and (failed := _remember_choice(session, order[0])):
        session.progress.note(f"warning: reconcile will take the requests up again: {failed}")
    return session.sysroot.newest


def _remember_choice(session: Session, bare: Deployment) -> str:
    """That nothing is requested on this base is meant so: its origin, older than all requests, does
    not say it, and the requests of the state that is left would be taken up again.

    Returns why it could not be written, empty when it was.
    """
    there = [identify(d) for d in session.sysroot.deployments]
    known = [d for d in read_chosen(session.sysroot) if d in there and d != identify(bare)]
    try:
        write_state(
            chosen_path(session.sysroot), {"version": 1, "bare": [*known, identify(bare)]}
        )
    except OSError as e:
        return str(e)
    return ""


def plan_rollback(deployments: Sequence[Deployment]) -> list[Deployment]:
    """The order of deployments after a rollback; a staged state, never booted, is dropped.

    Raises StateError when there is nothing to go back to.
    """
    booted = next((d for d in deployments if d.booted), None)
    kept = [d for d in deployments if not d.staged]
    if booted is not None and deployments[0] is not booted:
        return [booted, *(d for d in kept if d is not booted)]
    if len(kept) < 2:
        raise StateError(
            "there is no state to roll back to",
            hint="see pkglayer status; a state is kept for rollback after the first change",
        )
    return [kept[1], kept[0], *kept[2:]]


def find_deployment(deployments: Sequence[Deployment], which: str) -> Deployment:
    """The state that a word names: its index, or `booted`, `pending`, `rollback`."""
    for deployment in deployments:
        if which in (str(deployment.index), deployment.role):
            return deployment
    raise UsageError(
        f"there is no state '{which}'",
        hint=f"give 0 to {len(deployments) - 1}, booted, pending or rollback; "
        "see: pkglayer status",
    )


def set_pin(session: Session, which: str, pinned: bool) -> Deployment:
    """Keep a deployment whatever is cleaned up, or stop keeping it."""
    found = find_deployment(session.sysroot.deployments, which)
    if found.staged and pinned:
        raise StateError(
            "a staged state cannot be pinned before it was booted once",
            hint="reboot into it, then: pkglayer pin booted",
        )
    if not session.options.dry_run:
        session.sysroot.set_pinned(found, pinned)
    return found


@dataclass(frozen=True)
class Cleaned:
    """What went: deployments, refs, and bytes that came free on the repository's file system
    (metadata and downloads counted where they lie)."""

    deployments: tuple[Deployment, ...]
    refs: tuple[str, ...]
    freed: int


def cleanup(
    session: Session, *, pending: bool = False, rollback: bool = False, cache: bool = False,
    metadata: bool = False,
) -> Cleaned:  # fmt: skip
    """Drop the states asked for, then everything that no state needs any more."""
    sysroot = session.sysroot
    gone = plan_drop(sysroot.deployments, pending=pending, rollback=rollback)
    paths = [session.cachedir / "packages"] * cache
    paths += [session.cachedir / "metadata", session.cachedir / "solv"] * metadata
    kept = [d for d in sysroot.deployments if d not in gone]
    refs = unneeded_refs(session, kept)
    if session.options.dry_run:
        return Cleaned(tuple(gone), tuple(refs), sum(_size(p) for p in paths))
    freed = _remove_paths(paths)  # first, since even dropping a state takes a little room
    if gone:
        sysroot.write_order(kept)
    try:
        freed += _remove(session, refs)
    except (PkglayerError, OSError) as e:
        if not gone:
            raise
        session.progress.note(f"warning: not everything could be cleaned up yet: {e}")
    return Cleaned(tuple(gone), tuple(refs), freed)


def sweep(session: Session) -> None:
    """After a change: remove what just became garbage, if something did."""
    try:
        refs = unneeded_refs(session, session.sysroot.deployments)
        if refs or session.dropped:
            _remove(session, refs)
    except (PkglayerError, OSError) as e:
        # The change itself is done: what is left over costs space and nothing else.
        session.progress.note(f"warning: not everything could be cleaned up yet: {e}")


@contextmanager
def refs_undone(session: Session) -> Iterator[None]:
    """When the body fails, our refs that it made go again, unless a state came to need them.

    The objects below them are garbage from then on; the next change that sweeps removes them.
    """
    before = set(session.repo.list_refs("pkglayer"))
    try:
        yield
    except BaseException:
        session.sysroot.reload()
        for ref in unneeded_refs(session, session.sysroot.deployments):
            if ref not in before and ref.removeprefix("pkglayer/") not in before:
                session.repo.set_ref(ref, None)
        raise


def _remove_paths(paths: Sequence[Path]) -> int:
    freed = sum(map(_size, paths))
    for path in paths:
        shutil.rmtree(path, ignore_errors=True)
    return freed


def _remove(session: Session, refs: Sequence[str]) -> int:
    freed = 0
    for ref in refs:
        session.repo.set_ref(ref, None)
    with session.timings.phase("cleanup"):
        session.sysroot.cleanup()
        freed += session.repo.prune()[1]
    return freed


def plan_drop(
    deployments: Sequence[Deployment], *, pending: bool, rollback: bool
) -> list[Deployment]:
    """The deployments that may go: never booted, pinned, or the last one."""
    if not deployments:
        return []
    booted = next((d for d in deployments if d.booted), None)
    gone = []
    if pending and (booted is not None or len(deployments) > 1):
        gone += [d for d in deployments if d.role == "pending"]
    if rollback:
        gone += [d for d in deployments if d.role == "rollback" and (booted or not pending)]
    return [d for d in gone if not d.booted and not d.pinned]


def unneeded_refs(session: Session, kept: Sequence[Deployment]) -> list[str]:
    """Our refs that no deployment (of any stateroot) needs."""
    deployments = [*kept, *session.sysroot.foreign()]
    commits = {d.checksum for d in deployments}
    bases = {d.base.commit for d in deployments}
    headers = set()
    for deployment in deployments:
        if deployment.problem:
            return []
        if deployment.record:
            headers |= {p.header_checksum for p in deployment.record.plan.packages}
            headers |= {w.header_checksum for w in deployment.record.plan.request.wants}
    needed_imports = {session.repo.resolve(HEADER_REF + h) for h in headers if h}
    found = []
    for ref, commit in session.repo.list_refs("pkglayer").items():
        full = ref if ref.startswith("pkglayer/") else f"pkglayer/{ref}"
        if (
            (full.startswith(STATE_REF) and commit not in commits)
            or (full.startswith(BASE_REF) and commit not in bases)
            or (full.startswith((HEADER_REF, FILE_REF)) and commit not in needed_imports)
            or "/tmp." in full  # libostree's half-written ref, left by a run that was killed
        ):
            found.append(full)
    return sorted(found)


def _size(path: Path) -> int:
    if not path.is_dir():
        return 0
    return sum(p.lstat().st_size for p in path.rglob("*") if not p.is_dir())


def refresh_md(session: Session) -> list[tuple[str, str, int]]:
    """Ask every repository for its metadata, whatever its age; (id, problem or "", time it was
    made) of each.

    Raises RepositoryError when none could be reached.
    """
    session.options = replace(session.options, refresh=True)
    with base_files(session, session.sysroot.newest.base) as tree:
        loaded = solving.load_repositories(session, tree)
    if loaded and all(r.problem for r in loaded):
        raise RepositoryError(
            "no repository could be reached: " + "; ".join(f"{r.id}: {r.problem}" for r in loaded),
            hint="check the network and the .repo files in /etc/yum.repos.d",
        )
    return [(r.id, r.problem, r.timestamp) for r in loaded]
