"""Cuts the power while a scene is played: what the disk then holds must be the old or new state.

The scene's sysroot lies on a disk that logs its writes. Meanwhile another program syncs a file of
its own there again and again, so that the journal is committed at any time, and what was written
without being synced is caught half done.

All of it runs in a process with mounts of its own: a mount that another process has a copy of goes
on writing after it is gone from here.
"""

import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.faults.scenes import Scene, build_scene, build_stage
from tests.faults.snapshot import Seen, fingerprint, read_state
from tests.faults.sweep import check_recovery, tell
from tests.support import disklog
from tests.support.cli import PROJECT, query_pkglayer
from tests.support.disklog import Cut, Replay, every_cut, read_log
from tests.support.ostree import run_ostree
from tests.support.witness import fsck

_STIR_SECONDS = 0.02


@dataclass(frozen=True)
class Recording:
    """A scene played once on a disk: `start` is the disk before, and after `told` entries of the
    log the program had said that it was done."""

    scene: Scene
    start: Path
    log: Path
    told: int


@dataclass
class Cuts:
    """What came of the cuts so far; `known` has for each tree found on a disk whether it is new."""

    cuts: int = 0
    failures: list[str] = field(default_factory=list)
    known: dict[str, bool] = field(default_factory=dict)


def sweep_scene(name: str, step: int, *options: str) -> dict[str, Any]:
    """Cut a scene at each `step`-th flush and between; counts and `failures` as JSON values.

    Options are `booted`, `unsynced`, and `xfs` in place of ext4.
    """
    return run_apart(__name__, name, str(step), *options)


def run_apart(module: str, *words: str) -> dict[str, Any]:
    """What a module prints as JSON, run with a directory and the words, with mounts of its own."""
    command = ["unshare", "--mount", "--propagation=private", sys.executable, "-m", module]
    # Booted sysroots have to be there.
    with tempfile.TemporaryDirectory(prefix="cuts-", dir="/tmp") as where:
        done = subprocess.run(
            [*command, where, *words], cwd=PROJECT, stdout=subprocess.PIPE, check=True
        )
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def record(scene: Scene, directory: Path, *, fsync: bool = True, fs: str = "ext4") -> Recording:
    """Play the scene on a disk below `directory`; needs room for some copies of its sysroot."""
    directory.mkdir(parents=True, exist_ok=True)
    start, played, log = (directory / f"{name}.img" for name in ("start", "played", "log"))
    disklog.make_image(start, fs)
    with disklog.mounted(start, directory / "disk") as top:
        disklog.copy(scene.pristine, top / "sysroot")
        # Sysroots of tests do not sync, to be quick.
        repo = f"--repo={top}/sysroot/ostree/repo"
        run_ostree("config", repo, "set", "core.fsync", str(fsync).lower())
    disklog.copy(start, played)
    with disklog.logged(played, log) as device, _in_place(scene, device) as top, _stirred(top):
        scene.play()
        told = len(read_log(log))
    played.unlink()
    return Recording(scene, start, log, told)


@contextmanager
def _in_place(scene: Scene, image: Path) -> Iterator[Path]:
    """The disk's sysroot at the place of the scene's; gives the top of the disk."""
    with (
        disklog.mounted(image, image.with_name("disk")) as top,
        disklog.mounted(top / "sysroot", scene.sysroot, "bind"),
    ):
        yield top


@contextmanager
def _stirred(top: Path) -> Iterator[None]:
    """Commit the file system's journal all the time; data that nobody syncs stays unwritten."""
    done = threading.Event()

    def stir() -> None:
        with (top / "stir").open("wb", buffering=0) as file:
            while not done.wait(_STIR_SECONDS):
                file.write(b".")
                os.fsync(file)

    thread = threading.Thread(target=stir)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def cut_all(played: Recording, step: int = 1) -> Cuts:
    """Cut at each `step`-th flush and between, and once the program has said that it is done; see
    `_check` for the rules."""
    found = Cuts()
    image = played.start.with_name("cut.img")
    replay = Replay(played.start, played.log, played.start.with_name("durable.img"))
    cuts = [*every_cut(replay.entries, step), Cut(played.told)]
    for cut in sorted(cuts, key=lambda cut: cut.at):
        replay.write_image(cut, image)
        found.cuts += 1
        with _in_place(played.scene, image):
            try:
                _examine(found, played.scene, must_be_new=cut.at >= played.told)
            except (AssertionError, subprocess.SubprocessError) as e:
                found.failures.append(f"{played.scene.name}, {cut}: {e}")
    return found


def _examine(found: Cuts, scene: Scene, *, must_be_new: bool) -> None:
    """Check a disk; one that holds what another held needs no second look."""
    mark = fingerprint(scene.sysroot, contents=True)
    if mark not in found.known:
        found.known[mark] = _check(scene)
    if must_be_new and not found.known[mark]:
        raise AssertionError("it had said success, and the state is the old one")


def _check(scene: Scene) -> bool:
    """Whether the state is the new one. Raises AssertionError for a third state, a broken
    repository, a `status` that does not say what there is, or a next run that fails."""
    seen = read_state(scene.sysroot)
    is_new = tell(scene, seen, refs_may_differ=True)
    fsck(scene.sysroot / "ostree/repo")
    check_explained(scene.sysroot, seen, staged=scene.booted)
    check_recovery(scene, is_new=is_new)
    return is_new


def check_explained(sysroot: Path, seen: Seen, *, staged: bool) -> None:
    """Raise AssertionError unless `status` shows what there is, and says what became of a change
    that was `staged` and is not there."""
    status = query_pkglayer("status", sysroot=sysroot)
    shown = status["deployments"]
    if [d["commit"] for d in shown] != [row[1] for row in seen.deployments]:
        raise AssertionError(f"status shows other states: {shown}")
    if troubles := [d["problem"] for d in shown if d["problem"]]:
        raise AssertionError(f"status shows trouble: {troubles}")
    [newest] = query_pkglayer("history", "-n1", sysroot=sysroot)["entries"] or [None]
    if staged and newest and newest["after"] != shown[0]["commit"]:
        text = f"The state {newest['after'][:12]}"
        if not any(notice.startswith(text) for notice in status["notices"]):
            raise AssertionError(f"status does not say what became of {text}: {status['notices']}")


def main(where: str, name: str, step: str, *options: str) -> None:
    """Sweep one scene and print what came of it as JSON."""
    os.environ["OSTREE_BOOTID"] = "before-the-cut"
    stage = build_stage(Path(where) / "stage")
    scene = build_scene(name, Path(where) / "scene", stage, booted="booted" in options)
    fs = "xfs" if "xfs" in options else "ext4"
    played = record(scene, Path(where) / "played", fsync="unsynced" not in options, fs=fs)
    os.environ["OSTREE_BOOTID"] = "after-the-cut"
    found = cut_all(played, int(step))
    flushes = sum(entry.flush for entry in read_log(played.log))
    counts = {"cuts": found.cuts, "trees": len(found.known), "flushes": flushes}
    json.dump({**counts, "failures": found.failures}, sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
