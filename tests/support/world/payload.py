"""Unpacks a .deb into a build root and says what rpm has to know about each path.

Paths move to the merged /usr; owners stay names, as they are only known in the target system.
"""

import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Literal

from tests.support.world import facts, layout

Kind = Literal["dir", "file", "link"]


@dataclass(frozen=True)
class Entry:
    """One path of a package, relative to the root; the mode has the permission bits only."""

    kind: Kind
    path: str
    mode: int
    user: str
    group: str

    @property
    def is_roots(self) -> bool:
        return self.user == "root" and self.group == "root"


def read_scripts(deb: Path) -> dict[str, str]:
    """The control members by name: maintainer scripts, conffiles and the like."""
    with _tar(deb, "--ctrl-tarfile") as tar:
        return {
            member.name.removeprefix("./"): _content(tar, member).read().decode("utf-8", "replace")
            for member in tar
            if member.isfile()
        }


def unpack(deb: Path, buildroot: Path) -> tuple[Entry, ...]:
    """Write the payload below `buildroot`; directories of world-filesystem are left out."""
    with _tar(deb, "--fsys-tarfile") as tar:
        entries = {entry.path: entry for entry in _unpack_members(tar, buildroot)}
    return tuple(entries.values())


class _tar:
    """The tar stream that dpkg-deb writes, as an iterable of members."""

    def __init__(self, deb: Path, which: str) -> None:
        self._command = ["dpkg-deb", which, str(deb)]

    def __enter__(self) -> tarfile.TarFile:
        self._process = subprocess.Popen(self._command, stdout=subprocess.PIPE)
        self._archive = tarfile.open(fileobj=self._process.stdout, mode="r|")
        return self._archive

    def __exit__(self, *_: object) -> None:
        self._archive.close()
        assert self._process.stdout is not None
        self._process.stdout.read()  # the padding after the last member, or dpkg-deb gets SIGPIPE
        self._process.stdout.close()
        if self._process.wait():
            raise subprocess.CalledProcessError(self._process.returncode, self._command)


def _content(tar: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes]:
    file = tar.extractfile(member)
    assert file is not None, f"{member.name} is not a file"
    return file


def _unpack_members(tar: tarfile.TarFile, buildroot: Path) -> Iterator[Entry]:
    for member in tar:
        path = layout.merged_path(member.name)
        if layout.is_not_shipped(path) or path in facts.NOT_SHIPPED:
            continue
        path = layout.kernel_path(path)
        entry = Entry("file", path, member.mode, member.uname or "root", member.gname or "root")
        if attributes := facts.ATTRIBUTES.get(path):
            mode, user, group = attributes
            entry = replace(entry, mode=mode, user=user, group=group)
        target = buildroot / path
        if member.isdir():
            target.mkdir(parents=True, exist_ok=True)
            target.chmod(entry.mode)
            yield replace(entry, kind="dir")
            continue
        if target.is_symlink() or target.exists():
            continue  # the same path in / and in /usr, as some packages ship for compatibility
        target.parent.mkdir(parents=True, exist_ok=True)
        if member.issym():
            target.symlink_to(member.linkname)
            yield replace(entry, kind="link")
        elif member.islnk():
            target.hardlink_to(buildroot / layout.merged_path(member.linkname))
            yield entry
        elif member.isfile():
            with target.open("wb") as file:
                shutil.copyfileobj(_content(tar, member), file, 1 << 20)
            target.chmod(entry.mode)
            yield entry
