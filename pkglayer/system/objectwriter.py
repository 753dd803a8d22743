"""Writes content objects of a bare OSTree repository without libostree, hashing with OpenSSL.

libostree hashes through GLib, which takes several times as long as what it hashes takes to be
written. Objects are made in a directory of their own below the repository's `tmp` and take their
final names in `publish`, after they are on the disk; refs, commits and trees are libostree's.
"""
# Strings instead of paths where thousands of files are made: a Path takes as long as a small file.
# ruff: noqa: PTH104, PTH108, PTH208, PTH211

import contextlib
import hashlib
import itertools
import os
import shutil
import stat
import struct
import tempfile
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache, partial
from itertools import count
from pathlib import Path
from threading import BoundedSemaphore

from pkglayer.model.objects import Xattrs
from pkglayer.system.mounts import sync_filesystem
from pkglayer.system.statefiles import sync_directory

OBJECTS_PREFIX = "pkglayer-objects-"
"""Of the directories below the repository's `tmp`; one that a killed run left can go."""


@cache
def file_header(mode: int, target: str = "", xattrs: Xattrs = ()) -> bytes:
    """What OSTree hashes before a file's bytes: a GVariant `(uuuusa(ayay))` with its size.

    Owner is root; numbers are big-endian; the format is libostree's `ostree-core-private.h`.
    """
    text = os.fsencode(target) + b"\0"
    fixed = struct.pack(">IIIII", 0, 0, mode, 0, 0)[:16] + text
    array = _xattr_array(xattrs)
    # The string's end is the one framing offset; its width follows the size of the whole.
    for width, limit in ((1, 0xFF), (2, 0xFFFF), (4, 0xFFFFFFFF)):
        size = len(fixed) + len(array) + width
        if size <= limit:
            break
    data = fixed + array + len(fixed).to_bytes(width, "little")
    return struct.pack(">II", len(data), 0) + data


def _xattr_array(xattrs: Xattrs) -> bytes:
    """A GVariant `a(ayay)`: elements, each with the end of its first part, then their ends."""
    parts = [_element(name + value, len(name)) for name, value in xattrs]
    if not parts:
        return b""
    ends = [sum(map(len, parts[: n + 1])) for n in range(len(parts))]
    total = ends[-1]
    width = next(w for w in (1, 2, 4) if total + w * len(ends) < 1 << (8 * w))
    return b"".join(parts) + b"".join(end.to_bytes(width, "little") for end in ends)


def _element(data: bytes, end: int) -> bytes:
    width = next(w for w in (1, 2, 4) if len(data) + w < 1 << (8 * w))
    return data + end.to_bytes(width, "little")


