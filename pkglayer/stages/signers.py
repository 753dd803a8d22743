"""Signers: whose key signed packages that are only on offer, before any is downloaded whole.

`find_signers(wanted, ...)` reads the beginning of each file, up to the end of its header, which is
what a signature covers.
"""

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from pkglayer.log import Progress, log
from pkglayer.model.errors import PkglayerError
from pkglayer.model.package import Package
from pkglayer.system.keyring import Keyring, check_head
from pkglayer.system.location import check_location
from pkglayer.system.rpmmd import Repository
from pkglayer.system.rpmmdget import Download, download


def find_signers(
    wanted: Sequence[tuple[Package, int]],
    repositories: Sequence[Repository],
    *,
    keyring: Keyring,
    work: Path | None,
    progress: Progress,
) -> list[str]:
    """The full fingerprint of the key that signed each package, "" where it cannot be known.

    `wanted` are packages with the bytes up to the end of their header (0: read the whole file),
    `keyring` the keys that count: a signature by another proves nothing. Files are put into the
    directory `work`, and do not stay.
    """
    by_id = {r.id: r for r in repositories}
    with tempfile.TemporaryDirectory(prefix="heads-", dir=work) as where:
        targets = [Path(where, f"{number}.rpm") for number in range(len(wanted))]
        items = [
            _item(package, size, by_id[package.repo], target)
            for (package, size), target in zip(wanted, targets, strict=True)
        ]
        _fetch(items, progress)
        return [
            _signer(target, package, keyring)
            for (package, _), target in zip(wanted, targets, strict=True)
        ]


def _item(package: Package, size: int, repository: Repository, target: Path) -> Download:
    base, location = check_location(package, repository)
    return Download(
        repository, location, base, package.checksum, package.download_size, target, head=size
    )


def _fetch(items: Sequence[Download], progress: Progress) -> None:
    progress.start("Fetching signatures", unit="B")
    download(items, progress)
    # A server that knows no ranges sends everything or nothing.
    if whole := [replace(i, head=0) for i in items if i.head and not i.target.exists()]:
        download(whole, progress)
    progress.done()


def _signer(path: Path, package: Package, keyring: Keyring) -> str:
    try:
        with path.open("rb") as file:
            return check_head(file, str(package.nevra), keyring).fingerprint
    except (PkglayerError, OSError) as e:
        log.debug("who signed %s is not known: %s", package.nevra, e)
        return ""
