"""Repair: the next boot gets back what cannot be read of it, from what can; nothing is made up.

The requests of the origin file and the record of the state say the same, so either gives the other
back: unreadable requests come from the record, and an unreadable record comes from the repository
or from building the requests again.
"""

from dataclasses import dataclass

from pkglayer.engine import bases, pipeline, upkeep
from pkglayer.engine.deploying import deploy
from pkglayer.engine.session import Session
from pkglayer.model.deployment import Deployment
from pkglayer.model.errors import StateError
from pkglayer.model.record import RECORD_PATH, Record, from_json
from pkglayer.model.request import Request

RECORD, REPOSITORY, REQUESTS = "record", "repository", "requests"


@dataclass(frozen=True)
class Repaired:
    """`problem` is what was wrong, empty for nothing; `source` what it was mended from."""

    problem: str = ""
    source: str = ""


def repair(session: Session) -> Repaired:
    """Mend the next boot's state; the damaged one is replaced, all others stay.

    Raises StateError when neither requests nor record can be read, or another program layered it.
    """
    newest = session.sysroot.newest
    if not newest.problem:
        return Repaired()
    if newest.layered_by:
        raise foreign_layer(newest)
    record = newest.record or _record_in_repository(session, newest)
    request = _readable_request(session, newest) or _recorded_request(newest, record)
    if request is None:
        raise StateError(
            f"neither requests nor record of the next boot can be read: {newest.problem}",
            hint="go back (pkglayer rollback), or begin anew: ostree admin deploy REFSPEC",
        )
    changed = False
    if record is None:
        base = bases.read_base(session, request.refspec, newest.base.commit)
        changed = pipeline.apply(session, base, request, replaces=True).changed
    if not (changed or session.options.dry_run):
        _deploy_again(session, newest, request)
    source = RECORD if newest.record else REPOSITORY if record else REQUESTS
    return Repaired(newest.problem, source)


def _deploy_again(session: Session, newest: Deployment, request: Request) -> None:
    """The same commit in a new directory, with the request in a new origin file."""
    origin = pipeline.origin_for(newest, request, _other_keys(newest))
    deploy(session, newest.checksum, origin, instead_of=newest)
    upkeep.sweep(session)


def foreign_layer(newest: Deployment) -> StateError:
    """What to say of a state that another program layered."""
    return StateError(
        f"the next boot's state cannot be changed: {newest.problem}",
        hint=f"drop that layer first: {newest.layered_by} reset",
    )


def _record_in_repository(session: Session, newest: Deployment) -> Record | None:
    """None where the commit has no record, or its objects are gone."""
    try:
        text = session.repo.read_file(newest.checksum, RECORD_PATH)
    except StateError:
        return None
    if text is None:
        return None
    try:
        return from_json(text.decode(errors="replace"))
    except StateError as e:
        repo = session.sysroot.path / "ostree/repo"
        raise StateError(
            f"the repository's copy is no better: {e.message}",
            hint=f"if it is damaged: ostree fsck --repo={repo} --delete, then again: "
            "pkglayer repair; else go back: pkglayer rollback",
        ) from e


def _readable_request(session: Session, newest: Deployment) -> Request | None:
    try:
        request = session.request_of(newest)
    except StateError:
        return None
    return request if request.refspec else None


def _recorded_request(newest: Deployment, record: Record | None) -> Request | None:
    if record is None:
        return None
    request = record.plan.request
    return Request(newest.refspec or request.refspec, request.commanded)


def _other_keys(newest: Deployment) -> dict[str, str]:
    return {k: v for k, v in newest.origin.get("origin", {}).items() if k != "refspec"}
