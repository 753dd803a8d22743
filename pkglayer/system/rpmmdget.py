"""Downloads packages of RPM repositories by way of librepo: mirrors, resuming, several at once.

`download(wanted, progress)` -> what failed, by file. Where files go is the caller's decision, never
the server's. What arrives is only compared with the checksum here; `stages.fetch` verifies it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import libdnf.error
import libdnf.repo

from pkglayer.log import Progress
from pkglayer.system.limited import Died, Limits, Report, run_limited
from pkglayer.system.rpmmd import Repository

_SPARE = 1 << 20
"""Bytes that a file may be larger than promised before its download is cut off."""


@dataclass(frozen=True)
class Download:
    """One file: `location` below the repository, or below `base` if that is set.

    `checksum` is `algorithm:hex`; `size` in bytes; `target` the file to write. With `head` only so
    many bytes of its beginning are fetched, which no checksum covers.
    """

    repository: Repository
    location: str
    base: str
    checksum: str
    size: int
    target: Path
    head: int = 0


class _Watcher(libdnf.repo.PackageTargetCB):  # type: ignore[misc]
    """Reports one file; nothing may be raised through the C code above it."""

    def __init__(self, report: Report, label: str) -> None:
        super().__init__()
        self.report = report
        self.label = label
        self.seen = 0
        self.failures: list[str] = []

    def progress(self, totalToDownload: float, downloaded: float) -> int:
        if int(downloaded) > self.seen:
            self.report([int(downloaded) - self.seen, self.label])
            self.seen = int(downloaded)
        return 0

    def end(self, status: int, msg: str | None) -> int:
        return 0

    def mirrorFailure(self, msg: str, url: str) -> int:
        self.failures.append(f"{msg} ({url})")
        return 0


def download(wanted: Sequence[Download], progress: Progress) -> dict[Path, str]:
    """Fetch all of it; returns the reason for every file that is not there afterwards.

    A child does it: librepo holds Python's lock while it waits, and would make Ctrl-C wait too.
    """
    largest = max(d.size for d in wanted)
    try:
        failed: dict[str, str] = run_limited(
            lambda report: _download(wanted, report),
            limits=Limits(file_size=largest + _SPARE, seconds=24 * 3600),
            on_report=lambda row: progress.advance(*row),
        )
    except Died as e:
        return {d.target: f"librepo crashed: {e}" for d in wanted}
    return {Path(target): reason for target, reason in failed.items()}


def _download(wanted: Sequence[Download], report: Report) -> dict[str, str]:
    watchers = [_Watcher(report, d.location.rsplit("/", 1)[-1]) for d in wanted]
    targets = [_target(d, w) for d, w in zip(wanted, watchers, strict=True)]
    problem = ""
    try:
        libdnf.repo.PackageTarget.downloadPackages(libdnf.repo.VectorPPackageTarget(targets), False)
    except (libdnf.error.Error, RuntimeError) as e:
        problem = str(e)
    failed = {}
    for item, watcher, target in zip(wanted, watchers, targets, strict=True):
        error = target.getErr()
        if error and error != "Already downloaded":
            failed[str(item.target)] = "; ".join(dict.fromkeys([error, *watcher.failures[-2:]]))
        elif problem and not item.target.exists():
            failed[str(item.target)] = problem
    return failed


def _target(item: Download, watcher: _Watcher) -> Any:
    algorithm, _, digest = item.checksum.partition(":")
    kind = libdnf.repo.PackageTarget.checksumType(algorithm)
    where = (item.repository.link, item.location, str(item.target))
    if item.head:
        return libdnf.repo.PackageTarget(
            *where, 0, "", 0, item.base or None, False, 0, item.head - 1, watcher
        )
    return libdnf.repo.PackageTarget(
        *where, kind, digest, item.size, item.base or None, True, 0, 0, watcher
    )
