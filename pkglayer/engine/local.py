"""RPM files that a user brings: checked and opened once; every later step uses that open file."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from pkglayer.engine.keys import load_keys
from pkglayer.engine.session import Session
from pkglayer.log import printable
from pkglayer.model.errors import PkglayerError, UsageError
from pkglayer.model.offer import CachedHead
from pkglayer.model.package import Package
from pkglayer.model.request import Request, Want
from pkglayer.stages.fetch import fetch_local
from pkglayer.stages.signers import find_signers
from pkglayer.system import brought, rpmlib
from pkglayer.system.following import find_unsigned
from pkglayer.system.rpmmd import Repository
from pkglayer.system.sack import Sack


@dataclass(frozen=True)
class LocalRpm:
    """An open RPM file, as its header and bytes say, its signature checked by policy."""

    package: Package
    file: BinaryIO
    head: bytes


@contextmanager
def open_locals(
    session: Session, wants: Sequence[Want]
) -> Iterator[tuple[tuple[Want, ...], tuple[LocalRpm, ...]]]:
    """Open the files of local wants for the body; returns the wants by NEVRA, and the files.

    Raises UsageError for a file that cannot be opened, PackageError for one that is no RPM, and
    SignatureError for one without a trusted signature, unless the options name it as an exception:
    then the want says so, and the history.
    """
    _check_exceptions(session, wants)
    with ExitStack() as stack:
        rpms: list[LocalRpm] = []
        done: list[Want] = []
        for want in wants:
            if want.kind != "local":
                done.append(want)
                continue
            rpm = _open(session, want.spec)
            stack.callback(rpm.file.close)
            rpms.append(rpm)
            package = rpm.package
            exempt = want.spec in session.options.no_gpg_check
            done.append(
                replace(
                    want, spec=str(package.nevra), header_checksum=package.header_checksum,
                    no_gpg_check=exempt,
                )
            )  # fmt: skip
            if exempt:
                session.remarks.append(f"{package.nevra}: signature not checked (--no-gpg-check)")
        yield tuple(done), tuple(rpms)


def _check_exceptions(session: Session, wants: Sequence[Want]) -> None:
    """An exception is for one file that is asked for, in the same words."""
    files = [w.spec for w in wants if w.kind == "local"]
    for path in session.options.no_gpg_check:
        if path not in files:
            raise UsageError(
                f"--no-gpg-check names {printable(path)}, which is not asked for",
                hint="give the file's name twice, spelled alike: --no-gpg-check ./X.rpm ./X.rpm",
            )


def _open(session: Session, path: str) -> LocalRpm:
    check = session.settings.localpkg_gpgcheck and path not in session.options.no_gpg_check
    keyring = load_keys(session) if check else None
    file = Path(path)
    if path == brought.STDIN or brought.is_url(path):
        file = brought.bring(path, Path(tempfile.mkdtemp(dir=session.work)))
    try:
        fetched = fetch_local(file, cache=session.cachedir / "packages", keyring=keyring)
    except PkglayerError as e:  # people know what they named, not our copy of it
        named = "standard input" if path == brought.STDIN else printable(path)
        e.message = e.message.replace(str(file), named)
        raise
    return LocalRpm(fetched.package, fetched.file, rpmlib.read_head(fetched.file))


def learn_signers(
    session: Session, sack: Sack, request: Request, repositories: Sequence[Repository]
) -> None:
    """Tell the sack who signed what local RPMs may follow.

    Only the beginnings of files are read, and only of those whose vendor does not tell.
    """
    packages = {offer: sack.package(offer) for offer in find_unsigned(sack, request.wants)}
    known = {head.package.checksum: head.package.key for _, head in sack.cached()}
    sack.signers |= {o: known[p.checksum] for o, p in packages.items() if p.checksum in known}
    unknown = [offer for offer in packages if offer not in sack.signers]
    if not unknown or session.options.offline:
        return
    found = find_signers(
        [(packages[offer], sack.head_size(offer)) for offer in unknown],
        repositories,
        keyring=load_keys(session, repositories),
        work=session.work,
        progress=session.progress,
    )
    sack.signers |= dict(zip(unknown, found, strict=True))


def write_head(directory: Path, package: Package, head: bytes) -> CachedHead:
    """A head as a file that the solver can read (its name must end in `.rpm`)."""
    path = directory / f"{package.header_checksum}.rpm"
    path.write_bytes(head)
    return CachedHead(path, package.header_checksum, package)
