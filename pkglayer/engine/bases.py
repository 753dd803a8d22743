"""Finding the base commit to build on: the newest of a branch, a particular one, or a preview.

What a remote is asked for is fetched into the repository; when the verb fails later on, the
remote's ref points again where it did, so that nothing has moved.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from pkglayer.engine.session import BASE_FILES, Session
from pkglayer.log import log
from pkglayer.model.errors import PkglayerError, RepositoryError, StateError, UsageError
from pkglayer.model.plan import Base
from pkglayer.system import reporemote

PREVIEW_PATHS = tuple(f"/{path}" for path in BASE_FILES)
_REF = re.compile(r"[\w\d][-._\w\d]*(/[\w\d][-._\w\d]*)*", re.ASCII)
"""As libostree has it (ostree_validate_rev)."""
ALLOW_DOWNGRADE = "pkglayer-allow-downgrade"
"""Key of a remote's section in the repository config: its server may roll back."""


def parse_refspec(session: Session, refspec: str) -> tuple[str, str]:
    """`[remote:]ref` as (remote or "", ref); raises UsageError for a remote that is not there."""
    remote, colon, ref = refspec.rpartition(":")
    if not _REF.fullmatch(ref) or (colon and not remote):
        raise UsageError(f"'{refspec}' is no refspec", hint="it has the form REMOTE:BRANCH")
    if remote and remote not in reporemote.remotes(session.repo):
        known = ", ".join(reporemote.remotes(session.repo)) or "none"
        raise UsageError(
            f"there is no remote '{remote}' (known: {known})",
            hint=f"add it first: ostree remote add {remote} URL",
        )
    return remote, ref


@contextmanager
def newest_base(session: Session, refspec: str, *, full: bool = True) -> Iterator[Base]:
    """The newest commit of a branch: pulled from its remote, or as a local ref has it.

    With `full` False only the commit and what resolving reads are fetched, and the ref is put back
    in any case. Raises RepositoryError when the remote cannot be reached.
    """
    remote, ref = parse_refspec(session, refspec)
    with _ref_kept(session, remote, ref, always=not full):
        if remote and not session.options.offline:
            dirs = () if full else PREVIEW_PATHS
            with session.timings.phase("pull"):
                reporemote.pull(session.repo, remote, ref, session.progress, subdirs=dirs)
        commit = session.repo.resolve(refspec)
        if not commit:
            raise _no_ref(session, refspec)
        yield read_base(session, refspec, commit)
        if full and (now := session.repo.resolve(refspec)) != commit:
            session.progress.note(
                f"{refspec} moved to {now[:12]} meanwhile; this state has {commit[:12]}. "
                "Go on with: pkglayer upgrade"
            )


@contextmanager
def particular_base(session: Session, refspec: str, wanted: str) -> Iterator[Base]:
    """A commit of the branch by its checksum (or its beginning) or its version, pulled whole."""
    remote, ref = parse_refspec(session, refspec)
    with _ref_kept(session, remote, ref, always=False):
        commit = session.repo.resolve(wanted) if _is_hex(wanted) else ""
        if not commit or not session.repo.is_complete(commit):
            if remote and not session.options.offline:
                reporemote.pull(
                    session.repo, remote, ref, session.progress, metadata_only=True, depth=-1
                )
            commit = _find_version(session, refspec, wanted)
            if remote and not session.repo.is_complete(commit):
                reporemote.pull(session.repo, remote, ref, session.progress, commit=commit)
        yield read_base(session, refspec, commit)


def read_base(session: Session, refspec: str, commit: str) -> Base:
    """A base commit's facts as a value."""
    found = session.repo.read_commit(commit)
    if origin := found.metadata.get("pkglayer.base"):
        raise UsageError(
            f"{commit[:12]} is a layered commit of pkglayer, not a base",
            hint=f"its base is {origin}",
        )
    return Base(refspec, commit, found.version, found.timestamp)


def check_age(session: Session, now: Base, new: Base, allow_downgrade: bool) -> None:
    """Refuse an older base of the same branch unless that is allowed; a server may roll back."""
    if new.timestamp >= now.timestamp or new.commit == now.commit or allow_downgrade:
        return
    remote = new.refspec.rpartition(":")[0]
    if reporemote.read_config(session.repo, f'remote "{remote}"', ALLOW_DOWNGRADE) == "true":
        return
    raise StateError(
        f"the newest commit of {new.refspec} ({new.version or new.commit[:12]}, "
        f"{_day(new.timestamp)}) is older than the base in use "
        f"({now.version or now.commit[:12]}, {_day(now.timestamp)})",
        hint="if the server went back on purpose, follow it with --allow-downgrade",
        data={"base": now.commit, "offered": new.commit},
    )


def _day(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M")


@contextmanager
def _ref_kept(session: Session, remote: str, ref: str, *, always: bool) -> Iterator[None]:
    before = session.repo.resolve(f"{remote}:{ref}") if remote else ""
    moved_back = always
    try:
        yield
    except BaseException:
        moved_back = True
        raise
    finally:
        if remote and moved_back:
            try:
                session.repo.set_ref(ref, before or None, remote=remote)
            except PkglayerError as e:  # it says only what the remote has; why we stop says more
                log.warning("the ref %s:%s stays ahead of the deployments: %s", remote, ref, e)


def _find_version(session: Session, refspec: str, wanted: str) -> str:
    seen = []
    commit = session.repo.resolve(refspec)
    while commit and session.repo.has_commit(commit):
        found = session.repo.read_commit(commit)
        if found.version == wanted or (_is_hex(wanted) and commit.startswith(wanted)):
            return commit
        seen.append(found.version or commit[:12])
        commit = found.parent
    if not seen:
        raise _no_ref(session, refspec)
    raise RepositoryError(
        f"the branch {refspec} has no commit or version '{wanted}'",
        hint="it has: " + ", ".join(seen[:10]) + (" ..." if len(seen) > 10 else ""),
        data={"versions": seen},
    )


def _no_ref(session: Session, refspec: str) -> RepositoryError:
    return RepositoryError(
        f"there is no branch {refspec}", hint="list what is there: ostree refs"
    )


def _is_hex(text: str) -> bool:
    return len(text) >= 6 and all(c in "0123456789abcdef" for c in text)
