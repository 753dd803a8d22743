"""The pipeline: base + request -> plan -> packages -> tree -> commit -> deployment -> record.

`apply` reads as that line. Every state is built from its base and its request, never by editing a
layered tree; a plan whose commit exists already is deployed as it is.
"""

import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from pkglayer.engine import clashmemory, signing, solving, space, standing, upkeep
from pkglayer.engine.clashes import plan_around, turn
from pkglayer.engine.deploying import deploy
from pkglayer.engine.keys import load_keys
from pkglayer.engine.local import LocalRpm
from pkglayer.engine.session import Session
from pkglayer.model.deployment import Deployment
from pkglayer.model.errors import ConflictError
from pkglayer.model.explain import Detour
from pkglayer.model.header import Imported
from pkglayer.model.plan import Base, Plan, plan_digest
from pkglayer.model.policy import Held, fallback_words
from pkglayer.model.record import RECORD_PATH, Account, Record, from_json
from pkglayer.model.request import ORIGIN_GROUP, Request, to_origin
from pkglayer.model.scriptlet import Limits
from pkglayer.model.scriptrules import RULES
from pkglayer.model.space import Room, check_rooms
from pkglayer.stages import commit, fetch, importer, kernel, record, root, rpmdb, scripts
from pkglayer.system import repoprinted
from pkglayer.system.overlayroot import NearTree
from pkglayer.system.rpmmd import Repository


@dataclass(frozen=True)
class Outcome:
    """What `apply` did: the plan; the commit ("" for a dry run); whether the next boot changed;
    whether the commit was there already; and the state that was the next boot before. `held` says
    why nothing was done where a request wants the base to wait, `overdue` that it does so too long;
    `rooms` are the file systems with what it takes there and what is free (for a dry run).
    """

    plan: Plan
    before: Deployment
    commit: str = ""
    changed: bool = False
    reused: bool = False
    record: Record | None = None
    held: Held | None = None
    overdue: bool = False
    rooms: tuple[Room, ...] = ()

    @property
    def differs(self) -> bool:
        """Whether base or packages of the plan are others than those of the state before."""
        old = {p.nevra for p in self.previous.packages}
        new = {p.nevra for p in self.plan.packages}
        return self.plan.base.commit != self.before.base.commit or old != new

    @property
    def previous(self) -> Plan:
        """The plan of the state before; an empty one where that was a bare base."""
        before = self.before
        return before.record.plan if before.record else Plan(before.base, Request(before.refspec))


def apply(
    session: Session, base: Base, request: Request, *, upgrade: bool = False,
    local: Sequence[LocalRpm] = (), extra_origin: dict[str, str] | None = None,
    check: Callable[[Plan, Deployment], None] | None = None, replaces: bool = False,
    kargs: Sequence[str] | None = None,
) -> Outcome:  # fmt: skip
    """Make base + request the next boot; with the dry-run option only plan it.

    `upgrade` lets layered packages move to newer versions; otherwise those of the state before stay
    as they are; `check` may refuse the plan; `replaces` puts the result in the place of the next
    boot instead of before it; `kargs` are other kernel arguments than the next boot has. Raises a
    PkglayerError of the stage that cannot go on; nothing has changed then.
    """
    before = session.sysroot.newest

    def replan(detour: Detour) -> tuple[Plan, list[Repository]]:
        plan, repositories = solving.make_plan(
            session, base, request, upgrade=upgrade, local=local, detour=detour
        )
        if check:
            check(plan, before)
        return plan, repositories

    try:
        if session.options.dry_run:
            plan = plan_around(session, replan)[1]
            return Outcome(plan, before, rooms=space.plan_rooms(session, plan))
        with upkeep.refs_undone(session):
            plan, checksum, reused, made = make_state(session, replan, local)
            changed = publish(
                session, plan, checksum, extra_origin or {}, replaces=replaces, kargs=kargs
            )
    except Held as e:
        return held_back(session, before, e)
    moved = base.commit != before.base.commit or before.record is None
    standing.remember_plan(session, plan, moved=moved, anew=upgrade)
    session.remarks += [fallback_words(f) for f in plan.fallbacks]
    upkeep.sweep(session)
    return Outcome(plan, before, checksum, changed, reused, made)


