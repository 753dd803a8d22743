"""Metadata of RPM repositories: downloaded, verified and cached by libdnf and librepo.

`load_repositories(repositories, offline=, refresh=, progress=)` makes metadata available and
returns the enabled repositories as they are then. One that is down never raises: it comes back with
`problem` set, and `stale` when older metadata is used in its place. What is configured is read by
`rpmmdconf`, packages are downloaded by `rpmmdget`, dependencies are solved in `sack`.
"""

import contextlib
import resource
import shutil
import signal
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import libdnf.error
import libdnf.repo

from pkglayer.log import Progress, Quiet, log
from pkglayer.model.errors import RepositoryError
from pkglayer.system.privatedir import open_private
from pkglayer.system.rpmmdconf import Repository, Sources, read_repositories

__all__ = [
    "Repository",
    "Sources",
    "load_disabled",
    "load_repositories",
    "read_repositories",
    "require_available",
]

MAX_METADATA_FILE = 1024**3
"""Bytes that one downloaded metadata file may have; Fedora's largest is about 0.1 GB."""


class _Watcher(libdnf.repo.RepoCB):  # type: ignore[misc]
    """Carries librepo's reports to Progress; nothing may be raised through the C code above it."""

    def __init__(self, progress: Progress) -> None:
        super().__init__()
        self.sink = progress
        self.seen = 0
        self.failures: list[str] = []
        self.raised: BaseException | None = None

    def start(self, what: str) -> None:
        self.seen = 0

    def progress(self, totalToDownload: float, downloaded: float) -> int:
        try:
            self.sink.advance(int(downloaded) - self.seen)
            self.seen = int(downloaded)
        except BaseException as e:
            self.raised = e
            return 1
        return 0

    def handleMirrorFailure(self, msg: str, url: str, metadata: str) -> int:
        self.failures.append(f"{msg} ({url})")
        return 0

    def repokeyImport(self, id: str, userid: str, fingerprint: str, url: str, ts: int) -> bool:
        log.debug("metadata key %s (%s) from %s", fingerprint, userid, url)
        return True


def load_repositories(
    repositories: Sequence[Repository],
    *,
    offline: bool = False,
    refresh: bool = False,
    progress: Progress | None = None,
) -> list[Repository]:
    """Make the metadata of the enabled repositories usable; one that is down says so itself.

    `offline` uses what is cached, whatever its age; `refresh` asks the server even for metadata
    that has not expired.
    """
    progress = progress or Quiet()
    for directory in {Path(r.link.getCachedir()).parent for r in repositories}:
        open_private(directory)
    with _bounded_files():
        return [_load(r, offline, refresh, progress) for r in repositories if r.enabled]


def load_disabled(repositories: Sequence[Repository]) -> list[Repository]:
    """The disabled repositories with what was once cached of them: only to tell what they have."""
    return [_load_cached(r, "") for r in repositories if not r.enabled]


def _load(repository: Repository, offline: bool, refresh: bool, progress: Progress) -> Repository:
    link = repository.link
    if repository.problem:
        return repository
    _forget_old_keys(repository)
    if offline:
        return _load_cached(repository, "")
    watcher = _Watcher(progress)
    watcher.this.disown()  # the Repo frees it, and calls it only while this function runs
    link.setCallbacks(watcher)
    progress.start(f"metadata {repository.id}", unit="B")
    try:
        if refresh:
            link.expire()
        link.setSyncStrategy(libdnf.repo.Repo.SyncStrategy_TRY_CACHE)
        link.load()
    except (libdnf.error.Error, RuntimeError) as e:
        if watcher.raised is not None:
            raise watcher.raised from None
        reasons = dict.fromkeys([str(e), *watcher.failures[-3:]])
        return _load_cached(repository, "; ".join(reasons))
    finally:
        progress.done()
    return _loaded(repository)


def _forget_old_keys(repository: Repository) -> None:
    """librepo's ring of imported keys must not outlive a change of the configured ones."""
    if not repository.repo_gpgcheck:
        return
    directory = Path(repository.link.getCachedir())
    mark = directory / "pkglayer-keys"
    if mark.exists() and mark.read_text() == repository.keys_digest:
        return
    shutil.rmtree(directory / "pubring", ignore_errors=True)
    directory.mkdir(parents=True, exist_ok=True)
    mark.write_text(repository.keys_digest)


def _load_cached(repository: Repository, problem: str) -> Repository:
    """Fall back on metadata that was loaded (and verified) earlier."""
    link = repository.link
    link.setSyncStrategy(libdnf.repo.Repo.SyncStrategy_ONLY_CACHE)
    try:
        link.load()
    except (libdnf.error.Error, RuntimeError) as e:
        log.debug("no cached metadata of %s: %s", repository.id, e)
        return replace(repository, problem=problem or "its metadata was never downloaded")
    return replace(_loaded(repository), problem=problem, stale=bool(problem) or link.isExpired())


def _loaded(repository: Repository) -> Repository:
    link = repository.link
    return replace(
        repository,
        available=True,
        cachedir=link.getCachedir(),
        timestamp=int(link.getMaxTimestamp()),
        comps=link.getCompsFn(),
    )


@contextlib.contextmanager
def _bounded_files() -> Iterator[None]:
    """Bound what a server can make us write: a larger file fails with EFBIG."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.getsignal(signal.SIGXFSZ)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    limit = MAX_METADATA_FILE if hard == resource.RLIM_INFINITY else min(MAX_METADATA_FILE, hard)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)


def require_available(repositories: Sequence[Repository]) -> None:
    """Raise RepositoryError when not one repository can be used though some are enabled."""
    down = [r for r in repositories if not r.available]
    if down and len(down) == len(repositories):
        reasons = "; ".join(f"{r.id}: {r.problem}" for r in down)
        raise RepositoryError(
            f"no repository can be used: {reasons}",
            hint="check the network and the addresses in the .repo files, then try again",
            data={"repositories": {r.id: r.problem for r in down}},
        )
