"""A session that changes something, and what the history says of it; or that rehearses a change.

One that changes holds libostree's lock and has a work directory of its own on the repository's file
system; both are gone when it ends, and leftovers of a killed one are swept first.
"""

import shlex
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from pkglayer.engine.session import Options, Session, settings_of
from pkglayer.log import Progress, log
from pkglayer.model.errors import PkglayerError, StateError
from pkglayer.model.history import HistoryEntry
from pkglayer.model.kargs import parse_kargs
from pkglayer.model.wish import Wish, diff_wishes, to_json
from pkglayer.system import awaited, history, interrupts, space
from pkglayer.system.objectwriter import OBJECTS_PREFIX
from pkglayer.system.repobeside import RepoBeside
from pkglayer.system.scratch import scratch
from pkglayer.system.statefiles import drop_unfinished
from pkglayer.system.sysroot import Sysroot, open_sysroot


@contextmanager
def changing(path: Path, stateroot: str, options: Options, progress: Progress) -> Iterator[Session]:
    """A session under the lock, in a private mount namespace, with a work directory."""
    sysroot = open_sysroot(path, stateroot, write=True)
    with sysroot.locked(_say_waiting(progress) if options.wait else None):
        session = Session(sysroot, settings_of(sysroot), options, progress)
        session.dropped = _sweep(sysroot)
        session.work = _make_work(sysroot)
        try:
            with _recorded(session), _space_explained(session):
                yield session
        finally:
            if options.keep_workdir:
                progress.note(f"kept the work directory {session.work}")
            elif session.work:
                shutil.rmtree(session.work, ignore_errors=True)
            for phase, seconds in session.timings.phases.items():
                log.info("timing: %-10s %7.3f s %7.3f s CPU", phase, seconds.wall, seconds.cpu)


@contextmanager
def rehearsing(
    path: Path, stateroot: str, options: Options, progress: Progress
) -> Iterator[Session]:
    """A session for anybody, in which a change is only planned.

    What a remote is asked for comes into a repository that goes away with the session.
    """
    sysroot = open_sysroot(path, stateroot)
    with scratch("repo") as where:
        sysroot.repo = RepoBeside(sysroot.repo, where)
        yield Session(sysroot, settings_of(sysroot), options, progress)


def _say_waiting(progress: Progress) -> Callable[[str], None]:
    return lambda holder: progress.note(f"waiting: the system is being changed by {holder}")


def _make_work(sysroot: Sysroot) -> Path | None:
    """A work directory; none on a full disk, where cleaning up needs none and nothing is built.

    Raises StateError when it would not be on the repository's file system: trees are made of links.
    """
    if sysroot.private_dir.stat().st_dev != sysroot.repo.path.stat().st_dev:
        raise StateError(
            f"{sysroot.private_dir} is on another file system than the repository",
            hint=f"unmount {space.find_mount(sysroot.private_dir)}: trees are made of links",
        )
    try:
        return Path(tempfile.mkdtemp(prefix="work-", dir=sysroot.private_dir))
    except OSError as e:
        if space.tells_of_space(e):
            return None
        raise


@contextmanager
def _space_explained(session: Session) -> Iterator[None]:
    """A file system that fills up while we work is named, whatever failed for it."""
    try:
        yield
    except (OSError, PkglayerError) as e:
        places = [session.repo.path, session.cachedir, session.bootdir, session.sysroot.state_dir]
        places.append(Path(tempfile.gettempdir()))
        if told := space.explain(e, places):
            raise told from e
        raise


@contextmanager
def _recorded(session: Session) -> Iterator[None]:
    """Write what the body did, or why it failed, into the history; a dry run leaves no entry.

    A change that is made stays one, whatever fails after it.
    """
    before, wished = _next_boot(session), _known_wish(session)
    entry = HistoryEntry(
        int(time.time()), *history.read_caller(), shlex.join(session.options.command),
        before, before, comment=session.options.comment,
    )  # fmt: skip
    try:
        yield
    except BaseException as e:
        text = e.message if isinstance(e, PkglayerError) else type(e).__name__
        entry = replace(entry, outcome="failed", message=text)
        if interrupts.is_final():
            session.remarks.append(f"after the change: {text}")
            entry = _outcome(session, entry, wished)
        raise
    else:
        entry = _outcome(session, entry, wished)
    finally:
        if not session.options.dry_run:
            _write_history(session, entry)


def _outcome(session: Session, entry: HistoryEntry, wished: Wish | None) -> HistoryEntry:
    """The entry with what came of it, by what is there now."""
    after, wishes = _next_boot(session), _known_wish(session)
    deployments = session.sysroot.deployments
    record = deployments[0].record if deployments else None
    changes = diff_wishes(wished, wishes) if wished and wishes else None
    return replace(
        entry,
        after=after,
        digest=record.digest if record else "",
        outcome="done" if after != entry.before or changes else "unchanged",
        message="\n".join(session.remarks),
        changes="" if changes is None else to_json(changes),
        takes_back=session.takes_back,
    )


def _known_wish(session: Session) -> Wish | None:
    try:
        return wish_of(session) if session.sysroot.deployments else None
    except PkglayerError as e:
        log.debug("what is asked for cannot be read: %s", e.message)
        return None


def _write_history(session: Session, entry: HistoryEntry) -> None:
    try:
        if entry.outcome == "done":
            awaited.remember(session.sysroot, entry.command, entry.before)
        history.History(history_path(session.sysroot)).add(entry)
    except (OSError, PkglayerError) as e:
        session.progress.note(f"the history could not be written: {e}")


def history_path(sysroot: Sysroot) -> Path:
    """Where the history of a stateroot is."""
    return sysroot.state_dir / "lib/pkglayer/history.sqlite"


def _next_boot(session: Session) -> str:
    deployments = session.sysroot.deployments
    return deployments[0].checksum if deployments else ""


def _sweep(sysroot: Sysroot) -> bool:
    """Remove what a killed run left, and tell if there was any; its mounts went with its mount
    namespace, what it left in the repository goes when this run cleans up."""
    drop_unfinished(history_path(sysroot).parent)
    found = list(sysroot.private_dir.glob("work-*"))
    found += (sysroot.repo.path / "tmp").glob(f"{OBJECTS_PREFIX}*")
    for left in found:
        log.debug("removing %s, left by a run that was killed", left)
        shutil.rmtree(left, ignore_errors=True)
    return bool(found)


def wish_of(session: Session) -> Wish:
    """All that is asked for of the next boot. What layer files ask for is known from the record
    of the newest state that has one; a bare base that an updater put first changes no wish."""
    newest, record = session.sysroot.newest, session.recorded
    layered = [w for w in record.plan.request.wants if w.source != "command"] if record else []
    commanded = session.request_of(newest).commanded
    kargs = parse_kargs(session.sysroot.read_options(newest))
    return Wish(newest.base, (*commanded, *layered), kargs)
