"""The verbs that make a new state: each finds base and request, and hands both to the pipeline."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

from pkglayer.engine import bases, pipeline, repair, solving
from pkglayer.engine.local import open_locals
from pkglayer.engine.pipeline import Outcome
from pkglayer.engine.refusals import find_requests, install_error, new_inactive
from pkglayer.engine.session import Session, base_files
from pkglayer.model.deployment import Deployment
from pkglayer.model.errors import PkglayerError, ResolveError, StateError, UsageError
from pkglayer.model.plan import Inactive, Plan
from pkglayer.model.policy import check_policy, skipped_requests
from pkglayer.model.request import Request, Want, parse_spec

LAYERED = "layered"
"""In place of a version: the one that is layered now."""


def install(
    session: Session, specs: Sequence[str], *, recommends: bool = True,
    allow_inactive: bool = False, on_conflict: str = "", exclude: Sequence[str] = (),
    base_updates: bool = False, follow: bool = False,
) -> Outcome:  # fmt: skip
    """Request packages on top of what the next boot has.

    One error names all that is wrong: ResolveError for what is unknown or in the base already
    (unless `allow_inactive`), UsageError for what is requested already (unless idempotent).
    """
    newest = readable(session.sysroot.newest)
    request = session.request_of(newest)
    with open_locals(session, [parse_spec(s) for s in specs]) as (named, files):
        if on_conflict:
            check_policy(on_conflict)
        wants = [
            replace(
                w, recommends=recommends, allow_inactive=allow_inactive,
                on_conflict=on_conflict, exclude=tuple(exclude), base_updates=base_updates,
                follow=follow and w.kind == "local",
            )
            for w in named
        ]  # fmt: skip
        there = {w.spec for w in request.commanded if not w.is_override}
        fresh = [w for w in wants if w.spec not in there]
        known = [] if session.options.idempotent else [w for w in wants if w.spec in there]
        if not fresh:
            if error := install_error(known, ()):
                raise error
            return unchanged(newest, request)
        wanted = request.with_wants([*_without_replaced(request.wants, fresh), *fresh])
        refuse = partial(_refuse, known)
        try:
            return pipeline.apply(session, newest.base, wanted, local=files, check=refuse)
        except ResolveError as e:
            if "unknown" not in e.data:
                raise
            inactive = _find_inactive(session, newest, request, fresh, e)
            raise install_error(known, inactive, e) or e from e


def _refuse(known: Sequence[Want], plan: Plan, before: Deployment) -> None:
    if error := install_error(known, new_inactive(plan, before)):
        raise error


def _find_inactive(
    session: Session, newest: Deployment, request: Request, fresh: Sequence[Want], e: ResolveError
) -> list[Inactive]:
    """What is in the base among the words that an error about unknown ones left open."""
    unknown = e.data["unknown"]
    assert isinstance(unknown, list)
    rest = [w for w in fresh if w.kind != "local" and w.spec not in unknown]
    try:
        plan, _ = solving.make_plan(
            session, newest.base, request.with_wants([*request.wants, *rest]), upgrade=False
        )
    except PkglayerError:
        return []
    return new_inactive(plan, newest)


def _without_replaced(wants: Sequence[Want], fresh: Sequence[Want]) -> list[Want]:
    """A newer local RPM takes the place of the one of the same name."""
    names = {w.spec.rsplit("-", 2)[0] for w in fresh if w.kind == "local"}
    return [w for w in wants if not (w.kind == "local" and w.spec.rsplit("-", 2)[0] in names)]


def uninstall(session: Session, specs: Sequence[str], *, all_requests: bool = False) -> Outcome:
    """Drop requests made by command; says what a SPEC is that is none."""
    newest = readable(session.sysroot.newest)
    request = session.request_of(newest)
    commanded = tuple(w for w in request.commanded if not w.is_override)
    gone = commanded if all_requests else find_requests(session, request, specs)
    if not gone:
        if session.options.idempotent:
            return unchanged(newest, request)
        raise UsageError("there is no request to drop", hint="see: pkglayer status")
    wanted = request.with_wants([w for w in request.wants if w not in gone])
    return pipeline.apply(session, newest.base, wanted)


def upgrade(
    session: Session, *, allow_downgrade: bool = False, preview: bool = False,
    base_updates: bool = False,
) -> Outcome:  # fmt: skip
    """Follow the branch to its newest base and reapply everything on it.

    With `preview` (or a dry run) only the new base's rpmdb is fetched, and nothing is built;
    `base_updates` allows every request by command the fewest newer base packages from now on.
    """
    newest = readable(session.sysroot.newest)
    request = session.request_of(newest)
    if base_updates:
        asked = [w for w in request.commanded if not w.is_override]
        allowing = [replace(w, base_updates=True) for w in asked]
        request = request.with_wants([*request.wants, *allowing])
    if preview:
        session.options = replace(session.options, dry_run=True)
    full = not session.options.dry_run
    with bases.newest_base(session, request.refspec, full=full) as base:
        bases.check_age(session, newest.base, base, allow_downgrade)
        return pipeline.apply(session, base, request, upgrade=True)


def rebase(session: Session, refspec: str) -> Outcome:
    """The same requests on another branch or remote."""
    newest = readable(session.sysroot.newest)
    request = replace(session.request_of(newest), refspec=refspec)
    full = not session.options.dry_run
    with bases.newest_base(session, refspec, full=full) as base:
        return pipeline.apply(session, base, request, upgrade=True)


def deploy(session: Session, wanted: str) -> Outcome:
    """A particular base commit of the branch, with the same requests."""
    newest = readable(session.sysroot.newest)
    request = session.request_of(newest)
    with bases.particular_base(session, request.refspec, wanted) as base:
        return pipeline.apply(
            session, base, request, upgrade=True, extra_origin={"override-commit": base.commit}
        )


def pin_version(session: Session, spec: str, version: str) -> Outcome:
    """Keep the packages of a request by command at a version (a glob); "" lets them go again.

    Without a word it is the version that is layered now: give `layered`.
    """
    newest = readable(session.sysroot.newest)
    request = session.request_of(newest)
    [want] = find_requests(session, request, [spec])
    if version == LAYERED:
        version = _layered_version(newest, want)
    pinned = [replace(w, version=version) if w == want else w for w in request.wants]
    return pipeline.apply(session, newest.base, request.with_wants(pinned))


def _layered_version(newest: Deployment, want: Want) -> str:
    packages = newest.record.plan.packages if newest.record else ()
    found = {p.nevra.evr for p in packages if p.reason == "user" and want.spec in p.requests}
    if len(found) != 1:
        raise UsageError(
            f"'{want.spec}' has {len(found)} versions in the layer, so which to keep is not clear",
            hint=f"name one: pkglayer pin-version '{want.spec}' VERSION",
        )
    return found.pop()


def apply_layers(session: Session) -> Outcome:
    """Bring the next state in line with the declared layers; requests by command stay."""
    newest = readable(session.sysroot.newest)
    return pipeline.apply(session, newest.base, session.request_of(newest))


@dataclass(frozen=True)
class Reconciled:
    """`reason` is empty when nothing was to do."""

    reason: str
    outcome: Outcome | None = None


def reconcile(session: Session) -> Reconciled:
    """Bring the newest deployment in line with what was requested, whoever wrote it."""
    newest = readable(session.sysroot.newest)
    reason = find_drift(session, newest)
    if not reason:
        return Reconciled("")
    request = session.request_of(newest)
    bare = newest.record is None and not newest.pinned
    return Reconciled(reason, pipeline.apply(session, newest.base, request, replaces=bare))


def find_drift(session: Session, newest: Deployment) -> str:
    """Why the newest deployment is not what was asked for; empty when it is. Builds nothing."""
    with base_files(session, newest.base) as tree:
        request = solving.with_layers(session, session.request_of(newest), tree)
    if newest.record is None:
        return "it is a bare base and packages are requested" if request.wants else ""
    built = newest.record.plan.request
    if (built.wants, built.rules) != (request.wants, request.rules):
        return "the requests or the layers are others than those it was built from"
    if built.documentation != request.documentation:
        return "the setting for documentation is another than it was built with"
    if skipped := skipped_requests(newest.record.plan):
        return f"{', '.join(s.want.spec for s in skipped)} may fit by now"
    return ""


def readable(newest: Deployment) -> Deployment:
    """Refuse to go on from a state whose record or origin cannot be read: nothing is guessed."""
    if newest.layered_by:
        raise repair.foreign_layer(newest)
    if newest.problem:
        raise StateError(
            f"the next boot's state cannot be read: {newest.problem}",
            hint="mend it (pkglayer repair), go back to a state that can be read "
            "(pkglayer rollback), or drop this one (pkglayer cleanup --pending)",
        )
    return newest


def unchanged(newest: Deployment, request: Request) -> Outcome:
    """What there is, for a request that changes nothing."""
    plan = newest.record.plan if newest.record else Plan(newest.base, request)
    return Outcome(plan, newest, newest.checksum)
