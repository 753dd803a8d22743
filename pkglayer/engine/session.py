"""What a verb works with: the sysroot, the settings, the options, and what is there to start from.

A session that changes something is made by `changing`.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from pkglayer.log import Progress, Quiet, Timings, log
from pkglayer.model.deployment import Deployment
from pkglayer.model.errors import PkglayerError, StateError
from pkglayer.model.plan import Base
from pkglayer.model.record import Account, Record
from pkglayer.model.request import ORIGIN_GROUP, Request, from_origin
from pkglayer.model.settings import Settings
from pkglayer.system import config
from pkglayer.system.repo import Repo
from pkglayer.system.rpmhome import DB_PATHS
from pkglayer.system.statefiles import read_state
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
    went away, so that cleaning up pays; `kept` are the paths of /etc that stay as the machine has
    them though the new state has another default; `remarks` are what the history says of the
    change, `takes_back` the number of the change that it takes back."""

    sysroot: Sysroot
    settings: Settings
    options: Options
    progress: Progress = field(default_factory=Quiet)
    timings: Timings = field(default_factory=Timings)
    work: Path | None = None
    dropped: bool = False
    kept: tuple[str, ...] = ()
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
        return self.system_cachedir

    @property
    def system_cachedir(self) -> Path:
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

    def request_of(self, deployment: Deployment) -> Request:
        """What its origin asks for on top of a deployment's base; `solving` adds the layers.

        An origin without our group falls back on the requests that the state before it has.
        """
        group = deployment.origin.get(ORIGIN_GROUP, {})
        if not group:
            group = self._inherited(deployment)
        return from_origin(deployment.refspec, group)

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
        settings = settings_of(sysroot)
    except PkglayerError as e:
        log.warning("%s; changes are refused until that is mended (%s)", e.message, e.hint)
        settings = Settings()
    yield Session(sysroot, settings, options, progress)


def settings_of(sysroot: Sysroot) -> Settings:
    """What the next state's /etc says; raises ConfigError naming the file and the key."""
    if not sysroot.deployments:
        return Settings()
    return config.read_settings(merge_root(sysroot) / "etc")


@contextmanager
def base_files(session: Session, base: Base) -> Iterator[Path]:
    """Copies of the files of a base commit that resolving reads, in a directory of their own."""
    from pkglayer.system.scratch import scratch  # reading verbs do without

    with scratch("base", session.work) as where:
        with session.timings.phase("base"):
            for path in BASE_FILES:
                session.repo.export(base.commit, path, where)
        yield where
