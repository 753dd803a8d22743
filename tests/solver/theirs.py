"""The same case through dnf 4 itself, as `dnf --installroot` would do it; nothing is installed.

The base and what is layered so far lie in one rpmdb, since dnf knows no layer. What is new is
installed, with `--skip-broken` where our policy is skip; `upgrade` upgrades everything as well.
"""

import fnmatch
from pathlib import Path
from typing import Any

import dnf
import dnf.exceptions

from pkglayer.system.rpmconfig import database_path
from tests.sim.textrepo import DBPATH, head_of
from tests.solver.cases import REFUSED, Case, short
from tests.solver.ours import World


def run_dnf(world: World) -> frozenset[str] | str:
    """All that would be there beside the base's packages, and `-` what of the base would go."""
    case = world.case
    root = world.root((*case.base, *case.before), "theirs")
    with dnf.Base(_conf(world, root)) as base, database_path(DBPATH):
        for name, repo in case.repos.items():
            if repo.enabled and not repo.down:
                base.repos.add_new_repo(
                    name, base.conf, baseurl=[(world.place / name).as_uri()],
                    priority=repo.priority, cost=repo.cost, excludepkgs=list(repo.exclude),
                    includepkgs=list(repo.include),
                )  # fmt: skip
        base.fill_sack()
        base.read_comps(arch_filter=True)
        try:
            _mark(base, world)
            base.resolve()
        except dnf.exceptions.Error:
            return REFUSED
        return _result(base, case)


def _conf(world: World, root: Path) -> Any:
    conf = dnf.conf.Conf()
    conf.installroot = str(root)
    conf.substitutions |= {"releasever": "1", "arch": "x86_64", "basearch": "x86_64"}
    for name in ("cachedir", "persistdir", "logdir"):
        directory = world.place / f"dnf-{name}"
        directory.mkdir()
        setattr(conf, name, str(directory))
    conf.pluginpath = []
    conf.install_weak_deps = world.case.settings.get("recommends", True) and all(
        w.recommends for w in world.case.wants
    )
    conf.excludepkgs = [glob for w in world.case.wants for glob in w.exclude]
    return conf


def _mark(base: Any, world: World) -> None:
    case = world.case
    strict = case.policy != "skip"
    names = {p.name for p in case.before} if case.before else set()
    there = {w.spec for w in case.wants if any(fnmatch.fnmatchcase(n, w.spec) for n in names)}
    new = [w for w in case.wants if case.upgrade or w.spec not in there]
    if case.upgrade:
        base.upgrade_all()
    files = [world.place / f"local-{p.name}.rpm" for p in case.local]
    for path, pkg in zip(files, case.local, strict=True):
        path.write_bytes(head_of(pkg))
    for found in base.add_remote_rpms(list(map(str, files))) if files else []:
        base.package_install(found, strict=strict)
    specs = [f"{w.spec}-{w.version}" if w.version else w.spec for w in new]
    if specs:
        try:
            base.install_specs(specs, strict=strict)
        except dnf.exceptions.MarkingErrors:
            if strict:
                raise


def _result(base: Any, case: Case) -> frozenset[str]:
    installed = set(base.sack.query().installed())
    after = installed - set(base.transaction.remove_set) | set(base.transaction.install_set)
    names = {short(p.name, p.evr, p.arch) for p in after}
    own = {short(p.name, p.parsed.evr, p.arch) for p in case.base}
    return frozenset(names - own | {f"-{gone}" for gone in own - names})
