"""From base and request to a plan: which repositories, which cached packages, which rules.

What the state before has is offered from the import cache, so that dropping a request needs no
repository and a repository that is down does not take away what is layered already.
"""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from pkglayer.engine.local import LocalRpm, write_head
from pkglayer.engine.session import Session, base_files, merge_root
from pkglayer.model.errors import PkglayerError, ResolveError
from pkglayer.model.offer import CachedHead
from pkglayer.model.package import Package
from pkglayer.model.plan import Base, Plan
from pkglayer.model.request import Request
from pkglayer.stages import importer, resolve
from pkglayer.system import config, rpmdb, rpmmd, sack


def make_plan(
    session: Session, base: Base, request: Request, *, upgrade: bool,
    local: Sequence[LocalRpm] = (),
) -> tuple[Plan, list[rpmmd.Repository]]:  # fmt: skip
    """Resolve the request on the base; the repositories are those that the plan came from.

    Raises ResolveError with the reason and a way out, RepositoryError when a repository that is
    needed cannot be used.
    """
    with base_files(session, base) as tree:
        request = session.with_layers(request, tree)
        if not request.wants:
            return Plan(base, request), []
        with cached_heads(session, local) as heads:
            if not upgrade and (plan := _without_repositories(session, base, request, tree, heads)):
                return plan, []
            repositories = load_repositories(session, tree)
            plan = _resolve(session, base, request, tree, repositories, heads, upgrade=upgrade)
            return plan, repositories


def _without_repositories(
    session: Session, base: Base, request: Request, tree: Path, heads: Sequence[CachedHead]
) -> Plan | None:
    """The plan when what is imported already is enough: nothing new is asked for."""
    before = session.sysroot.newest.record
    known = {(w.spec, w.kind) for w in before.plan.request.wants} if before else set()
    known |= {(w.spec, w.kind) for w in request.wants if w.kind == "local"}
    if not {(w.spec, w.kind) for w in request.wants} <= known:
        return None
    try:
        plan = _resolve(session, base, request, tree, (), heads, upgrade=False)
    except ResolveError:
        return None
    return plan


def _resolve(
    session: Session, base: Base, request: Request, tree: Path,
    repositories: Sequence[rpmmd.Repository], heads: Sequence[CachedHead], *, upgrade: bool,
) -> Plan:  # fmt: skip
    before = session.sysroot.newest.record
    keep = before.plan.packages if before and not upgrade else ()
    with session.timings.phase("resolve"):
        loaded = sack.load_sack(
            tree,
            rpmdb.find_dbpath(tree),
            repositories,
            cached=heads,
            cachedir=session.cachedir / "solv" / base.commit,
            filelists=resolve.needs_filelists(request),
        )
        return resolve.resolve(
            loaded, base, request, keep=keep, settings=session.settings, upgrade=upgrade
        )


def load_repositories(session: Session, tree: Path) -> list[rpmmd.Repository]:
    """The enabled repositories with their metadata, as the next state's /etc configures them."""
    with session.timings.phase("metadata"):
        return rpmmd.load_repositories(
            read_repositories(session, tree),
            offline=session.options.offline,
            refresh=session.options.refresh,
            progress=session.progress,
        )


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
def cached_heads(
    session: Session, local: Sequence[LocalRpm]
) -> Iterator[list[CachedHead]]:
    """Packages that need no repository: those of the states on disk, and local RPMs."""
    packages: dict[str, Package] = {}
    for deployment in session.sysroot.deployments:
        for package in deployment.record.plan.packages if deployment.record else ():
            packages.setdefault(package.header_checksum, package)
    with tempfile.TemporaryDirectory(prefix="pkglayer-heads-", dir=session.work) as where:
        heads = [write_head(Path(where), rpm.package, rpm.head) for rpm in local]
        for package in packages.values():
            try:
                found = importer.find_imports(session.repo, [package])[0]
            except PkglayerError:
                continue
            if found is not None:
                heads.append(write_head(Path(where), package, found.head))
        yield heads
