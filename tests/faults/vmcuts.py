"""Power cuts of a virtual machine that installs a package, and while it shuts down.

Most are made from the log of one run and looked at here; some of those disks are booted, to see
what comes up and whether the next change works there. The rest are real: the machine reboots
without syncing, or QEMU is killed, in the middle of the change.
"""

import json
import random
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from tests.faults.powercut import check_explained
from tests.faults.snapshot import Seen, read_state
from tests.support import disklog
from tests.support.disklog import Cut, Replay, every_cut, read_log
from tests.support.witness import fsck
from tests.support.world import WorldError
from tests.support.world.boot import PowerCut
from tests.vm.machine import INSTALL_PKGLAYER, Machine, make_machine

PACKAGE = "tree"
_LOGGED, _BOOTED, _REAL = 24, 6, 4
"""How many flushes are cut at, how many of those disks are booted, and how many cuts are real."""
_SECONDS = 1800.0
_LATEST = 60
"""Seconds after the script began."""

INSTALL = f"""
pkglayer install {PACKAGE}
pkglayer status
"""

NEXT_RUN = f"""
pkglayer status
pkglayer install --idempotent {PACKAGE}
check test "$(next "['packages'][0]['name']")" = {PACKAGE}
pkglayer cleanup
check ostree fsck --quiet
"""


@dataclass
class Sweep:
    """A machine, its disk before the change, the old and the new state, and what came of cuts."""

    machine: Machine
    start: Path
    states: tuple[Seen, Seen]
    cuts: int = 0
    booted: int = 0
    failures: list[str] = field(default_factory=list)


def sweep_machine(directory: Path, step: int) -> Sweep:
    """Record a change and cut it at 24 flushes and between, 6 of them booted, and 4 times really;
    with `step` at as many fewer."""
    machine = make_machine(directory)
    machine.run(INSTALL_PKGLAYER, timeout=_SECONDS)
    start, log = directory / "start.img", directory / "log.img"
    disklog.copy(machine.image, start)
    machine.run(INSTALL, timeout=_SECONDS, log=log)
    sweep = Sweep(machine, start, (_look(start), _look(machine.image)))
    _cut_logged(sweep, log, step)
    for number in range(0, _REAL, step):
        _cut_really(sweep, number)
    return sweep


def _look(image: Path) -> Seen:
    with disklog.mounted(image, image.with_name("disk")) as sysroot:
        return _fixed(read_state(sysroot))


def _fixed(seen: Seen) -> Seen:
    """Without what a machine that runs changes by itself: /etc, and refs for what is deployed."""
    return replace(seen, deployments=tuple((*row[:-1], "") for row in seen.deployments), refs=())


def _cut_logged(sweep: Sweep, log: Path, step: int) -> None:
    entries = read_log(log)
    flushes = sum(entry.flush for entry in entries)
    whole = Cut(len(entries))
    cuts = [*every_cut(entries, max(1, flushes // _LOGGED) * step), whole]
    booted = {*cuts[:: max(1, len(cuts) * step // _BOOTED)], whole}
    replay = Replay(sweep.start, log, sweep.start.with_name("durable.img"))
    image = sweep.start.with_name("cut.img")
    for cut in cuts:
        replay.write_image(cut, image)
        expected = sweep.states[1:] if cut is whole else sweep.states
        _examine(sweep, image, expected, str(cut), boots=cut in booted)


def _cut_really(sweep: Sweep, number: int) -> None:
    """Even numbers make the machine reboot at once, odd ones kill QEMU."""
    image = sweep.start.with_name("real.img")
    disklog.copy(sweep.start, image)
    seconds = random.Random(number).randrange(1, _LATEST)
    script, cut_after, name = f"{INSTALL}\nsleep {_LATEST}", float(seconds), "QEMU killed"
    if number % 2 == 0:
        script, cut_after, name = f"(sleep {seconds}; reboot -ff) &\n{script}", _SECONDS, "reboot"
    with suppress(PowerCut):
        replace(sweep.machine, image=image).run(script, timeout=_SECONDS, cut_after=cut_after)
    _examine(sweep, image, sweep.states, f"{name} after {seconds} s", boots=True)


def _examine(sweep: Sweep, image: Path, states: Sequence[Seen], cut: str, *, boots: bool) -> None:
    sweep.cuts += 1
    try:
        with disklog.mounted(image, image.with_name("disk")) as sysroot:
            seen = read_state(sysroot)
            if _fixed(seen) not in states:
                raise AssertionError(f"a third state: {seen}, not one of {states}")
            fsck(sysroot / "ostree/repo")
            check_explained(sysroot, seen, staged=True)
        if boots:
            sweep.booted += 1
            replace(sweep.machine, image=image).run(NEXT_RUN, timeout=_SECONDS)
    except (AssertionError, subprocess.SubprocessError, WorldError) as e:
        sweep.failures.append(f"virtual machine, {cut}: {e}")


def main(where: str, step: str) -> None:
    """Sweep and print what came of it as JSON."""
    done = sweep_machine(Path(where), int(step))
    counts = {"cuts": done.cuts, "booted": done.booted, "failures": done.failures}
    json.dump(counts, sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
