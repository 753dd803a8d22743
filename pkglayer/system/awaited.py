"""The staged state that the next shutdown should put in place, kept in order to tell if it did not.

libostree remembers a staged deployment below /run alone: after a power cut it is as if it had never
been, and a finalisation that fails is told to the journal only.
"""

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from pkglayer.model.deployment import Deployment
from pkglayer.model.errors import StateError
from pkglayer.system.statefiles import read_state, write_state
from pkglayer.system.sysroot import Sysroot

_BOOT_MARK = Path("/run/ostree-booted")


@dataclass(frozen=True)
class Awaited:
    """`commit` was staged by `command` at `time` (seconds since 1970) in place of `before`, the
    commit of the next boot until then; `serial` tells it from an older deployment of the same
    commit, `boot` one start of the machine from another."""

    commit: str
    serial: int
    before: str
    command: str
    time: int
    boot: int


def remember(sysroot: Sysroot, command: str, before: str) -> None:
    """Note a change that was made: what is staged now, or that nothing is."""
    path = _path(sysroot)
    newest = sysroot.deployments[0] if sysroot.deployments else None
    if newest is None or not newest.staged:
        path.unlink(missing_ok=True)
        return
    note = Awaited(newest.checksum, newest.serial, before, command, int(time.time()), _boot())
    write_state(path, asdict(note))


def find_lost(sysroot: Sysroot) -> Awaited | None:
    """The state that was staged before this start of the machine and is not there now.

    None when it is there, or when what it was built on is gone as well: then other programs have
    changed the deployments since.
    """
    with suppress(StateError, TypeError):
        data = read_state(_path(sysroot))
        note = Awaited(**data) if data else None
        if note and note.boot != _boot() and _is_lost(note, sysroot.deployments):
            return note
    return None


def _is_lost(note: Awaited, deployments: Sequence[Deployment]) -> bool:
    there = {(d.checksum, d.serial) for d in deployments}
    return (note.commit, note.serial) not in there and note.before in dict(there)


def _path(sysroot: Sysroot) -> Path:
    return sysroot.state_dir / "lib/pkglayer/awaited.json"


def _boot() -> int:
    try:
        return _BOOT_MARK.stat().st_ctime_ns
    except FileNotFoundError:
        return 0
