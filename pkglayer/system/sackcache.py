"""Parses repository metadata in a child with limits, before anybody here trusts it.

`parse_apart(repository, ...)` leaves libsolv's own cache files, which load in a moment and are made
of what was parsed. Metadata comes from a server: a bomb or a parser's crash ends the child, not us.
"""

from collections.abc import Callable
from pathlib import Path

from pkglayer.log import log
from pkglayer.model.errors import RepositoryError
from pkglayer.system.limited import Died, Limits, run_limited
from pkglayer.system.rpmmd import Repository

LIMITS = Limits()
"""A repository of 70,000 packages takes about 0.5 GB and 4 s."""


def parse_apart(
    repository: Repository, cachedir: Path, filelists: bool, load: Callable[[], None]
) -> None:
    """Run `load` in a limited child unless its cache files are newer than the metadata.

    Raises RepositoryError naming the repository when the child does not come to a good end.
    """
    if is_parsed(repository, cachedir, filelists):
        return
    log.debug("parsing the metadata of %s", repository.id)
    try:
        run_limited(lambda report: load(), limits=LIMITS)
    except Died as e:
        raise RepositoryError(
            f"the metadata of repository {repository.id} is broken (read in a child process: {e})",
            hint=f"leave it out with --disablerepo={repository.id}, and tell its owner",
            data={"repository": repository.id},
        ) from e


def is_parsed(repository: Repository, cachedir: Path, filelists: bool) -> bool:
    """Whether there are cache files made of the metadata as it is now."""
    names = [f"{repository.id}.solv", *([f"{repository.id}-filenames.solvx"] if filelists else [])]
    try:
        changed = Path(repository.cachedir, "repodata/repomd.xml").stat().st_ctime_ns
        return all((cachedir / name).stat().st_mtime_ns > changed for name in names)
    except FileNotFoundError:
        return False
