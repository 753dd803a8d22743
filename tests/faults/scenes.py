"""The transactions that are struck: each a sysroot before, the words of the verb, and its outcome.

`BOOTED` names those that are also played on a system that runs, where the new state is staged and
put in place at the shutdown.

Everything is small (a base of a dozen packages, two packages layered), so that hundreds of runs
take minutes. What all scenes start from is built once (`build_stage`) and copied; a scene restores
its sysroot from a copy, hard links kept.
"""

import shlex
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.faults.snapshot import Seen, list_paths, own_refs, read_state
from tests.support.booted import run_booted
from tests.support.cli import run_pkglayer
from tests.support.ostree import run_ostree
from tests.support.rpms import build_rpm, config
from tests.support.scene import Scene as Stage
from tests.support.scene import make_scene
from tests.support.trees import File


@dataclass(frozen=True)
class Scene:
    """`old` and `new` are the states before and after; `paths` and `refs` what is there after;
    `booted` whether it is a system that runs, from its start to its shutdown."""

    name: str
    words: tuple[str, ...]
    sysroot: Path
    pristine: Path
    old: Seen
    new: Seen
    paths: frozenset[str]
    refs: tuple[tuple[str, str], ...]
    booted: bool = False

    def play(self, *words: str) -> None:
        """Run pkglayer with the scene's own words, or with others; raises AssertionError."""
        play(self.sysroot, words or self.words, booted=self.booted)

    def restore(self) -> None:
        """Put the sysroot back to what it was before."""
        copy(self.pristine, self.sysroot)


def build_stage(directory: Path) -> Stage:
    """A base that boots app-1, a repository with app and its library, a sysroot."""
    directory.mkdir(parents=True, exist_ok=True)
    return make_scene(directory, _packages(directory / "built-1", "1"))


def _packages(where: Path, version: str) -> list[Path]:
    where.mkdir()
    program = File(f"#!/bin/sh\necho {version}\n", 0o755)
    app = build_rpm(
        where, "app", version=version, requires=["applib"],
        files={
            "usr/bin/app": program, "etc/app.conf": config("x=1\n"),
            "var/lib/app/data": f"data {version}\n", "opt/app/readme": "read\n",
        },
        scripts={
            "pre": "getent passwd app >/dev/null || useradd -r app",
            "post": "echo made > /usr/lib/app.made; rm -f /usr/share/app/old",
        },
    )  # fmt: skip
    lib = build_rpm(where, "applib", version=version, files={"usr/lib/applib/a": f"a {version}\n"})
    return [app, lib]


def _update_base(stage: Stage) -> None:
    stage.publish(*_packages(stage.tmp / "built-2", "2"))
    stage.update_base("2", {"usr/share/note": "two\n"})


def _install(stage: Stage) -> tuple[str, ...]:
    return ("install", "--idempotent", "app")


def _uninstall(stage: Stage) -> tuple[str, ...]:
    stage.run("install", "app")
    return ("uninstall", "app")


def _upgrade(stage: Stage) -> tuple[str, ...]:
    stage.run("install", "app")
    _update_base(stage)
    # Metadata of the same second counts as fresh, however short it is kept.
    return ("upgrade", "--refresh")


def _rollback(stage: Stage) -> tuple[str, ...]:
    stage.run("install", "app")
    return ("rollback",)


def _cleanup(stage: Stage) -> tuple[str, ...]:
    stage.run("install", "app")
    stage.run("uninstall", "app")
    return ("cleanup", "--rollback", "--cache", "--metadata")


def _reconcile(stage: Stage) -> tuple[str, ...]:
    stage.run("install", "app")
    _update_base(stage)
    run_ostree("admin", "upgrade", f"--sysroot={stage.sysroot}", "--os=test")
    return ("reconcile", "--refresh")


def _local(stage: Stage) -> tuple[str, ...]:
    rpm = build_rpm(stage.tmp, "tool", files={"usr/bin/tool": File("#!/bin/sh\n", 0o755)})
    return ("install", "--idempotent", str(rpm), "--no-gpg-check", str(rpm))


def _apply(stage: Stage) -> tuple[str, ...]:
    """Of a lock, on a machine that has nothing of that state left."""
    stage.run("install", "app")
    lock = stage.tmp / "layer.lock"
    lock.write_text(stage.run("lock").stdout)
    stage.run("uninstall", "app")
    stage.run("cleanup", "--rollback", "--cache")
    return ("apply", str(lock))


SCENES: dict[str, Callable[[Stage], tuple[str, ...]]] = {
    "install": _install,
    "local": _local,
    "uninstall": _uninstall,
    "upgrade": _upgrade,
    "rollback": _rollback,
    "reconcile": _reconcile,
    "cleanup": _cleanup,
    "apply": _apply,
}


BOOTED = ("install", "uninstall", "upgrade", "rollback")


def build_scene(name: str, directory: Path, original: Stage, *, booted: bool = False) -> Scene:
    """Set the scene below `directory`, play it once undisturbed, and put it back."""
    directory.mkdir(parents=True, exist_ok=True)
    stage = original.copy_to(directory)
    words = SCENES[name](stage)
    sysroot, pristine = stage.sysroot, directory / "pristine"
    copy(sysroot, pristine)
    old = read_state(sysroot)
    play(sysroot, words, booted=booted)
    new = read_state(sysroot)
    paths, refs = frozenset(list_paths(sysroot)), tuple(sorted(own_refs(sysroot).items()))
    copy(pristine, sysroot)
    return Scene(name, words, sysroot, pristine, old, new, paths, refs, booted)


def play(sysroot: Path, words: Sequence[str], *, booted: bool) -> None:
    """Run pkglayer on the sysroot; where it is to be booted, from its start to its shutdown."""
    if booted:
        run_booted(sysroot, shlex.join(["pkglayer", *words]))
    else:
        run_pkglayer(*words, sysroot=sysroot)


def copy(source: Path, target: Path) -> None:
    """Copy a tree with its hard links, owners and extended attributes, in place of `target`."""
    shutil.rmtree(target, ignore_errors=True)
    subprocess.run(["cp", "-a", str(source), str(target)], check=True)
