"""What a verb works with: the sysroot, the settings, the options, and what is there to start from.

A session that changes something holds libostree's lock and has a work directory of its own on the
repository's file system; both are gone when it ends, and leftovers of a killed one are swept first.
"""

import os
import shlex
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from pkglayer.log import Progress, Quiet, Timings, log
from pkglayer.model.deployment import Deployment
from pkglayer.model.errors import PkglayerError, StateError
from pkglayer.model.history import HistoryEntry
from pkglayer.model.kargs import parse_kargs
from pkglayer.model.layer import to_wants
from pkglayer.model.plan import Base
from pkglayer.model.record import Account, Record
from pkglayer.model.request import ORIGIN_GROUP, Request, from_origin
from pkglayer.model.settings import Settings
from pkglayer.model.wish import Wish, diff_wishes, to_json
from pkglayer.system import config, layerfiles, space
from pkglayer.system.objectwriter import OBJECTS_PREFIX
from pkglayer.system.repo import Repo
from pkglayer.system.rpmhome import DB_PATHS
from pkglayer.system.statefiles import drop_unfinished, read_state
from pkglayer.system.sysroot import Sysroot, open_sysroot

BASE_FILES = (
    *DB_PATHS,
    "usr/lib/os-release",
    "usr/share/dnf5/repos.d",
    "usr/lib/pkglayer/layers.d",
)
"""What of a base commit is read before it is deployed; the same is fetched for a preview."""


@dataclass(frozen=True)
class Options:
    """What the command line says beside the verb's own arguments."""

    dry_run: bool = False
    offline: bool = False
    refresh: bool = False
    wait: bool = False
    idempotent: bool = False
    enable_repos: tuple[str, ...] = ()
    disable_repos: tuple[str, ...] = ()
    no_gpg_check: tuple[str, ...] = ()
    releasever: str = ""
    keep_workdir: bool = False
    unattended: bool = False
    skip_broken: bool = False
    comment: str = ""
    command: tuple[str, ...] = ()


@dataclass
class Session:
    """One run of a verb; `work` is None while nothing may be written; `dropped` tells that a state
    went away, so that cleaning up pays; `remarks` are what the history says of the change,
    `takes_back` the number of the change that it takes back."""

    sysroot: Sysroot
    settings: Settings
    options: Options
    progress: Progress = field(default_factory=Quiet)
    timings: Timings = field(default_factory=Timings)
    work: Path | None = None
    dropped: bool = False
    seed: tuple[Account, ...] | None = None
    remarks: list[str] = field(default_factory=list)
    takes_back: int = 0

    @property
    def repo(self) -> Repo:
        return self.sysroot.repo

    @property
    def etc(self) -> Path:
        """The /etc that the next state inherits; a staged deployment has none yet."""
        return merge_root(self.sysroot) / "etc"

    @property
    def cachedir(self) -> Path:
        """Where metadata and downloads are kept: below the stateroot's /var, or a user's own."""
        if os.geteuid() != 0:
            return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pkglayer"
        below = self.settings.cachedir.removeprefix("/var/").lstrip("/")
        return self.sysroot.state_dir / below

    @property
    def bootdir(self) -> Path:
        """Where kernels are copied to, on many machines a file system of its own."""
        return self.sysroot.path / "boot"

    @property
    def recorded(self) -> Record | None:
        """The record of the newest state that has one: another updater may have put a bare base
        in front of it."""
        return next((d.record for d in self.sysroot.deployments if d.record), None)

    def request_of(self, deployment: Deployment, layers_from: Path | None = None) -> Request:
        """What is wanted on top of a deployment's base: its origin's requests and the layers.

        `layers_from` is a tree (as `BASE_FILES` of the target base); None leaves layers out. An
        origin without our group falls back on the requests that the state before it has.
        """
        group = deployment.origin.get(ORIGIN_GROUP, {})
        if not group:
            group = self._inherited(deployment)
        request = from_origin(deployment.refspec, group)
        return request if layers_from is None else self.with_layers(request, layers_from)

    def with_layers(self, request: Request, tree: Path) -> Request:
        """The request with the wants of the declared layers in place of any it had, and what
        settings and layers say about scriptlets."""
        layers = layerfiles.read_layers(tree / "usr", self.etc)
        rules = (*self.settings.script_rules, *(r for layer in layers for r in layer.scripts))
        wanted = request.with_wants([*request.commanded, *to_wants(layers)])
        return replace(wanted, rules=rules, documentation=self.settings.documentation)

    @property
    def wish(self) -> Wish:
        """All that is asked for of the next boot. What layer files ask for is known from the record
        of the newest state that has one; a bare base that an updater put first changes no wish."""
        newest, record = self.sysroot.newest, self.recorded
        layered = [w for w in record.plan.request.wants if w.source != "command"] if record else []
        commanded = self.request_of(newest).commanded
        kargs = parse_kargs(self.sysroot.read_options(newest))
        return Wish(newest.base, (*commanded, *layered), kargs)

    def _inherited(self, deployment: Deployment) -> dict[str, str]:
        chosen = read_chosen(self.sysroot)
        older = [
            d for d in self.sysroot.deployments
            if d.index > deployment.index or (d.booted and d != deployment)
        ]  # fmt: skip
        for known in (deployment, *older):
            if identify(known) in chosen:
                return {}
            if ORIGIN_GROUP in known.origin:
                return known.origin[ORIGIN_GROUP]
        return {}


