"""Metadata of RPM repositories: downloaded, verified and cached by libdnf and librepo.

`load_repositories(repositories, offline=, refresh=, progress=)` makes metadata available and
returns the enabled repositories as they are then. One that is down never raises: it comes back with
`problem` set, and `stale` when older metadata is used in its place. What is configured is read by
`rpmmdconf`, packages are downloaded by `rpmmdget`, dependencies are solved in `sack`.
"""

import functools
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import libdnf.error
import libdnf.repo

from pkglayer.log import Progress, Quiet, log
from pkglayer.model.errors import RepositoryError
from pkglayer.system.limited import Died, Limits, Report, run_all_limited, run_limited
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

LIMITS = Limits()
"""Fedora's largest metadata file has about 0.1 GB."""


class _Watcher(libdnf.repo.RepoCB):  # type: ignore[misc]
    """Reports what librepo does; nothing may be raised through the C code above it."""

    def __init__(self, report: Report) -> None:
        super().__init__()
        self.report = report
        self.seen = 0

    def start(self, what: str) -> None:
        self.seen = 0

    def progress(self, totalToDownload: float, downloaded: float) -> int:
        if int(downloaded) > self.seen:
            self.report(int(downloaded) - self.seen)
            self.seen = int(downloaded)
        return 0

    def handleMirrorFailure(self, msg: str, url: str, metadata: str) -> int:
        self.report(msg if url in msg else f"{msg} ({url})")
        return 0

    def repokeyImport(self, id: str, userid: str, fingerprint: str, url: str, ts: int) -> bool:
        return True  # the configuration names it, and it lies in the deployment


def load_repositories(
    repositories: Sequence[Repository],
    *,
    offline: bool = False,
    refresh: bool = False,
    progress: Progress | None = None,
    parse: Callable[[Repository], None] | None = None,
) -> list[Repository]:
    """Make the metadata of the enabled repositories usable; one that is down says so itself.

    They are asked at once. `offline` uses what is cached, whatever its age; `refresh` asks the
    server even for metadata that has not expired. `parse` is run for each as soon as it is there,
    in a child process, while others are still downloaded.
    """
    for directory in {Path(r.link.getCachedir()).parent for r in repositories}:
        open_private(directory)
    enabled = [r for r in repositories if r.enabled]
    asked = [] if offline else [r for r in enabled if not r.problem]
    problems = _download_all(asked, refresh, progress or Quiet(), parse)
    return [
        r if r.problem else _load_cached(r, problems.get(r.id, ""), known=problems.get(r.id) == "")
        for r in enabled
    ]


def load_disabled(repositories: Sequence[Repository]) -> list[Repository]:
    """The disabled repositories with what was once cached of them: only to tell what they have."""
    return [
        _load_cached(r, "")
        for r in repositories
        if not r.enabled and Path(r.link.getCachedir(), "repodata/repomd.xml").exists()
    ]


def _download_all(
    repositories: Sequence[Repository], refresh: bool, progress: Progress,
    parse: Callable[[Repository], None] | None,
) -> dict[str, str]:  # fmt: skip
    """Bring the cache up to date; returns what went wrong by id, empty where nothing did."""
    if not repositories:
        return {}
    failures: list[list[str]] = [[] for _ in repositories]
    here: set[int] = set()

    def hear(number: int, value: int | str | bool) -> None:
        if value is True:
            here.add(number)
        elif isinstance(value, int):
            progress.advance(value, repositories[number].id)
        else:
            failures[number].append(value)

    for repository in repositories:
        _forget_old_keys(repository)
    many = f"{len(repositories)} repositories"
    name = repositories[0].id if len(repositories) == 1 else many
    progress.start(f"Fetching metadata of {name}", unit="B")
    try:
        works = [functools.partial(_download, r, refresh, parse) for r in repositories]
        found = run_all_limited(works, limits=LIMITS, on_report=hear)
    finally:
        progress.done()
    # What dies of the parsing is told by who needs it, and parses it again.
    problems = ["" if n in here else str(p) for n, p in enumerate(found)]
    return {
        r.id: _reason(r, problem, failed)
        for r, problem, failed in zip(repositories, problems, failures, strict=True)
    }


def _reason(repository: Repository, problem: str, failures: Sequence[str]) -> str:
    """What went wrong, in as few words as tell it: often only the mirrors' answers do."""
    if problem and repository.repo_gpgcheck and any(".xml.asc" in f for f in failures):
        return f"its metadata is not signed ({failures[-1]})"
    if failures and problem.endswith("All mirrors were tried"):
        return "; ".join(dict.fromkeys(failures[-2:]))
    return "; ".join(dict.fromkeys([problem, *failures[-2:]])) if problem else ""


def _download(
    repository: Repository, refresh: bool, parse: Callable[[Repository], None] | None,
    report: Report,
) -> str:  # fmt: skip
    """Bring the cache up to date, in a child: librepo crashes on some of what servers say.

    Reports True when it is, then parses. Returns what went wrong, empty if nothing.
    """
    link = repository.link
    watcher = _Watcher(report)
    watcher.this.disown()  # the Repo frees it, and calls it only while this function runs
    link.setCallbacks(watcher)
    if refresh:
        link.expire()
    problem = _read(repository, libdnf.repo.Repo.SyncStrategy_TRY_CACHE)
    if not problem:
        report(True)
        if parse:
            parse(replace(repository, cachedir=link.getCachedir()))
    return problem


def _load_cached(repository: Repository, problem: str, *, known: bool = False) -> Repository:
    """Use what is cached; `problem` says why it is not up to date.

    It is read in a child first, unless it is `known` that one has come to a good end with it.
    """
    cache = libdnf.repo.Repo.SyncStrategy_ONLY_CACHE
    try:
        missing = ""
        if not known:
            missing = run_limited(lambda report: _read(repository, cache), limits=LIMITS)
        missing = missing or _read(repository, cache)
    except Died as e:
        missing = str(e)
    if missing:
        log.debug("no cached metadata of %s: %s", repository.id, missing)
        return replace(repository, problem=problem or "its metadata was never downloaded")
    link = repository.link
    return replace(
        repository,
        available=True,
        problem=problem,
        stale=bool(problem),
        cachedir=link.getCachedir(),
        timestamp=int(link.getMaxTimestamp()),
        comps=link.getCompsFn(),
    )


def _read(repository: Repository, strategy: int) -> str:
    """Let libdnf load the metadata; returns what went wrong."""
    repository.link.setSyncStrategy(strategy)
    try:
        repository.link.load()
    except (libdnf.error.Error, RuntimeError) as e:
        return str(e) or "unknown"
    return ""


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
