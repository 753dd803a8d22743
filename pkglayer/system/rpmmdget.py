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
from pkglayer.system.rpmmd import Repository


@dataclass(frozen=True)
class Download:
    """One file: `location` below the repository, or below `base` if that is set.

    `checksum` is `algorithm:hex`; `size` in bytes; `target` the file to write.
    """

    repository: Repository
    location: str
    base: str
    checksum: str
    size: int
    target: Path


class _Watcher(libdnf.repo.PackageTargetCB):  # type: ignore[misc]
    """Reports one file to Progress; what it raises waits until the C code is left."""

    def __init__(self, meter: "_Meter", label: str) -> None:
        super().__init__()
        self.meter = meter
        self.label = label
        self.seen = 0
        self.failures: list[str] = []

    def progress(self, totalToDownload: float, downloaded: float) -> int:
        try:
            self.meter.sink.advance(int(downloaded) - self.seen, self.label)
            self.seen = int(downloaded)
        except BaseException as e:
            self.meter.raised = e
        return 1 if self.meter.raised else 0

    def end(self, status: int, msg: str | None) -> int:
        return 0

    def mirrorFailure(self, msg: str, url: str) -> int:
        self.failures.append(f"{msg} ({url})")
        return 0


@dataclass
class _Meter:
    sink: Progress
    raised: BaseException | None = None


def download(wanted: Sequence[Download], progress: Progress) -> dict[Path, str]:
    """Fetch all of it; returns the reason for every file that is not there afterwards."""
    meter = _Meter(progress)
    watchers = [_Watcher(meter, d.location.rsplit("/", 1)[-1]) for d in wanted]
    targets = [_target(d, w) for d, w in zip(wanted, watchers, strict=True)]
    problem = ""
    try:
        libdnf.repo.PackageTarget.downloadPackages(libdnf.repo.VectorPPackageTarget(targets), False)
    except (libdnf.error.Error, RuntimeError) as e:
        problem = str(e)
    if meter.raised:
        raise meter.raised
    failed = {}
    for item, watcher, target in zip(wanted, watchers, targets, strict=True):
        error = target.getErr()
        if error and error != "Already downloaded":
            failed[item.target] = "; ".join(dict.fromkeys([error, *watcher.failures[-2:]]))
        elif problem and not item.target.exists():
            failed[item.target] = problem
    return failed


def _target(item: Download, watcher: _Watcher) -> Any:
    algorithm, _, digest = item.checksum.partition(":")
    kind = libdnf.repo.PackageTarget.checksumType(algorithm)
    return libdnf.repo.PackageTarget(
        item.repository.link, item.location, str(item.target), kind, digest, item.size,
        item.base or None, True, 0, 0, watcher,
    )  # fmt: skip
