"""RPM files that a user brings: opened once, and every later step works on that open file."""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from pkglayer.model.errors import UsageError
from pkglayer.model.offer import LOCAL, CachedHead
from pkglayer.model.package import Package
from pkglayer.model.request import Want
from pkglayer.system import rpmlib


@dataclass(frozen=True)
class LocalRpm:
    """An open RPM file: `path` as the user gave it, `package` as its header and bytes say."""

    path: str
    file: BinaryIO
    head: bytes
    package: Package

    @property
    def header_checksum(self) -> str:
        return self.package.header_checksum


@contextmanager
def open_locals(wants: Sequence[Want]) -> Iterator[tuple[tuple[Want, ...], tuple[LocalRpm, ...]]]:
    """Open the files of local wants, for the body; returns the wants by NEVRA, and the files.

    Raises UsageError for a file that cannot be opened, PackageError for one that is no RPM.
    """
    with ExitStack() as stack:
        rpms, done = [], []
        for want in wants:
            if want.kind != "local":
                done.append(want)
                continue
            rpm = _open(want.spec, stack)
            rpms.append(rpm)
            done.append(
                replace(want, spec=str(rpm.package.nevra), header_checksum=rpm.header_checksum)
            )
        yield tuple(done), tuple(rpms)


def _open(path: str, stack: ExitStack) -> LocalRpm:
    try:
        file = stack.enter_context(Path(path).open("rb"))
    except OSError as e:
        raise UsageError(
            f"cannot open {path}: {e.strerror}", hint="give the path of a readable RPM file"
        ) from e
    head = rpmlib.read_head(file)
    header = rpmlib.read_header(head)
    digest = hashlib.file_digest(file, "sha256").hexdigest()
    size = file.tell()
    return LocalRpm(
        path,
        file,
        head,
        Package(
            header.nevra,
            LOCAL,
            f"sha256:{digest}",
            download_size=size,
            install_size=sum(e.size for e in header.files),
            location=path,
            header_checksum=header.checksum,
        ),
    )


def write_head(directory: Path, package: Package, head: bytes) -> CachedHead:
    """A head as a file that the solver can read (its name must end in `.rpm`)."""
    path = directory / f"{package.header_checksum}.rpm"
    path.write_bytes(head)
    return CachedHead(path, package.header_checksum, package)
