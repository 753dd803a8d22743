"""The verbs that make a new state: each finds base and request, and hands both to the pipeline."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches

from pkglayer.engine import bases, pipeline
from pkglayer.engine.local import open_locals
from pkglayer.engine.pipeline import Outcome
from pkglayer.engine.session import Session, base_files
from pkglayer.model.deployment import Deployment
from pkglayer.model.errors import ResolveError, StateError, UsageError
from pkglayer.model.plan import Plan
from pkglayer.model.request import Request, Want, parse_spec
from pkglayer.system import rpmdb, rpmquery


def install(
    session: Session, specs: Sequence[str], *, recommends: bool = True, allow_inactive: bool = False
) -> Outcome:
    """Request packages on top of what the next boot has.

    Raises UsageError for what is requested already (unless the option idempotent is set) and
    ResolveError for what the base has already (unless `allow_inactive`).
    """
    newest = readable(session.sysroot.newest)
    request = session.request_of(newest)
    parsed = [parse_spec(s) for s in specs]
    with open_locals(session, parsed) as (named, files):
        wants = [replace(w, recommends=recommends, allow_inactive=allow_inactive) for w in named]
        fresh = [w for w in wants if w.spec not in {c.spec for c in request.commanded}]
        known = [w.spec for w in wants if w not in fresh]
        if known and not session.options.idempotent:
            raise UsageError(
                f"already requested: {', '.join(known)}",
                hint="nothing to do for these; with --idempotent that is no error",
                data={"requested": known},
            )
        if not fresh:
            return _unchanged(newest, request)
        others = _without_replaced(request.wants, fresh)
        wanted = request.with_wants([*others, *fresh])
        outcome = pipeline.apply(session, newest.base, wanted, local=files, check=refuse_inactive)
    return outcome


def _without_replaced(wants: Sequence[Want], fresh: Sequence[Want]) -> list[Want]:
    """A newer local RPM takes the place of the one of the same name."""
    names = {w.spec.rsplit("-", 2)[0] for w in fresh if w.kind == "local"}
    return [w for w in wants if not (w.kind == "local" and w.spec.rsplit("-", 2)[0] in names)]


def refuse_inactive(plan: Plan, before: Deployment) -> None:
    """Newly asked for and already in the base: an error, unless it was allowed."""
    old = {i.want.spec for i in before.record.plan.inactive} if before.record else set()
    known = {w.spec for w in before.record.plan.request.wants} if before.record else set()
    new = [
        i for i in plan.inactive
        if not i.want.allow_inactive and i.want.source == "command"
        and i.want.spec not in old | known
    ]  # fmt: skip
    if new:
        raise ResolveError(
            "already in the base: " + ", ".join(f"{i.want.spec} (by {i.provider})" for i in new),
            hint="nothing needs to be layered; to keep it if the base drops it, "
            "request it with --allow-inactive",
            data={"inactive": {i.want.spec: i.provider for i in new}},
        )


def uninstall(session: Session, specs: Sequence[str], *, all_requests: bool = False) -> Outcome:
    """Drop requests made by command; says what a SPEC is that is none."""
    newest = readable(session.sysroot.newest)
    request = session.request_of(newest)
    commanded = request.commanded
    gone = set(commanded) if all_requests else {_requested(session, request, s) for s in specs}
    if not gone:
        if session.options.idempotent:
            return _unchanged(newest, request)
        raise UsageError("there is no request to drop", hint="see: pkglayer status")
    wanted = request.with_wants([w for w in request.wants if w not in gone])
    return pipeline.apply(session, newest.base, wanted)


def _requested(session: Session, request: Request, spec: str) -> Want:
    if (want := request.find(spec)) and want.source == "command":
        return want
    raise UsageError(_what_it_is(session, request, spec), hint=_way_out(request, spec),
                     data={"spec": spec})  # fmt: skip


def _what_it_is(session: Session, request: Request, spec: str) -> str:
    if want := request.find(spec):
        return f"'{spec}' is requested by the layer {want.source.removeprefix('layer:')}"
    record = session.sysroot.newest.record
    for package in record.plan.packages if record else ():
        if spec in (package.nevra.name, str(package.nevra)):
            whose = ", ".join(package.requests) or "another package"
            return f"'{spec}' is not a request but a dependency of {whose}"
    if record and any(spec == i.want.spec for i in record.plan.inactive):
        return f"'{spec}' is inactive"
    if _in_base(session, spec):
        return f"'{spec}' is a package of the base, which layering does not change"
    return f"'{spec}' is not requested"


def _in_base(session: Session, spec: str) -> bool:


    newest = session.sysroot.newest
    with base_files(session, newest.base) as tree:
        dbpath = rpmdb.find_dbpath(tree)
        found = rpmquery.list_packages(tree, dbpath, spec)
    return bool(found)


def _way_out(request: Request, spec: str) -> str:
    specs = [w.spec for w in request.commanded]
    if near := get_close_matches(spec, specs, n=1):
        return f"did you mean '{near[0]}'?"
    if want := request.find(spec):
        return f"edit or mask /etc/pkglayer/layers.d/{want.source.removeprefix('layer:')}.toml"
    return "requests are: " + (", ".join(specs) or "none")


def upgrade(session: Session, *, allow_downgrade: bool = False, preview: bool = False) -> Outcome:
    """Follow the branch to its newest base and reapply everything on it.

    With `preview` (or a dry run) only the new base's rpmdb is fetched, and nothing is built.
    """
    newest = readable(session.sysroot.newest)
    request = session.request_of(newest)
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
    return Reconciled(reason, pipeline.apply(session, newest.base, session.request_of(newest)))


def find_drift(session: Session, newest: Deployment) -> str:
    """Why the newest deployment is not what was asked for; empty when it is. Builds nothing."""
    with base_files(session, newest.base) as tree:
        request = session.request_of(newest, tree)
    if newest.record is None:
        return "it is a bare base and packages are requested" if request.wants else ""
    if newest.record.plan.request.wants != request.wants:
        return "the requests or the layers are others than those it was built from"
    return ""


def readable(newest: Deployment) -> Deployment:
    """Refuse to go on from a state whose record or origin cannot be read: nothing is guessed."""
    if newest.problem:
        raise StateError(
            f"the next boot's state cannot be read: {newest.problem}",
            hint="go back to a state that can (pkglayer rollback), or drop this one "
            "(pkglayer cleanup --pending)",
        )
    return newest


def _unchanged(newest: Deployment, request: Request) -> Outcome:
    plan = newest.record.plan if newest.record else Plan(newest.base, request)
    return Outcome(plan, newest, newest.checksum)


