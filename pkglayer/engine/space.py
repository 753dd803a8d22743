"""The room that a plan needs, before anything is done: download, repository, deployment, /boot.

The work directory is on the repository's file system, since it is made of links to objects.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from pkglayer.engine.session import Session, merge_root
from pkglayer.model.deployment import Deployment
from pkglayer.model.errors import StateError
from pkglayer.model.offer import LOCAL
from pkglayer.model.package import Package
from pkglayer.model.plan import Plan
from pkglayer.model.space import BLOCK, Need, Room, check_rooms, guess_files
from pkglayer.stages import importer
from pkglayer.stages.fetch import cache_name
from pkglayer.stages.kernel import MODULES
from pkglayer.system.rpmhome import DB_PATHS
from pkglayer.system.space import find_rooms, tree_need
from pkglayer.system.statefiles import read_state, write_state

SPARE = Need("for what scriptlets write", 32 << 20, 256)
"""Nobody knows it before; sizes in bytes as everywhere here."""
ENTRIES = Need("of boot entries", 64 << 10, 8)
HEADER = 32 << 10
"""What a package takes in the database, about."""
BOOT_FILES = ("vmlinuz", "initramfs.img", "devicetree")
COUNTED = 8
"""Bases whose directories are remembered."""


def plan_rooms(session: Session, plan: Plan) -> tuple[Room, ...]:
    """What building and deploying a plan takes, by file system; nothing for what is deployed."""
    if _is_deployed(plan, session.sysroot.newest):
        return ()
    repo = session.repo
    missing = [p for p in plan.packages if not importer.is_known(repo, p)]
    needs = [
        *((session.cachedir / "packages", need) for need in _download(session, missing)),
        *((repo.path, need) for need in _build(session, plan, missing)),
        *((session.bootdir, need) for need in _boot(session, _like(session, plan))),
    ]
    return find_rooms(needs, {repo.path: repo.min_free_space})


def _like(session: Session, plan: Plan) -> str:
    """The commit whose kernel the plan's is going to be, as far as that is known beforehand."""
    newest = session.sysroot.newest
    old = newest.record.plan if newest.record else None
    if old is None or (old.base.commit, old.overrides) != (plan.base.commit, plan.overrides):
        return plan.base.commit
    return newest.checksum


def check_deploy(session: Session, commit: str) -> None:
    """Before a finished commit is deployed: its own kernel, where /boot has not the same one.

    Raises SpaceError. Where the state is staged, it would fail at the shutdown, unseen.
    """
    check_rooms(find_rooms([(session.bootdir, need) for need in _boot(session, commit)]))


def _is_deployed(plan: Plan, newest: Deployment) -> bool:
    """Whether the next boot is what the plan comes to, so that nothing is going to be written."""
    if newest.record is None:
        return not plan.layered and plan.base.commit == newest.checksum
    old = newest.record.plan
    known = {(p.nevra, p.checksum) for p in old.packages}
    same = known == {(p.nevra, p.checksum) for p in plan.packages}
    return same and (old.base.commit, old.request) == (plan.base.commit, plan.request)


def _download(session: Session, missing: Sequence[Package]) -> Iterator[Need]:
    cache = session.cachedir / "packages"
    come = [
        p for p in missing
        if p.repo != LOCAL and not (cache / cache_name(p.checksum)).is_file()
    ]  # fmt: skip
    if come:
        yield Need("to download", sum(p.download_size for p in come), len(come))


def _build(session: Session, plan: Plan, missing: Sequence[Package]) -> Iterator[Need]:
    """The base, imports, a database for the state, and the deployment, whose files are links."""
    if not session.repo.is_complete(plan.base.commit):
        size, files = session.repo.read_missing(plan.base.commit)
        yield Need("of the base", size + files * BLOCK, files)
    sizes = [p.install_size for p in missing]
    if missing:
        files = sum(map(guess_files, sizes))
        files += session.repo.count_fresh_directories(files)
        yield Need("of packages", sum(sizes) + files * BLOCK, files)
    if plan.layered:
        database = _database_size(session, plan.base.commit) + HEADER * len(plan.packages)
        yield Need("of package databases", 2 * database, 8)
        yield SPARE
    directories = _count_directories(session, plan.base.commit)
    yield Need("of directories", directories * BLOCK, directories)
    yield tree_need("of /etc", merge_root(session.sysroot) / "etc")


def _database_size(session: Session, commit: str) -> int:
    tree, repo = session.repo.read_commit(commit).tree, session.repo
    found = [repo.find(tree, path) for path in DB_PATHS]
    rows = [row for below in found if isinstance(below, tuple) for row in repo.walk(below)]
    return sum(repo.read_size(checksum) for _, checksum, is_dir in rows if not is_dir)


def _count_directories(session: Session, commit: str) -> int:
    """Of a base; counted once. One that is not here whole has about as many as the one in use."""
    known = _read_counted(session)
    if commit in known:
        return known[commit]
    with suppress(StateError):
        number = session.repo.count_directories(session.repo.read_commit(commit).tree)
        with suppress(OSError):
            kept = dict([*known.items()][-COUNTED:])
            write_state(_counted_path(session), {**kept, commit: number})
        return number
    current = session.sysroot.newest.base.commit
    return _count_directories(session, current) if commit != current else 0


def known_directories(session: Session) -> int:
    """Of the base in use, about those of any state on it; 0 where nobody counted them yet."""
    return _read_counted(session).get(session.sysroot.newest.base.commit, 0)


def _counted_path(session: Session) -> Path:
    return session.cachedir / "directories.json"


def _read_counted(session: Session) -> dict[str, int]:
    """Directories by commit; nothing where the file is none of ours."""
    with suppress(StateError, ValueError, TypeError):
        return {c: int(n) for c, n in (read_state(_counted_path(session)) or {}).items()}
    return {}


def _boot(session: Session, commit: str) -> Iterator[Need]:
    """Kernel, initramfs and the like of a commit, unless a deployment has the very same ones."""
    newest = session.sysroot.newest.checksum
    mine = _boot_files(session, commit)
    there = [_boot_files(session, d.checksum) for d in session.sysroot.deployments if not d.staged]
    if mine is None or mine not in there:
        files = _boot_files(session, newest) or frozenset() if mine is None else mine
        size = sum(map(session.repo.read_size, files))
        yield Need("of kernel and initramfs", size, len(files) + 1)
    yield ENTRIES


def _boot_files(session: Session, commit: str) -> frozenset[str] | None:
    """Checksums of what libostree copies to /boot; None where the commit is not here whole."""
    repo = session.repo
    if not repo.is_complete(commit):
        return None
    modules = repo.find(repo.read_commit(commit).tree, MODULES)
    versions = repo.read_dirtree(modules[0]).dirs.values() if isinstance(modules, tuple) else ()
    files = [repo.find(version, name) for version in versions for name in BOOT_FILES]
    return frozenset(f for f in files if isinstance(f, str))
