"""Plan -> RPM files: downloaded into the cache, verified, and handed on as the same open files.

`fetch(packages, repositories, cache=, keyring=, progress=)` -> `FetchedRpm`s in the same order;
`fetch_local(path, cache=, keyring=)` takes a file that the user brought. Files are named by
checksum, never by what a server says; what is returned is open and is what was checked.
"""

import hashlib
import os
import resource
import shutil
import stat
import struct
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryFile
from typing import BinaryIO

from pkglayer.log import Progress
from pkglayer.model.errors import (
    PackageError,
    PkglayerError,
    RepositoryError,
    UsageError,
)
from pkglayer.model.offer import LOCAL
from pkglayer.model.package import Package
from pkglayer.model.space import Need, check_rooms
from pkglayer.system import rpmlib
from pkglayer.system.keyring import Keyring, check_rpm
from pkglayer.system.location import check_location
from pkglayer.system.privatedir import open_private
from pkglayer.system.rpmmd import Repository
from pkglayer.system.rpmmdget import Download, download
from pkglayer.system.space import find_rooms

_ALGORITHMS = frozenset({"sha1", "sha224", "sha256", "sha384", "sha512"})
_CHUNK = 1 << 20
_SPARE_FILES = 256


@dataclass(frozen=True)
class FetchedRpm:
    """A verified package; `package.key` names its signer; `file` is open at its start."""

    package: Package
    file: BinaryIO

    def close(self) -> None:
        self.file.close()


def fetch(
    packages: Sequence[Package],
    repositories: Sequence[Repository],
    *,
    cache: Path,
    keyring: Keyring,
    progress: Progress,
) -> list[FetchedRpm]:
    """Download what the cache does not have and verify everything.

    Raises RepositoryError for what cannot be downloaded, naming all of it; PackageError and
    SignatureError for what must not be used; SpaceError before anything is downloaded.
    """
    by_id = {r.id: r for r in repositories}
    wanted = [_to_download(p, by_id, open_private(cache)) for p in packages]
    missing = [d for d in wanted if not _is_intact(d)]
    _check_space(cache, missing)
    progress.start("Fetching packages", sum(d.size for d in wanted), "B")
    progress.advance(sum(d.size for d in wanted if d not in missing))
    if missing:
        _download(missing, dict(zip(wanted, packages, strict=True)), progress)
    _allow_open_files(len(packages))
    with ExitStack() as undo:
        fetched = []
        for item, package in zip(wanted, packages, strict=True):
            rpm = _verified(item, package, keyring)
            undo.callback(rpm.close)
            fetched.append(rpm)
        undo.pop_all()
    progress.done()
    return fetched


def _to_download(package: Package, by_id: dict[str, Repository], cache: Path) -> Download:
    repository = by_id.get(package.repo)
    if repository is None:
        raise RepositoryError(
            f"{package.nevra} comes from {package.repo}, which is not among the repositories now",
            hint=f"enable it with --enablerepo={package.repo}, or leave the package out",
        )
    name = cache_name(package.checksum)
    if not name:
        raise RepositoryError(f"{repository.id} gives no usable checksum for {package.nevra}")
    base, location = check_location(package, repository)
    return Download(
        repository, location, base, package.checksum, package.download_size, cache / name
    )


def cache_name(checksum: str) -> str:
    """What a package's file is called in the cache; "" for a checksum that is none."""
    algorithm, _, digest = checksum.partition(":")
    if algorithm not in _ALGORITHMS or len(digest) != hashlib.new(algorithm).digest_size * 2:
        return ""
    return f"{algorithm}-{bytes.fromhex(digest).hex()}.rpm"


def _is_intact(item: Download) -> bool:
    """Whether the cache has the file already; one with other content is removed."""
    try:
        with _open(item.target) as file:
            if os.fstat(file.fileno()).st_size < item.size:
                return False  # partly downloaded: go on from there
            if _hash(file, item.checksum) == item.checksum:
                return True
    except FileNotFoundError:
        return False
    item.target.unlink()
    return False


def _open(path: Path) -> BinaryIO:
    def opener(name: str, flags: int) -> int:
        return os.open(name, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)

    try:
        file = open(path, "rb", opener=opener)  # noqa: SIM115 - Path.open takes no opener
    except FileNotFoundError:
        raise
    except OSError as e:
        raise PackageError(
            f"{path} cannot be read as a plain file: {e.strerror}", hint="see what it is; remove it"
        ) from e
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise PackageError(f"{path} is not a regular file")
    return file


def _hash(file: BinaryIO, checksum: str) -> str:
    algorithm = checksum.partition(":")[0]
    digest = hashlib.new(algorithm)
    file.seek(0)
    while data := file.read(_CHUNK):
        digest.update(data)
    file.seek(0)
    return f"{algorithm}:{digest.hexdigest()}"