def make_state(
    session: Session, replan: Callable[[Detour], tuple[Plan, list[Repository]]],
    local: Sequence[LocalRpm] = (),
) -> tuple[Plan, str, bool, Record | None]:  # fmt: skip
    """The plan as it could be built, its commit, whether that was there already, and its record.

    Files show only here whether packages go together: where they do not, it is planned anew around
    that, and remembered. Raises FilesClash or Held where a policy is against that.
    """
    detour = solving.DIRECT
    while True:
        detour, plan, repositories = plan_around(session, replan, detour)
        check_rooms(space.plan_rooms(session, plan))
        signing.check_key(session)
        with session.timings.phase("fetch"):
            packages = obtain(session, plan, repositories, local)
        plan = replace(plan, packages=tuple(p.package for p in packages))
        digest = plan_digest(plan, {"post-failure": session.settings.post_failure})
        try:
            return plan, *built(session, plan, packages, digest)
        except ConflictError as e:
            clashmemory.remember(session, plan, e)
            detour = turn(session, e, plan, detour, replan)


def held_back(session: Session, before: Deployment, held: Held) -> Outcome:
    """Keep the last good base and layer as the next boot, and note since when.

    Where another updater put the bare new base first, the state before it becomes first again.
    """
    overdue = standing.overdue(session, standing.remember_hold(session, held))
    states = session.sysroot.deployments
    good = next((d for d in states if d.record), None)
    if before.record is None and good is not None and not session.options.dry_run:
        session.sysroot.write_order([good, *(d for d in states if d is not good and not d.staged)])
    kept = good if before.record is None and good is not None else before
    plan = kept.record.plan if kept.record else Plan(kept.base, Request(kept.refspec))
    return Outcome(plan, before, kept.checksum, held=held, overdue=overdue)


def obtain(
    session: Session, plan: Plan, repositories: Sequence[Repository], local: Sequence[LocalRpm]
) -> list[Imported]:
    """Every package of the plan as an import; only what is not imported yet is fetched."""
    found = importer.find_imports(session.repo, plan.packages)
    missing = [p for p, known in zip(plan.packages, found, strict=True) if known is None]
    if not missing:
        return [known for known in found if known is not None]
    brought = {rpm.package.header_checksum: rpm for rpm in local}
    fetched = fetch.fetch(
        [p for p in missing if p.header_checksum not in brought],
        repositories,
        cache=session.cachedir / "packages",
        keyring=load_keys(session, repositories),
        progress=session.progress,
    )
    come = {f.package.nevra: (f.package, f.file) for f in fetched}
    # The plan's own value: a file does not know why it is wanted, and the record says it.
    come |= {
        p.nevra: (replace(p, key=own.package.key), own.file)
        for p in missing
        if (own := brought.get(p.header_checksum))
    }
    with ExitStack() as stack:
        for rpm in fetched:
            stack.callback(rpm.close)
        rows = [come[p.nevra] for p in missing]
        made = iter(importer.import_packages(session.repo, rows, session.progress))
    return [known or next(made) for known in found]


def built(
    session: Session, plan: Plan, packages: list[Imported], digest: str
) -> tuple[str, bool, Record | None]:
    """The commit of a plan: the bare base, one built earlier, or a new one (with its record)."""
    if not plan.request.wants:
        return plan.base.commit, True, None
    found = commit.find_state(session.repo, digest)
    if found and session.repo.is_complete(found) and has_ids(session, found):
        return found, True, None
    checksum, made = build(session, plan, packages, digest)
    if found == checksum and not session.repo.is_complete(found):
        session.repo.mark_complete(checksum)
    return checksum, False, made


