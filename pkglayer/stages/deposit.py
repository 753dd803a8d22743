"""Verified RPM files -> a directory that is carried to another machine.

`is_there(package, directory)` tells what needs no fetching; `put_rpm` and `put_key` write a file as
a whole or not at all. The directory may be any, on a USB stick as well: what is found in it counts
for nothing but its checksum.
"""

import contextlib
import hashlib
import os
import shutil
import stat
import tempfile
from io import BufferedReader, BytesIO
from pathlib import Path
from typing import BinaryIO

from pkglayer.log import to_size
from pkglayer.model.errors import PackageError, PkglayerError, SpaceError
from pkglayer.model.package import Package
from pkglayer.system.keyring import Keyring, check_rpm

KEYS = "keys"
_CHUNK = 1 << 20


def rpm_path(package: Package, directory: Path) -> Path:
    """Where a package's file is: by its NEVRA, never by what a server calls it."""
    n = package.nevra
    name = f"{n.name}-{n.version}-{n.release}.{n.arch}.rpm"
    if Path(name).name != name or name.startswith("."):
        raise PackageError(f"'{name}' is no name for a file", hint="tell the repository's owner")
    return directory / name


def is_there(package: Package, directory: Path) -> bool:
    """Whether the directory has the very file that the metadata describe."""
    algorithm, _, digest = package.checksum.partition(":")
    try:
        with _open(rpm_path(package, directory)) as file:
            info = os.fstat(file.fileno())
            if not stat.S_ISREG(info.st_mode) or info.st_size != package.download_size:
                return False
            return hashlib.file_digest(file, algorithm).hexdigest() == digest
    except (OSError, ValueError):
        return False


def check_there(package: Package, directory: Path, keyring: Keyring | None) -> str:
    """Demand of a file that is there what is demanded of one that is fetched.

    Returns the fingerprint of who signed it, "" where that was not demanded. Raises SignatureError
    or PackageError.
    """
    with _open(rpm_path(package, directory)) as file:
        return check_rpm(file, str(package.nevra), keyring, source=package.repo).fingerprint


def _open(path: Path) -> BufferedReader:
    def opener(name: str, flags: int) -> int:
        return os.open(name, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)

    return open(path, "rb", opener=opener)


def make_room(directory: Path, need: int) -> None:
    """Make the directory; raises SpaceError when its file system has less than `need` bytes."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(directory).free
    except OSError as e:
        raise PkglayerError(f"{directory} cannot be used: {e.strerror}",
                            hint="name another with --to") from e  # fmt: skip
    if need > free:
        raise SpaceError(
            f"{to_size(need)} are to come and {directory} has {to_size(free)} free",
            hint="make room there, or name another directory with --to",
            data={"need": need, "free": free, "path": str(directory)},
        )


def put_rpm(package: Package, file: BinaryIO, directory: Path) -> Path:
    """Copy an open, verified file; returns where it is. The file is whole and durable then."""
    file.seek(0)
    return _put(file, rpm_path(package, directory))


def put_key(fingerprint: str, block: bytes, directory: Path) -> Path:
    """Write an armoured public key, named by its fingerprint."""
    (directory / KEYS).mkdir(exist_ok=True)
    return _put(BytesIO(block), directory / KEYS / f"{fingerprint}.asc")


def _put(source: BinaryIO, path: Path) -> Path:
    handle, name = tempfile.mkstemp(prefix=".part-", dir=path.parent)
    made = Path(name)
    try:
        with os.fdopen(handle, "wb") as target:
            shutil.copyfileobj(source, target, _CHUNK)
            target.flush()
            with contextlib.suppress(PermissionError):  # a file system without modes
                os.fchmod(target.fileno(), 0o644)
            os.fsync(target.fileno())
        return made.replace(path)
    except BaseException:
        made.unlink(missing_ok=True)
        raise