def identify(deployment: Deployment) -> str:
    """What tells a deployment from every other that is or was, as its directory does."""
    return f"{deployment.checksum}.{deployment.serial}"


def chosen_path(sysroot: Sysroot) -> Path:
    """Where it is kept which bare bases somebody went back to."""
    return sysroot.state_dir / "lib/pkglayer/chosen.json"


def read_chosen(sysroot: Sysroot) -> list[str]:
    """The bare bases that were chosen over a layered state, which is no updater's doing: nothing is
    requested on them. Nothing where the file cannot be read."""
    with suppress(StateError):
        rows = (read_state(chosen_path(sysroot)) or {}).get("bare")
        return rows if isinstance(rows, list) else []
    return []


def merge_root(sysroot: Sysroot) -> Path:
    """The deployment directory whose /etc counts: the booted one, else the next boot's."""
    return Path((sysroot.booted or sysroot.newest).root)


@contextmanager
def reading(path: Path, stateroot: str, options: Options, progress: Progress) -> Iterator[Session]:
    """A session that changes nothing and needs no root; a mistake in the settings is only told."""
    sysroot = open_sysroot(path, stateroot)
    try:
        settings = _settings(sysroot)
    except PkglayerError as e:
        log.warning("%s; changes are refused until that is mended (%s)", e.message, e.hint)
        settings = Settings()
    yield Session(sysroot, settings, options, progress)


@contextmanager
def changing(path: Path, stateroot: str, options: Options, progress: Progress) -> Iterator[Session]:
    """A session under the lock, in a private mount namespace, with a work directory."""
    sysroot = open_sysroot(path, stateroot, write=True)
    with sysroot.locked(_say_waiting(progress) if options.wait else None):
        session = Session(sysroot, _settings(sysroot), options, progress)
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
    """Write what the body did, or why it failed, into the history; a dry run leaves no entry."""
    from pkglayer.system import history  # with its SQLite, which reading verbs do without

    sysroot, before, wished = session.sysroot, _next_boot(session), _known_wish(session)
    entry = HistoryEntry(
        int(time.time()), *history.read_caller(), shlex.join(session.options.command),
        before, before, comment=session.options.comment,
    )  # fmt: skip
    try:
        yield
    except BaseException as e:
        text = e.message if isinstance(e, PkglayerError) else type(e).__name__
        entry = replace(entry, outcome="failed", message=text)
        raise
    else:
        after, wishes = _next_boot(session), _known_wish(session)
        record = sysroot.deployments[0].record if sysroot.deployments else None
        changes = diff_wishes(wished, wishes) if wished and wishes else None
        entry = replace(
            entry,
            after=after,
            digest=record.digest if record else "",
            outcome="done" if after != before or changes else "unchanged",
            message="\n".join(session.remarks),
            changes="" if changes is None else to_json(changes),
            takes_back=session.takes_back,
        )
    finally:
        if not session.options.dry_run:
            _write_history(session, entry)


def _known_wish(session: Session) -> Wish | None:
    try:
        return session.wish if session.sysroot.deployments else None
    except PkglayerError as e:
        log.debug("what is asked for cannot be read: %s", e.message)
        return None


def _write_history(session: Session, entry: HistoryEntry) -> None:
    from pkglayer.system import awaited, history

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


def _settings(sysroot: Sysroot) -> Settings:
    if not sysroot.deployments:
        return Settings()
    return config.read_settings(merge_root(sysroot) / "etc")


@contextmanager
def base_files(session: Session, base: Base) -> Iterator[Path]:
    """Copies of the files of a base commit that resolving reads, in a directory of their own."""
    with tempfile.TemporaryDirectory(prefix="pkglayer-base-", dir=session.work) as where:
        with session.timings.phase("base"):
            for path in BASE_FILES:
                session.repo.export(base.commit, path, Path(where))
        yield Path(where)
