"""From base and request to a plan: which repositories, which cached packages, which rules.

What the state before has is offered from the import cache, so that dropping a request needs no
repository and a repository that is down does not take away what is layered already.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

from pkglayer.engine import policy
from pkglayer.engine.keys import load_keys
from pkglayer.engine.local import LocalRpm, learn_signers, write_head
from pkglayer.engine.session import Session, base_files, merge_root
from pkglayer.model.errors import PkglayerError, ResolveError
from pkglayer.model.explain import Blocked, Detour
from pkglayer.model.layer import to_wants
from pkglayer.model.offer import CachedHead
from pkglayer.model.package import Package
from pkglayer.model.plan import Base, Plan
from pkglayer.model.record import Record
from pkglayer.model.request import INITRAMFS, REMOVE, Request, Want
from pkglayer.stages import importer, resolve
from pkglayer.system import config, layerfiles, rpmhome, rpmmd, rpmmdseed, sack
from pkglayer.system.blockers import Rank, by_spec
from pkglayer.system.keyring import Keyring
from pkglayer.system.scratch import scratch

DIRECT = Detour()


def make_plan(
    session: Session, base: Base, request: Request, *, upgrade: bool,
    local: Sequence[LocalRpm] = (), detour: Detour = DIRECT,
) -> tuple[Plan, list[rpmmd.Repository]]:  # fmt: skip
    """Resolve the request on the base; the repositories are those that the plan came from.

    `detour` is what an earlier plan turned out not to go with when it was built. Raises Blocked
    with the reasons and ways out, Held when the base has to wait, RepositoryError when a repository
    that is needed cannot be used.
    """
    with base_files(session, base) as tree:
        request = with_layers(session, request, tree)
        if not request.wants:
            return Plan(base, request), []
        before = state_before(session, request)
        with cached_heads(session, local) as heads:
            if not upgrade and (
                plan := _without_repositories(session, base, request, tree, heads, detour)
            ):
                return plan, []
            repositories = [_dead_or_alive(session, r) for r in load_repositories(session, tree)]
            sight = resolve.Sight(
                partial(load_sack, session, request, tree, repositories, heads),
                resolve.needs_filelists(request),
            )
            rules = policy.rules_for(session, request)

            def attempt(left_out: Mapping[Want, str]) -> Plan:
                def ask(loaded: sack.Sack) -> Plan:
                    way = replace(detour, left_out=left_out)
                    return _resolve(session, loaded, base, request, upgrade, way, rules.rank)

                return sight.answer(ask)

            try:
                plan = policy.plan_by_policy(attempt, rules, base, detour.left_out)
            except Blocked as e:
                raise policy.with_ways(e, rules, before.plan if before else None) from e
            return policy.keep_words(plan, before.plan if before else None), repositories


def plan_fresh(
    session: Session, base: Base, request: Request
) -> tuple[Plan, list[rpmmd.Repository]]:
    """What a machine with this bare base would get from the repositories alone; and these.

    Raises Blocked for what cannot be had.
    """
    with base_files(session, base) as tree:
        repositories = [_dead_or_alive(session, r) for r in load_repositories(session, tree)]
        sight = resolve.Sight(
            partial(load_sack, session, request, tree, repositories, ()),
            resolve.needs_filelists(request),
        )
        ask = partial(
            resolve.resolve, base=base, request=request, settings=session.settings, upgrade=True
        )
        return sight.answer(ask), repositories


def _dead_or_alive(session: Session, repository: rpmmd.Repository) -> rpmmd.Repository:
    """One whose server is down has no packages either, however good its metadata still are.

    What is imported of it is used in its place; whatever else it had cannot be had today.
    """
    if repository.problem and not session.options.offline:
        return replace(repository, available=False)
    return repository


def _without_repositories(
    session: Session, base: Base, request: Request, tree: Path, heads: Sequence[CachedHead],
    detour: Detour,
) -> Plan | None:  # fmt: skip
    """The plan when what is imported already is enough: nothing new is asked for.

    Dropping requests leaves what is skipped as it is: that must not need a network.
    """
    before = state_before(session, request)
    wants = before.plan.request.wants if before else ()
    known = {(w.spec, w.kind, w.version) for w in wants}
    known |= {
        (w.spec, w.kind, w.version)
        for w in request.wants
        if w.header_checksum or w.kind in (REMOVE, INITRAMFS)
    }
    dropping = before is not None and len(request.wants) < len(wants)
    left_out = {s.want: s.why for s in before.plan.skipped} if before and dropping else {}
    if not {(w.spec, w.kind, w.version) for w in request.wants} <= known:
        return None
    loaded = load_sack(session, request, tree, (), heads)
    way = replace(detour, left_out={**left_out, **detour.left_out})
    try:
        return _resolve(session, loaded, base, request, False, way)
    except ResolveError:
        return None


def load_sack(
    session: Session, request: Request, tree: Path,
    repositories: Sequence[rpmmd.Repository], heads: Sequence[CachedHead],
    filelists: bool = False,
) -> sack.Sack:  # fmt: skip
    """Base, repositories and imported packages, ready to be asked."""
    with session.timings.phase("resolve"):
        loaded = sack.load_sack(
            tree,
            rpmhome.find_dbpath(tree),
            repositories,
            cached=heads,
            disabled=_disabled(session, tree) if repositories else (),
            cachedir=session.cachedir / "solv",
            filelists=filelists,
        )
        learn_signers(session, loaded, request, repositories)
        return loaded


def _disabled(session: Session, tree: Path) -> list[rpmmd.Repository]:
    return rpmmd.load_disabled(read_repositories(session, tree))


def _resolve(
    session: Session, loaded: sack.Sack, base: Base, request: Request, upgrade: bool,
    detour: Detour, rank: Rank = by_spec,
) -> Plan:  # fmt: skip
    before = state_before(session, request)
    with session.timings.phase("resolve"):
        return resolve.resolve(
            loaded,
            base,
            request,
            keep=before.plan.packages if before else (),
            settings=session.settings,
            upgrade=upgrade,
            leave_out=detour.left_out,
            clashes=detour.clashes,
            rank=rank,
        )


def with_layers(session: Session, request: Request, tree: Path) -> Request:
    """The request with the wants of the declared layers in place of any it had, and what settings
    and layers say about scriptlets."""
    layers = layerfiles.read_layers(tree / "usr", session.etc)
    rules = (*session.settings.script_rules, *(r for layer in layers for r in layer.scripts))
    wanted = request.with_wants([*request.commanded, *to_wants(layers)])
    return replace(wanted, rules=rules, documentation=session.settings.documentation)


def state_before(session: Session, request: Request) -> Record | None:
    """What is layered until now, whose versions are kept: the newest state's.

    A bare base that another updater put in front of a layered state stands for that state, if it
    still asks for something of it; one that we made has nothing requested.
    """
    newest, found = session.sysroot.newest, session.recorded
    if newest.record or found is None:
        return newest.record
    asked = {w for w in request.wants if w.source != "command"}
    asked |= set(session.request_of(newest).wants)
    return found if asked & set(found.plan.request.wants) else None


def load_repositories(session: Session, tree: Path) -> list[rpmmd.Repository]:
    """The enabled repositories with their metadata, as the next state's /etc configures them."""
    with session.timings.phase("metadata"):
        found = read_repositories(session, tree)
        if session.cachedir != session.system_cachedir:
            rpmmdseed.take_over(found, session.system_cachedir / "metadata")
        return rpmmd.load_repositories(
            found,
            offline=session.options.offline,
            refresh=session.options.refresh,
            progress=session.progress,
            parse=partial(sack.parse_metadata, cachedir=session.cachedir / "solv", root=tree),
        )


