"""The base that the whole run layers on: as few real packages as boot units and scriptlets need.

The fewer it has, the more packages of the full test world can be layered on it.
"""

import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import rpm

from tests.support import world
from tests.support.ostree import Base
from tests.support.world import compose
from tests.support.world.model import BRANCH
from tests.support.world.rpmbuild import EPOCH

SEEDS = """usr-is-merged world-filesystem world-setup world-kernel world-v1only base-files
    base-passwd bash coreutils sed dpkg passwd systemd"""
NOT_LAYERED = ("linux-image-*", "world-kernel")
"""A tree has one kernel, the base's."""


@dataclass(frozen=True)
class Rpm:
    """What the closure of a base needs to know."""

    name: str
    path: Path
    provides: frozenset[str]
    requires: tuple[str, ...]


def world_base(work: Path, small: world.World) -> Base:
    """The first base of a world as it is, in a repository of its own."""
    world.publish(small, work / "base-repo", 1)
    return _base(work / "base-repo")


def compose_base(work: Path, full: world.World, small: world.World) -> tuple[Base, list[str]]:
    """Compose the smallest base; returns it and the names that can be layered on it."""
    kernel = next(small.repo_v1.glob("world-kernel-*.rpm"))
    rpms = {r.name: r for r in map(_read, [*sorted(full.repo_v1.glob("*.rpm")), kernel])}
    names = _close(rpms, SEEDS.split())
    repo = work / "base-repo"
    compose.make_repo(repo)
    first = [rpms["world-filesystem"].path]
    rest = [rpms[name].path for name in names if name != "world-filesystem"]
    compose.compose(compose.Base(1, work / "base-root", first, rest, boots=False), repo)
    layers = [n for n in sorted(rpms) if n not in names and not n.startswith("linux-image-")]
    _output("ostree", f"--repo={repo}", "refs", "world/v1", f"--create={BRANCH}")
    return _base(repo), layers


def _base(repo: Path) -> Base:
    ostree = ["ostree", f"--repo={repo}"]
    commit = _output(*ostree, "rev-parse", BRANCH)
    month = 30 * 24 * 3600
    return Base(repo, BRANCH, commit, "1", repo, compose.DATABASE, EPOCH + month)


def _output(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def _read(path: Path) -> Rpm:
    transaction = rpm.TransactionSet()
    transaction.setVSFlags(-1)
    with path.open("rb") as file:
        header = transaction.hdrFromFdno(file.fileno())
    provides = frozenset([*header["providename"], *header["filenames"]])
    return Rpm(header["name"], path, provides, tuple(header["requirename"]))


def _close(rpms: dict[str, Rpm], seeds: Iterable[str]) -> list[str]:
    """The seeds and, for each requirement, the first package by name that provides it."""
    todo, found = list(seeds), dict[str, None]()
    while todo:
        name = todo.pop()
        if name in found:
            continue
        found[name] = None
        for need in rpms[name].requires:
            choices = list(_providers(rpms, need))
            if choices and not any(c in found or c in todo for c in choices):
                todo.append(choices[0])
    return list(found)


def _providers(rpms: dict[str, Rpm], need: str) -> Iterator[str]:
    """Of a rich dependency the alternatives are enough here: `(a >= 1 or b)`."""
    words = {w.split()[0] for w in need.strip("()").split(" or ") if w.strip()}
    words |= {f"/usr{w}" for w in words if w.startswith(("/bin/", "/sbin/", "/lib"))}
    return (r.name for r in rpms.values() if words & r.provides)
