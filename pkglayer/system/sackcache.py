"""Parses repository metadata in a child with limits, before anybody here trusts it.

`parse_apart(repository, ...)` leaves libsolv's own cache files, which load in a moment and are made
of what was parsed. Metadata comes from a server: a bomb or a parser's crash ends the child, not us.
"""

import os
import resource
from collections.abc import Callable
from pathlib import Path

from pkglayer.log import log
from pkglayer.model.errors import RepositoryError
from pkglayer.system.rpmmd import MAX_METADATA_FILE, Repository

MAX_MEMORY = 3 * 1024**3
"""Address space of the child, in bytes; a repository of 70,000 packages takes about 0.5 GB."""

MAX_SECONDS = 120
"""Processor time of the child; a repository of 70,000 packages takes about 4 s."""


def parse_apart(
    repository: Repository,
    cachedir: Path,
    filelists: bool,
    load: Callable[[], None],
    *,
    memory: int = MAX_MEMORY,
) -> None:
    """Run `load` in a limited child unless its cache files are newer than the metadata.

    Raises RepositoryError naming the repository when the child does not come to a good end.
    """
    if _is_parsed(repository, cachedir, filelists):
        return
    log.debug("parsing the metadata of %s", repository.id)
    child = os.fork()
    if child == 0:
        _be_limited(load, memory)
    _, status = os.waitpid(child, 0)
    if status == 0:
        return
    code = os.waitstatus_to_exitcode(status)
    how = f"the parser was ended by signal {-code}" if code < 0 else "it cannot be parsed"
    raise RepositoryError(
        f"the metadata of repository {repository.id} is broken: {how} (limits: {memory >> 20} MiB "
        f"of memory, {MAX_SECONDS} s)",
        hint=f"leave it out with --disablerepo={repository.id}, and tell its owner",
        data={"repository": repository.id},
    )


def _is_parsed(repository: Repository, cachedir: Path, filelists: bool) -> bool:
    names = [f"{repository.id}.solv", *([f"{repository.id}-filenames.solvx"] if filelists else [])]
    try:
        changed = Path(repository.cachedir, "repodata/repomd.xml").stat().st_ctime_ns
        return all((cachedir / name).stat().st_mtime_ns > changed for name in names)
    except FileNotFoundError:
        return False


def _be_limited(load: Callable[[], None], memory: int) -> None:
    """The child's whole life; it never returns."""
    code = 1
    try:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 2)
        os.dup2(null, 1)
        _limit(resource.RLIMIT_AS, memory)
        _limit(resource.RLIMIT_CPU, MAX_SECONDS)
        _limit(resource.RLIMIT_FSIZE, MAX_METADATA_FILE)
        _limit(resource.RLIMIT_CORE, 0)
        load()
        code = 0
    finally:
        os._exit(code)


def _limit(what: int, value: int) -> None:
    _, hard = resource.getrlimit(what)
    if hard != resource.RLIM_INFINITY:
        value = min(value, hard)
    resource.setrlimit(what, (value, value))