def read_keyring(session: Session) -> Keyring:
    """The keys of the deployment, and those that enabled repositories name."""
    with base_files(session, session.sysroot.newest.base) as tree:
        enabled = [r for r in read_repositories(session, tree) if r.enabled]
    return load_keys(session, enabled)


def read_repositories(session: Session, tree: Path) -> list[rpmmd.Repository]:
    """All configured repositories; `$releasever` is the target base's."""
    arch = sack.detect_arch()
    variables = {"arch": arch, "basearch": sack.base_arch(arch)}
    variables |= config.read_variables(session.etc)
    release = config.read_os_release(tree).get("VERSION_ID", "")
    variables.setdefault("releasever", session.options.releasever or release)
    return rpmmd.read_repositories(
        config.find_repo_files(session.etc, tree / "usr"),
        rpmmd.Sources(
            root=merge_root(session.sysroot),
            cachedir=session.cachedir / "metadata",
            main=session.etc / "dnf/dnf.conf",
            variables=variables,
            enable=session.options.enable_repos,
            disable=session.options.disable_repos,
            gpgcheck=session.settings.gpgcheck,
        ),
    )


@contextmanager
def cached_heads(session: Session, local: Sequence[LocalRpm]) -> Iterator[list[CachedHead]]:
    """Packages that need no repository: those of the states on disk, and local RPMs."""
    packages: dict[str, Package] = {}
    for deployment in session.sysroot.deployments:
        if deployment.record is None:
            continue
        for package in deployment.record.plan.packages:
            packages.setdefault(package.header_checksum, package)
        for want in deployment.record.plan.request.wants:
            if want.header_checksum and want.header_checksum not in packages:
                packages[want.header_checksum] = importer.to_local(session.repo, want)
    with scratch("heads", session.work) as where:
        heads = [write_head(where, rpm.package, rpm.head) for rpm in local]
        for package in packages.values():
            try:
                found = importer.find_imports(session.repo, [package])[0]
            except PkglayerError:
                continue
            if found is not None:
                heads.append(write_head(where, found.package, found.head))
        yield heads
