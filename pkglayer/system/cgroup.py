"""A control group for one scriptlet: how much memory and how many processes it may have in all.

Works with the unified hierarchy (version 2) and with the older one (version 1), wherever this
process may make groups; where it may not, the caller's per-process limits are all there is.
Nothing is configured on the host: no controller is switched on that was off.
"""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from pkglayer.log import log

MOUNTPOINT = Path("/sys/fs/cgroup")
_PREFIX = "pkglayer-"
_NEEDED = frozenset({"memory", "pids"})


@dataclass(frozen=True)
class Group:
    """Directories of the group: one on version 2, one for each controller on version 1."""

    directories: tuple[Path, ...] = ()

    def add(self, pid: int) -> None:
        """Put a process, and whatever it starts from now on, under the limits."""
        for directory in self.directories:
            _write(directory / "cgroup.procs", str(pid))

    def exceeded(self) -> str:
        """`memory` or `processes` if that limit was hit since the group was made, else empty."""
        for directory in self.directories:
            if _counter(directory / "pids.events", "max"):
                return "processes"
            if _counter(directory / "memory.events", "oom_kill"):
                return "memory"
            if _counter(directory / "memory.oom_control", "oom_kill"):
                return "memory"
        return ""


@contextmanager
def limit(memory: int, processes: int) -> Iterator[Group]:
    """A group with these limits (bytes, count) for the body; without directories if none can be."""
    made: list[Path] = []
    try:
        for parent, controllers in find_parents():
            _sweep(parent)
            directory = parent / f"{_PREFIX}{os.getpid()}-{time.monotonic_ns()}"
            try:
                directory.mkdir()
            except OSError as e:
                log.debug("no control group in %s: %s", parent, e)
                continue
            made.append(directory)
            _set_limits(directory, controllers, memory, processes)
        yield Group(tuple(made))
    finally:
        for directory in made:
            _remove(directory)


def find_parents(
    mountpoint: Path = MOUNTPOINT, own: Path = Path("/proc/self/cgroup")
) -> list[tuple[Path, frozenset[str]]]:
    """Where a group can be made, with the controllers that each place has.

    Version 2 forbids limits below a group that has processes, so the group goes to the top there;
    on version 1 it goes below our own, whose limits then still count.
    """
    if (mountpoint / "cgroup.controllers").exists():
        active = frozenset(_read(mountpoint / "cgroup.subtree_control").split()) & _NEEDED
        return [(mountpoint, active)] if active else []
    found = []
    for line in _read(own).splitlines():
        _, names, path = line.split(":", 2)
        controllers = frozenset(names.split(",")) & _NEEDED
        parent = mountpoint / names / path.lstrip("/")
        if controllers and parent.is_dir():
            found.append((parent, controllers))
    return found


def _set_limits(directory: Path, controllers: frozenset[str], memory: int, processes: int) -> None:
    rows = (
        ("pids", "pids.max", processes),
        ("memory", "memory.max", memory),
        ("memory", "memory.swap.max", 0),
        ("memory", "memory.oom.group", 1),
        ("memory", "memory.limit_in_bytes", memory),
        ("memory", "memory.memsw.limit_in_bytes", memory),
    )
    for controller, name, value in rows:
        if controller in controllers and (directory / name).exists():
            _write(directory / name, str(value))


def _sweep(parent: Path) -> None:
    """Remove the empty groups of runs that were killed."""
    for left in parent.glob(f"{_PREFIX}*"):
        pid = left.name.removeprefix(_PREFIX).partition("-")[0]
        if not Path("/proc", pid).exists():
            with suppress(OSError):
                left.rmdir()


def _remove(directory: Path) -> None:
    """The group is empty: every process in it is dead when the sandbox ends."""
    for _ in range(50):
        try:
            directory.rmdir()
            return
        except OSError as e:
            log.debug("control group %s: %s", directory, e)
            time.sleep(0.01)  # a dead process is accounted for a moment longer


def _counter(file: Path, key: str) -> int:
    for line in _read(file).splitlines():
        name, _, value = line.partition(" ")
        if name == key:
            return int(value)
    return 0


def _read(file: Path) -> str:
    try:
        return file.read_text()
    except OSError:
        return ""


def _write(file: Path, value: str) -> None:
    try:
        file.write_text(value)
    except OSError as e:
        log.debug("control group %s: %s", file, e)
