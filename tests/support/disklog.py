"""A disk that writes down what is written to it, and what of that a power cut would leave.

QEMU's storage daemon serves the disk as a file and logs each write and each flush of its cache
(the format of dm-log-writes). What was written before a flush is on the disk; of what came after
it, any part may be, in any order.
"""

import random
import struct
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

SECTOR = 4096
"""Bytes that are written as a whole or not at all."""

_MKFS = {"ext4": ("-b", str(SECTOR)), "xfs": ("-s", f"size={SECTOR}")}
"""Options by which a file system writes whole sectors only."""

_HEADER = struct.Struct("<QQQQ")
_FLUSH, _DISCARD = 1, 4
_START_SECONDS = 20.0


@dataclass(frozen=True)
class Entry:
    """A write of `size` bytes at `offset`, its data at `data` of the log (0: zeros); or a flush."""

    offset: int
    size: int
    data: int
    flush: bool


@dataclass(frozen=True)
class Cut:
    """The power fails after the first `at` entries.

    Of the sectors written since the last flush, chance with this `seed` decides which are lost;
    without a seed all are.
    """

    at: int
    seed: int | None = None

    def __str__(self) -> str:
        lost = "all" if self.seed is None else f"some ({self.seed})"
        return f"power cut after {self.at} writes and flushes, {lost} unflushed lost"


def read_log(path: Path) -> list[Entry]:
    """The entries of a log that may still be growing."""
    entries: list[Entry] = []
    end = path.stat().st_size
    with path.open("rb") as file:
        place = SECTOR  # the superblock lags behind
        while place + SECTOR <= end:
            file.seek(place)
            sector, count, flags, _ = _HEADER.unpack(file.read(_HEADER.size))
            if not count and not flags:
                break
            size, data = count * SECTOR, place + SECTOR
            place = data if flags & _DISCARD else data + size
            known = 0 if flags & _DISCARD else data
            entries.append(Entry(sector * SECTOR, size, known, bool(flags & _FLUSH)))
    return entries


def make_image(image: Path, fs: str = "ext4") -> None:
    """An empty file system (ext4, xfs) of 320 MB, about the least that XFS takes; sparse."""
    image.unlink(missing_ok=True)
    _run("truncate", "--size=320M", str(image))
    _run(f"mkfs.{fs}", "-q", *_MKFS[fs], str(image))


def logging_nodes(path: Path, log: Path) -> list[str]:
    """Block devices for QEMU: `top` is the image, each write and flush written down in `log`."""
    log.write_bytes(b"")
    # Nothing is synced here; what would have been is in the log.
    return [
        f"file,node-name=disk,filename={path},cache.no-flush=on",
        f"file,node-name=log,filename={log},cache.no-flush=on",
        f"blklogwrites,node-name=top,file=disk,log=log,log-sector-size={SECTOR}",
    ]


@contextmanager
def logged(image: Path, log: Path) -> Iterator[Path]:
    """A file that is the disk, every write to it logged, as long as the block runs."""
    export = image.with_suffix(".export")
    export.write_bytes(b"")
    words = [w for node in logging_nodes(image, log) for w in ("--blockdev", node)]
    words += ["--export", f"fuse,id=top,node-name=top,mountpoint={export},writable=on"]
    daemon = subprocess.Popen(["qemu-storage-daemon", *words])
    try:
        _wait_for_export(daemon, export, image.stat().st_size)
        yield export
    finally:
        daemon.terminate()
        daemon.wait()


def _wait_for_export(daemon: subprocess.Popen[bytes], export: Path, size: int) -> None:
    end = time.monotonic() + _START_SECONDS
    while export.stat().st_size != size:
        if daemon.poll() is not None or time.monotonic() > end:
            raise RuntimeError("qemu-storage-daemon does not serve the disk")
        time.sleep(0.02)


@contextmanager
def mounted(source: Path, where: Path, option: str = "loop") -> Iterator[Path]:
    """An image's file system, or with `bind` a directory, at another directory, which it gives.

    The journal of an image that was not unmounted is replayed.
    """
    where.mkdir(exist_ok=True)
    _run("mount", "-o", option, str(source), str(where))
    try:
        yield where
    finally:
        _run("umount", str(where))


class Replay:
    """The disk after each of several cuts, which must come in their order."""

    def __init__(self, start: Path, log: Path, durable: Path) -> None:
        """`start` is the disk as the log began; `durable` is where the replayed one is kept."""
        self.log, self.durable = log, durable
        self.entries = read_log(log)
        self._done = 0
        copy(start, durable)

    def write_image(self, cut: Cut, target: Path) -> None:
        """Make the disk image that the cut leaves."""
        flushed = max((n for n in range(cut.at) if self.entries[n].flush), default=self._done)
        with ExitStack() as stack:
            log = stack.enter_context(self.log.open("rb"))
            durable = stack.enter_context(self.durable.open("r+b"))
            for entry in self.entries[self._done : flushed]:
                durable.seek(entry.offset)
                durable.write(self._read(log, entry))
            self._done = flushed
        copy(self.durable, target)
        if cut.seed is not None:
            self._write_some(target, self.entries[flushed : cut.at], random.Random(cut.seed))

    def _write_some(self, target: Path, entries: Sequence[Entry], chance: random.Random) -> None:
        share = chance.choice((0.2, 0.5, 0.8))
        with self.log.open("rb") as log, target.open("r+b") as disk:
            for entry in entries:
                data = self._read(log, entry)
                for start in range(0, entry.size, SECTOR):
                    if chance.random() < share:
                        disk.seek(entry.offset + start)
                        disk.write(data[start : start + SECTOR])

    def _read(self, log: BinaryIO, entry: Entry) -> bytes:
        log.seek(entry.data)
        return log.read(entry.size) if entry.data else bytes(entry.size)


def every_cut(entries: Sequence[Entry], step: int = 1) -> Iterator[Cut]:
    """At each `step`-th flush: right after it, and at random before the next with some lost."""
    flushes = [n for n, entry in enumerate(entries) if entry.flush]
    for flush, following in list(zip(flushes, [*flushes[1:], len(entries)], strict=True))[::step]:
        yield Cut(flush + 1)
        if following > flush + 1:
            chance = random.Random(flush)
            yield Cut(chance.randint(flush + 2, following), seed=flush)


def copy(source: Path, target: Path) -> None:
    target.unlink(missing_ok=True)  # a loop device may still know the old file
    _run("cp", "-a", "--reflink=auto", str(source), str(target))


def _run(*command: str) -> None:
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)