def has_ids(session: Session, checksum: str) -> bool:
    """Whether a state built earlier gives accounts the ids that they have now.

    Ids follow from the packages alone, so that two machines agree; only a machine where an account
    has another id from before needs a state of its own.
    """
    text = session.repo.read_file(checksum, RECORD_PATH)
    made = from_json(text.decode()).accounts if text else ()
    now = {(a.kind, a.name): a.uid for a in seed_accounts(session)}
    return all(now.get((a.kind, a.name), a.uid) == a.uid for a in made)


def build(
    session: Session, plan: Plan, packages: list[Imported], digest: str
) -> tuple[str, Record]:
    """Put the packages on the base, run their scriptlets, and commit the result."""
    assert session.work is not None
    repo, timings = session.repo, session.timings
    near = root.nearest_tree(repo, plan.base.commit, near_trees(session))
    work = Path(tempfile.mkdtemp(prefix="build-", dir=session.work))
    with root.mount_root(repo, plan.base.commit, near, work) as tree:
        with timings.phase("rpmdb"):
            order, removal = rpmdb.plan_order(tree, packages, plan.overrides)
            dbpath = rpmdb.write_rpmdb(
                tree, order, plan.base.timestamp, removal, plan.request.documentation
            )
        setup = script_setup(session, plan, dbpath)
        with timings.phase("scripts"):
            report = scripts.run_scripts(
                tree,
                order,
                setup,
                session.progress,
                seed=seed_accounts(session),
                removal=removal,
            )
        with timings.phase("kernel"):
            kernel.finish_kernel(
                tree,
                order,
                removal,
                plan.request,
                epoch=setup.epoch,
                limits=setup.limits,
                progress=session.progress,
            )
        with timings.phase("commit"), repo.transaction():
            commit.collect(tree)
            made, generated = record.make_record(plan, digest, report, tree.notes)
            checksum = commit.write_state(tree, plan, digest, generated)
            repoprinted.keep_printed(repo, checksum, report.runs)
            repo.set_transaction_ref(commit.STATE_REF + digest, checksum)
    return checksum, made


def script_setup(session: Session, plan: Plan, dbpath: str) -> scripts.Setup:
    """How scriptlets run, by the settings and what the request's rules say."""
    settings = session.settings
    limits = Limits(
        seconds=settings.script_timeout,
        memory=settings.script_memory,
        processes=settings.script_processes,
        disk=settings.script_disk,
    )
    rules = (*plan.request.rules, *RULES)
    return scripts.Setup(dbpath, plan.base.timestamp, settings.post_failure, limits, rules)


def near_trees(session: Session) -> list[NearTree]:
    """The trees on disk that a root can be built on: this stateroot's deployments."""
    return [
        NearTree(Path(d.root), d.checksum)
        for d in session.sysroot.deployments
        if session.repo.is_complete(d.checksum)
    ]


def seed_accounts(session: Session) -> tuple[Account, ...]:
    """Accounts that the layer before made; they keep their ids in the next one."""
    if session.seed is not None:
        return session.seed
    found = session.recorded
    return found.accounts if found else ()


def publish(
    session: Session, plan: Plan, checksum: str, extra_origin: dict[str, str], *,
    replaces: bool = False, kargs: Sequence[str] | None = None,
) -> bool:  # fmt: skip
    """Deploy the commit with the request in its origin; False when it is the next boot already."""
    newest = session.sysroot.newest
    if plan.layered:
        signing.sign_state(session, checksum)
    origin = origin_for(newest, plan.request, extra_origin)
    if newest.checksum == checksum and newest.origin == origin and kargs is None:
        return False
    space.check_deploy(session, checksum)
    session.repo.set_ref(commit.BASE_REF + plan.base.commit, plan.base.commit)
    deploy(session, checksum, origin, instead_of=newest if replaces else None, kargs=kargs)
    return True


def origin_for(
    before: Deployment, request: Request, extra: dict[str, str]
) -> dict[str, dict[str, str]]:
    """The origin of a state with this request; groups of others are carried along."""
    origin = {name: dict(group) for name, group in before.origin.items()}
    origin["origin"] = {"refspec": request.refspec, **extra}
    origin[ORIGIN_GROUP] = to_origin(request)
    return origin
