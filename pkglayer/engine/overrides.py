"""The verbs about the base's own packages: replace, remove, reset.

An override is a request like any other: it lives in the origin, is resolved anew on each base, and
rests while the base has caught up with it. Nothing here touches a tree.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace as changed

from pkglayer.engine import pipeline, solving
from pkglayer.engine.local import open_locals
from pkglayer.engine.pipeline import Outcome
from pkglayer.engine.session import Session, base_files
from pkglayer.engine.verbs import readable, unchanged
from pkglayer.log import printable
from pkglayer.model.errors import ResolveError, UsageError
from pkglayer.model.package import Nevra
from pkglayer.model.plan import Base
from pkglayer.model.request import REMOVE, REPLACE, Request, Want, parse_spec
from pkglayer.system import rpmhome, rpmquery
from pkglayer.system.rpmevr import evr_compare


def replace(session: Session, specs: Sequence[str], *, repo: str = "") -> Outcome:
    """Put other versions in the place of base packages: local RPMs, or names from a repository.

    Raises ResolveError for what the base does not have, UsageError for what is no RPM file.
    """
    newest = readable(session.sysroot.newest)
    request = session.request_of(newest)
    parsed = [_parse(spec, repo) for spec in specs]
    with open_locals(session, parsed) as (named, files):
        wants = [changed(w, kind=REPLACE) for w in named]
        there = base_packages(session, newest.base, [w.name for w in wants])
        if repo:
            wants = _with_direction(session, newest.base, request, wants)
        else:
            wants = [_against(w, there[w.name]) for w in wants]
        wanted = request.with_wants([*_without(request, [w.name for w in wants]), *wants])
        return pipeline.apply(session, newest.base, wanted, local=files)


def _parse(spec: str, repo: str) -> Want:
    want = parse_spec(spec)
    if repo:
        if want.kind != "package":
            raise UsageError(f"{spec} is no package name", hint="--from takes names, not files")
        return changed(want, repo=repo)
    if want.kind != "local":
        raise UsageError(
            f"'{printable(spec)}' is not a local RPM file",
            hint=f"give ./FILE.rpm, or follow a repository: pkglayer override replace "
            f"{printable(spec)} --from REPO",
        )
    return want


def _against(want: Want, base: Nevra) -> Want:
    """A local replacement with its direction; raises ResolveError when it is what the base has."""
    order = evr_compare(Nevra.parse(want.spec), base)
    if order == 0:
        raise ResolveError(f"the base has {base} already", hint="there is nothing to replace")
    return changed(want, downgrade=order < 0)


def _with_direction(
    session: Session, base: Base, request: Request, wants: Sequence[Want]
) -> list[Want]:
    """Replacements from a repository: whether each is older than the base's, tried by a plan."""
    trial = [changed(w, downgrade=True) for w in wants]
    names = [w.name for w in wants]
    attempt = request.with_wants([*_without(request, names), *trial])
    plan, _ = solving.make_plan(session, base, attempt, upgrade=False)
    older = {
        spec
        for o in plan.overrides
        if o.new and evr_compare(Nevra.parse(o.new), Nevra.parse(o.old)) < 0
        for spec in o.requests
    }
    return [changed(w, downgrade=w.spec in older) for w in wants]


def remove(session: Session, names: Sequence[str], *, with_dependents: bool = False) -> Outcome:
    """Take packages of the base away, with `with_dependents` those that need them as well.

    Raises ResolveError naming the packages of the base that need them.
    """
    newest = readable(session.sysroot.newest)
    request = session.request_of(newest)
    base_packages(session, newest.base, names)
    gone = list(names)
    for _ in range(2):
        wants = [Want(name, kind=REMOVE) for name in gone]
        wanted = request.with_wants([*_without(request, gone), *wants])
        try:
            return pipeline.apply(session, newest.base, wanted)
        except ResolveError as e:
            dependents = e.data.get("dependents")
            if not (with_dependents and isinstance(dependents, list)) or set(dependents) <= set(
                gone
            ):
                raise
            session.progress.note(f"removing as well, for they need it: {', '.join(dependents)}")
            gone += [str(d) for d in dependents]
    raise ResolveError(f"{', '.join(names)} cannot be removed", hint="please report this request")


def reset(session: Session, names: Sequence[str], *, everything: bool = False) -> Outcome:
    """Drop overrides, so that the base's own packages are there again."""
    newest = readable(session.sysroot.newest)
    request = session.request_of(newest)
    known = [w for w in request.commanded if w.kind in (REPLACE, REMOVE)]
    gone = known if everything else [w for w in known if w.name in names or w.spec in names]
    missing = set(names) - {w.name for w in gone} - {w.spec for w in gone}
    if missing:
        there = ", ".join(w.name for w in known) or "none"
        raise UsageError(
            f"there is no override of {', '.join(sorted(missing))}",
            hint=f"overrides there are: {there}",
        )
    if not gone:
        if session.options.idempotent:
            return unchanged(newest, request)
        raise UsageError("there is no override to reset", hint="see: pkglayer status")
    return pipeline.apply(
        session, newest.base, request.with_wants([w for w in request.wants if w not in gone])
    )


def _without(request: Request, names: Iterable[str]) -> list[Want]:
    """The request's wants without overrides of these packages."""
    gone = set(names)
    return [w for w in request.wants if not (w.is_override and w.name in gone)]


def base_packages(session: Session, base: Base, names: Sequence[str]) -> dict[str, Nevra]:
    """The base's packages of these names; raises ResolveError naming all that it does not have."""
    with base_files(session, base) as tree:
        path = rpmhome.find_dbpath(tree)
        found = {n.name: n for name in names for n in rpmquery.list_packages(tree, path, name)}
    missing = [name for name in names if name not in found]
    if missing:
        raise ResolveError(
            f"the base has no package {', '.join(map(printable, missing))}",
            hint="overrides are for packages of the base (pkglayer db list base); "
            "layered ones come and go with install and uninstall",
            data={"not_in_base": missing},
        )
    return found