class ObjectWriter:
    """New content objects of the bare repository at `repo`, all root's; invisible until `publish`.

    Safe to use in a forked child: it needs nothing but the file system.
    """

    def __init__(self, repo: Path) -> None:
        self._objects = f"{repo}/objects"
        self._staging = tempfile.mkdtemp(prefix=OBJECTS_PREFIX, dir=repo / "tmp")
        self._numbers = count()

    def write_file(self, chunks: Iterable[bytes], mode: int, xattrs: Xattrs = ()) -> str:
        """Write a regular file; returns its checksum.

        One that comes in one piece is hashed first, and not written where it is known.
        """
        mode = stat.S_IFREG | mode
        digest = hashlib.sha256(file_header(mode, "", xattrs))
        rest = iter(chunks)
        first, second = next(rest, b""), next(rest, None)
        digest.update(first)
        if second is None:
            checksum = digest.hexdigest()
            if not self._is_known(checksum):
                with contextlib.suppress(FileExistsError):  # another job writes the same
                    _write_new(f"{self._staging}/{checksum}", [first], mode, xattrs)
            return checksum

        def hashed() -> Iterator[bytes]:
            yield first
            for chunk in itertools.chain([second], rest):
                digest.update(chunk)
                yield chunk

        path = self._new_path()
        _write_new(path, hashed(), mode, xattrs)
        return self._keep(path, digest.hexdigest())

    def write_symlink(self, target: str) -> str:
        """Write a symbolic link; returns its checksum."""
        digest = hashlib.sha256(file_header(stat.S_IFLNK | 0o777, target))
        path = self._new_path()
        os.symlink(target, path)
        return self._keep(path, digest.hexdigest())

    def publish(self, *, sync: bool) -> None:
        """Give the objects their names; with `sync` no name is on the disk before its content."""
        written = [name for name in os.listdir(self._staging) if not name.startswith(".")]
        if sync and written:
            sync_filesystem(Path(self._staging))
        made = {name[:2] for name in written}
        for prefix in made:
            Path(self._objects, prefix).mkdir(mode=0o775, exist_ok=True)
        for name in written:  # over one that libostree wrote meanwhile, which is the same
            os.rename(f"{self._staging}/{name}", self._object(name))
        if sync:
            for prefix in made:
                sync_directory(Path(self._objects, prefix))
        self.discard()

    def discard(self) -> None:
        """Remove what was not published."""
        shutil.rmtree(self._staging, ignore_errors=True)

    def _new_path(self) -> str:
        return f"{self._staging}/.new-{os.getpid()}-{next(self._numbers)}"

    def _object(self, checksum: str) -> str:
        return f"{self._objects}/{checksum[:2]}/{checksum[2:]}.file"

    def _is_known(self, checksum: str) -> bool:
        return os.path.lexists(self._object(checksum))

    def _keep(self, path: str, checksum: str) -> str:
        if self._is_known(checksum):
            os.unlink(path)  # the repository has it, perhaps with links to it: leave it alone
        else:
            os.rename(path, f"{self._staging}/{checksum}")
        return checksum


Later = Callable[[], str]
"""Gives the checksum, once it is known, or raises what went wrong."""
SMALL = 1 << 20
"""Bytes: larger files are written as they are read, and never held."""
WAITING = 32


class QuickWriter:
    """Writes small files in threads of its own while the next are read, if there are to be any.

    Hashing and writing release the interpreter's lock, so that one package keeps two processors
    busy. At most `WAITING` small files are held.
    """

    def __init__(self, objects: ObjectWriter, threads: int) -> None:
        self.objects = objects
        self._threads = threads if threads > 1 else 0
        self._pool: ThreadPoolExecutor | None = None
        self._room = BoundedSemaphore(WAITING)

    @contextmanager
    def started(self) -> Iterator[None]:
        """Threads, until all that was handed to them is written; begin it after any fork."""
        if not self._threads:
            yield
            return
        with ThreadPoolExecutor(self._threads) as self._pool:
            yield
        self._pool = None

    def write(
        self, work: Callable[[Iterable[bytes]], str], chunks: Iterable[bytes], size: int
    ) -> Later:
        """Call `work` with the chunks: now, or soon if they are few."""
        if self._pool is None or size > SMALL:
            return partial(str, work(chunks))
        data = list(chunks)
        self._room.acquire()
        try:
            future = self._pool.submit(work, data)
        except BaseException:
            self._room.release()
            raise
        future.add_done_callback(lambda _: self._room.release())
        return future.result


def _write_new(path: str, chunks: Iterable[bytes], mode: int, xattrs: Xattrs) -> None:
    """A new file with everything that an object has; raises FileExistsError."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        for chunk in chunks:
            _write_all(fd, chunk)
        os.fchmod(fd, stat.S_IMODE(mode))
        for name, value in xattrs:
            os.setxattr(fd, name.rstrip(b"\0"), value)
        os.utime(fd, (0, 0))  # as libostree has it: every file of a tree is as old as time
    finally:
        os.close(fd)


def _write_all(fd: int, data: bytes) -> None:
    done = os.write(fd, data)
    while done < len(data):
        done += os.write(fd, memoryview(data)[done:])
