"""Lets a user who is not root begin with what the system has of repositories' metadata.

`take_over(repositories, theirs)` copies what is newer there and may be read; the rest is fetched as
ever. Nothing is trusted more for it: the copy is the user's own, and loading verifies it.
"""

import shutil
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from pkglayer.log import log
from pkglayer.system.privatedir import open_private
from pkglayer.system.rpmmdconf import Repository
from pkglayer.system.scratch import scratch

INDEX = "repodata/repomd.xml"


def take_over(repositories: Iterable[Repository], theirs: Path) -> None:
    """Copy newer metadata of the enabled repositories from the cache `theirs` to their own."""
    for repository in repositories:
        mine = Path(repository.link.getCachedir())
        if repository.enabled and _time(theirs / mine.name) > _time(mine):
            try:
                _copy(theirs / mine.name, mine)
            except (OSError, shutil.Error) as e:
                log.debug("the system's metadata of %s: %s", repository.id, e)


def _time(directory: Path) -> float:
    """When its metadata was made or fetched; 0 for what is not there or may not be read."""
    with suppress(OSError):
        return (directory / INDEX).stat().st_mtime
    return 0


def _copy(source: Path, target: Path) -> None:
    """Whole or not at all; times are kept, since they say when metadata expires."""
    where = open_private(target.parent)
    with scratch("seed", where) as work:
        copied = shutil.copytree(source / "repodata", work / "repodata")
        shutil.rmtree(target / "repodata", ignore_errors=True)
        target.mkdir(mode=0o700, exist_ok=True)
        copied.rename(target / "repodata")
