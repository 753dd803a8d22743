"""Strikes a scene at one point after another and says what was wrong afterwards.

The rules: the old or the new state and never a third, a whole repository, nothing mounted anywhere;
the next run succeeds, and leaves what a run without any trouble leaves: not one path more or less.
"""

import errno
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from queue import SimpleQueue

from tests.faults.points import Strike, Struck, run_struck
from tests.faults.scenes import Scene
from tests.faults.snapshot import (
    Seen,
    find_mounts,
    fingerprint,
    list_paths,
    own_refs,
    read_state,
)
from tests.support.witness import fsck

_SETTLE_SECONDS = 10.0


@dataclass
class Sweep:
    """What the strikes at one scene showed so far; `recovered` has a fingerprint of each disk that
    a next run was seen to recover from."""

    points: int = 0
    failures: list[str] = field(default_factory=list)
    recovered: set[str] = field(default_factory=set)


def count_points(scene: Scene) -> int:
    """How many points an undisturbed run of the scene has."""
    scene.restore()
    done = run_struck(scene.words, scene.sysroot, Strike())
    if done.exit_code != 0:
        raise AssertionError(f"{scene.name}: {done.errors}")
    return done.points


def find_points(scene: Scene, word: str) -> list[int]:
    """The numbers of the points of an undisturbed run whose call or path has that word."""
    scene.restore()
    with tempfile.NamedTemporaryFile() as trace:
        run_struck(scene.words, scene.sysroot, Strike(), Path(trace.name))
        lines = Path(trace.name).read_text().splitlines()
    return [int(line.split()[0]) for line in lines if word in line]


def every_strike(points: int, step: int = 1, start: int = 1) -> Iterator[Strike]:
    """A kill at each `step`-th point."""
    return (Strike(at, signal.SIGKILL) for at in range(start, points + 1, step))


def every_fault(points: int, step: int = 1, start: int = 1) -> Iterator[Strike]:
    """At each `step`-th point a full disk that stays full, one that does not, and a bad sector."""
    for at in range(start, points + 1, step):
        yield Strike(at, -errno.ENOSPC, repeat=True)
        yield Strike(at, -errno.EIO)


def every_signal(points: int, step: int = 1, start: int = 1) -> Iterator[Strike]:
    """Ctrl-C at each `step`-th point, twice at every other one, and SIGTERM."""
    for at in range(start, points + 1, step):
        yield Strike(at, signal.SIGINT)
        yield Strike(at, signal.SIGINT, second=1 + at % 7)
        yield Strike(at, signal.SIGTERM)


def strike_all(scene: Scene, strikes: Iterable[Strike]) -> Sweep:
    """Strike again and again, each time from the same start, at as many twins of the scene as there
    are processors."""
    sweep = Sweep()
    number = os.cpu_count() or 1
    twins: SimpleQueue[Scene] = SimpleQueue()
    for twin in range(number):
        twins.put(replace(scene, sysroot=scene.sysroot.with_name(f"sysroot-{twin}")))

    def strike_one(strike: Strike) -> tuple[bool, str]:
        twin = twins.get()
        try:
            return _strike(twin, strike, sweep.recovered)
        finally:
            twins.put(twin)

    with ThreadPoolExecutor(number) as pool:
        for hit, failure in pool.map(strike_one, strikes):
            sweep.points += hit
            sweep.failures += [failure] if failure else []
    return sweep


def _strike(scene: Scene, strike: Strike, recovered: set[str]) -> tuple[bool, str]:
    """Whether the strike came, and what was wrong after it."""
    scene.restore()
    done = run_struck(scene.words, scene.sysroot, strike)
    if not done.hit:
        return False, ""
    try:
        check(scene, strike, done, recovered)
    except (AssertionError, subprocess.SubprocessError) as e:
        return True, f"{scene.name}, {strike} ({done.what}): {e}"
    return True, ""


def check(scene: Scene, strike: Strike, done: Struck, recovered: set[str]) -> None:
    """Raise AssertionError for whatever breaks the rules; `recovered` are the fingerprints of what
    a next run was seen to recover from."""
    _wait_for_peace(scene)
    seen = read_state(scene.sysroot)
    # On a disk that stays full not even a ref can be written back.
    lenient = strike.mode == signal.SIGKILL or strike.repeat
    is_new = tell(scene, seen, refs_may_differ=lenient)
    _check_answer(scene, strike, done, is_new=is_new)
    fsck(scene.sysroot / "ostree/repo")
    mark = fingerprint(scene.sysroot)
    if mark not in recovered:
        check_recovery(scene, is_new=is_new)
        recovered.add(mark)


def tell(scene: Scene, seen: Seen, *, refs_may_differ: bool) -> bool:
    """Whether the state is the new one; after a kill a remote's ref may be ahead of it.

    Such a ref only says what the remote had: the deployments do not follow it by themselves.
    """
    for known in (scene.old, scene.new):
        refs = {known.refs, scene.new.refs, scene.old.refs} if refs_may_differ else {known.refs}
        if seen.refs in refs and replace(seen, refs=known.refs) == known:
            return known == scene.new
    raise AssertionError(f"a third state: {seen}, between {scene.old} and {scene.new}")


def _check_answer(scene: Scene, strike: Strike, done: Struck, *, is_new: bool) -> None:
    """Who is told that it failed finds the old state; who is told nothing finds the new one."""
    if strike.mode == signal.SIGKILL:
        return
    if "Traceback" in done.errors:
        raise AssertionError(f"a traceback is shown: {done.errors}")
    if done.exit_code == 0 and not is_new:
        raise AssertionError("it says success, and the state is the old one")
    if done.exit_code != 0:
        if is_new and scene.old != scene.new:
            raise AssertionError(f"exit {done.exit_code}, but the state is new: {done.errors}")
        if not done.errors.strip():
            raise AssertionError("it failed without a word")


def _wait_for_peace(scene: Scene) -> None:
    """Children of a killed run may need a moment to follow it."""
    end = time.monotonic() + _SETTLE_SECONDS
    while left := find_mounts(scene.sysroot):
        if time.monotonic() > end:
            raise AssertionError(f"still mounted: {left}")
        time.sleep(0.05)


def check_recovery(scene: Scene, *, is_new: bool) -> None:
    """Raise AssertionError unless the next run succeeds and leaves what an undisturbed one does."""
    scene.play(*(("cleanup",) if is_new else scene.words))
    if read_state(scene.sysroot) != scene.new:
        raise AssertionError("the next run leads to another state")
    fsck(scene.sysroot / "ostree/repo")
    if (refs := tuple(sorted(own_refs(scene.sysroot).items()))) != scene.refs:
        raise AssertionError(f"refs differ: {set(refs) ^ set(scene.refs)}")
    paths = {p for p in list_paths(scene.sysroot) if not p.endswith("-lock")}  # libostree's own
    if paths != scene.paths:
        more, less = sorted(paths - scene.paths), sorted(scene.paths - paths)
        raise AssertionError(f"left over: {more[:8]} ({len(more)}), missing: {less[:8]}")
