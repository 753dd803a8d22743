"""The verb `download`: the RPM files that an offline machine needs, in a directory.

Of requests it is what they need on this base and nothing layered; of a lock it is its packages, so
that `apply LOCK --rpms DIRECTORY` needs no repository. Nothing of the system is changed.
"""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from pkglayer.engine import solving
from pkglayer.engine.session import Session, base_files
from pkglayer.log import printable
from pkglayer.model.errors import PackageError, RepositoryError, UsageError
from pkglayer.model.lock import Lock
from pkglayer.model.offer import LOCAL
from pkglayer.model.package import Package
from pkglayer.model.plan import Inactive
from pkglayer.model.request import Request, Want, parse_spec
from pkglayer.stages import deposit, fetch
from pkglayer.system.keyring import Keyring
from pkglayer.system.rpmmd import Repository


@dataclass(frozen=True)
class Item:
    """A package's file; `there` tells that it was before, and was right."""

    package: Package
    path: Path
    there: bool


@dataclass(frozen=True)
class Downloaded:
    """What is in the directory now, or would be; `keys` are files of the keys that signed it,
    `inactive` requests that the base itself has."""

    items: tuple[Item, ...]
    keys: tuple[Path, ...] = ()
    inactive: tuple[Inactive, ...] = ()

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(i.package.download_size for i in self.items)

    @property
    def fetched(self) -> int:
        """Bytes that were not there before."""
        return sum(i.package.download_size for i in self.items if not i.there)


def download(
    session: Session, specs: Sequence[str], directory: Path, *, recommends: bool = True,
    dry_run: bool = False,
) -> Downloaded:  # fmt: skip
    """What requests need on the base of the next boot, whatever is layered on it here.

    Raises UsageError for a local file, Blocked for what cannot be had, and what `fetch` raises.
    """
    wants = [replace(_named(spec), recommends=recommends) for spec in specs]
    base = session.sysroot.newest.base
    request = Request(base.refspec).with_wants(wants)
    plan, repositories = solving.plan_fresh(session, base, request)
    done = _collect(session, plan.packages, repositories, directory, dry_run)
    return replace(done, inactive=plan.inactive)


def _named(spec: str) -> Want:
    want = parse_spec(spec)
    if want.kind == "local":
        raise UsageError(
            f"'{printable(spec)}' is a file already",
            hint="name what it needs, as pkglayer install --dry-run lists it",
        )
    return want


def download_lock(
    session: Session, lock: Lock, directory: Path, *, dry_run: bool = False
) -> Downloaded:
    """The packages of a lock, told by its checksums.

    Raises RepositoryError, once all others are there, for packages that came as files and are not
    in the directory.
    """
    needed = lock.plan.packages
    brought = [p for p in needed if p.repo == LOCAL and not deposit.is_there(p, directory)]
    rest = [p for p in needed if p not in brought]
    repositories = []
    if not all(deposit.is_there(p, directory) for p in rest):
        with base_files(session, session.sysroot.newest.base) as tree:
            repositories = solving.load_repositories(session, tree)
    done = _collect(session, rest, repositories, directory, dry_run)
    if brought:
        names = [deposit.rpm_path(p, directory).name for p in brought]
        raise RepositoryError(
            f"{', '.join(names)} came as files, and no repository has them",
            hint=f"put them into {directory} and try again; everything else is there",
            data={"missing": names},
        )
    return done


def _collect(
    session: Session, packages: Sequence[Package], repositories: Sequence[Repository],
    directory: Path, dry_run: bool,
) -> Downloaded:  # fmt: skip
    items = tuple(
        Item(p, deposit.rpm_path(p, directory), deposit.is_there(p, directory)) for p in packages
    )
    done = Downloaded(items)
    if dry_run:
        return done
    deposit.make_room(directory, done.fetched)
    keyring = solving.read_keyring(session)
    checked = {r.id: r.gpgcheck for r in repositories}
    signers = {
        deposit.check_there(
            i.package, directory, keyring if checked.get(i.package.repo, i.package.key) else None
        )
        for i in items
        if i.there
    }
    missing = [i.package for i in items if not i.there]
    signers |= _fetch(session, missing, repositories, directory, keyring) if missing else set()
    keys = {signer: keyring.find(signer[-16:]) for signer in sorted(signers - {""})}
    paths = [deposit.put_key(signer, k.block, directory) for signer, k in keys.items() if k]
    return replace(done, keys=tuple(paths))


def _fetch(
    session: Session, packages: Sequence[Package], repositories: Sequence[Repository],
    directory: Path, keyring: Keyring,
) -> set[str]:  # fmt: skip
    """Bring the files of these packages; returns the fingerprints of who signed them."""
    fetched = fetch.fetch(
        packages,
        repositories,
        cache=session.cachedir / "packages",
        keyring=keyring,
        progress=session.progress,
    )
    with ExitStack() as stack:
        for rpm in fetched:
            stack.callback(rpm.close)
        for package, rpm in zip(packages, fetched, strict=True):
            if package.header_checksum not in ("", rpm.package.header_checksum):
                raise PackageError(f"{package.nevra} from {package.repo} is not the lock's")
            deposit.put_rpm(package, rpm.file, directory)
    return {rpm.package.key for rpm in fetched}