def _check_space(cache: Path, missing: Sequence[Download]) -> None:
    there = sum(d.target.stat().st_size for d in missing if d.target.exists())
    size = sum(d.size for d in missing) - there
    check_rooms(find_rooms([(cache, Need("to download", size, len(missing)))]))


def _download(
    missing: Sequence[Download], packages: dict[Download, Package], progress: Progress
) -> None:
    failed = download(missing, progress)
    if not failed:
        return
    _check_space(missing[0].target.parent, [d for d in missing if d.target in failed])
    lines = [
        f"{packages[d].nevra} from {d.repository.id}: {failed[d.target]}"
        for d in missing
        if d.target in failed
    ]
    raise RepositoryError(
        f"{len(lines)} of {len(packages)} packages cannot be downloaded: {'; '.join(lines)}",
        hint="renew the metadata with: pkglayer refresh-md; then try again",
        data={"failed": lines},
    )


def _allow_open_files(count: int) -> None:
    """All packages stay open from here to their import."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    need = count + _SPARE_FILES
    if soft < need <= hard or (soft < need and hard == resource.RLIM_INFINITY):
        resource.setrlimit(resource.RLIMIT_NOFILE, (need, hard))


def _verified(item: Download, package: Package, keyring: Keyring) -> FetchedRpm:
    """Open the cached file and check this open file; a wrong one leaves the cache."""
    file = _open(item.target)
    with ExitStack() as undo:
        undo.callback(file.close)
        try:
            _check_content(file, item, package)
            report = check_rpm(
                file,
                str(package.nevra),
                keyring if item.repository.gpgcheck else None,
                source=item.repository.id,
            )
            header = rpmlib.read_header(rpmlib.read_head(file))
            if header.nevra != package.nevra:
                raise PackageError(
                    f"{item.repository.id} offers {package.nevra}, but the file is {header.nevra}",
                    hint="renew the metadata with: pkglayer refresh-md",
                )
        except PkglayerError:
            item.target.unlink(missing_ok=True)
            raise
        undo.pop_all()
    file.seek(0)
    known = replace(package, key=report.fingerprint, header_checksum=header.checksum)
    return FetchedRpm(known, file)


def _check_content(file: BinaryIO, item: Download, package: Package) -> None:
    size = os.fstat(file.fileno()).st_size
    if size == item.size and _hash(file, item.checksum) == item.checksum:
        return
    raise PackageError(
        f"{package.nevra} from {item.repository.id} is not the file that the metadata describes "
        f"({size} bytes of {item.size})",
        hint="renew the metadata with: pkglayer refresh-md; then try again",
        data={"package": str(package.nevra), "repository": item.repository.id},
    )


def fetch_local(path: Path, *, cache: Path, keyring: Keyring | None) -> FetchedRpm:
    """Take an RPM file of the user's: a private copy is checked and handed on, as it may change.

    Without `keyring` no signature is demanded. Raises UsageError for a path that is no file,
    PackageError and SignatureError as `fetch` does.
    """
    shown = str(path)
    try:
        source = open(path, "rb", opener=_nonblocking)  # noqa: SIM115 - see _open
    except OSError as e:
        raise UsageError(f"{shown}: {e.strerror}", hint="give the path of an RPM file") from e
    with source, ExitStack() as undo:
        if not stat.S_ISREG(os.fstat(source.fileno()).st_mode):
            raise UsageError(f"{shown} is not a file", hint="give the path of an RPM file")
        rpmlib.read_head(source)  # only to refuse early what is no package
        source.seek(0)
        file = undo.enter_context(TemporaryFile(dir=open_private(cache), prefix="local-"))
        shutil.copyfileobj(source, file, _CHUNK)
        file.flush()
        package = _local_package(file, path.name)
        report = check_rpm(file, shown, keyring)
        undo.pop_all()
    file.seek(0)
    return FetchedRpm(replace(package, key=report.fingerprint), file)


def _nonblocking(name: str, flags: int) -> int:
    return os.open(name, flags | os.O_NONBLOCK | os.O_CLOEXEC)


def _local_package(file: BinaryIO, name: str) -> Package:
    head = rpmlib.read_head(file)
    (kind,) = struct.unpack_from(">H", head, 6)
    if kind == 1:
        raise PackageError(f"{name} is a source package", hint="give a binary package")
    header = rpmlib.read_header(head)
    return Package(
        nevra=header.nevra,
        repo=LOCAL,
        checksum=_hash(file, "sha256:"),
        download_size=os.fstat(file.fileno()).st_size,
        install_size=sum(f.size for f in header.files),
        location=name,
        reason="user",
        header_checksum=header.checksum,
    )
