"""Looks at results with other programs than ours: ostree, rpm, bubblewrap.

What a test asserts about a deployment comes from here. It changes nothing.
"""

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.support.ostree import ENVIRONMENT, run_ostree


@dataclass(frozen=True)
class DeployedTree:
    """One deployment as it lies on disk, in boot order."""

    stateroot: str
    checksum: str
    serial: int
    path: Path

    @property
    def origin(self) -> str:
        """Return the text of its origin file."""
        return self.path.with_name(self.path.name + ".origin").read_text()


@dataclass(frozen=True)
class Listed:
    """An entry of a commit; `checksum` is the content's, `target` a symbolic link's."""

    kind: str
    mode: int
    uid: int
    gid: int
    size: int
    checksum: str
    target: str = ""


def deployments(sysroot: Path) -> list[DeployedTree]:
    """Return what `ostree admin status` shows, the next boot first."""
    status = run_ostree("admin", "status", f"--sysroot={sysroot}")
    return list(_deployed_trees(sysroot, status))


def _deployed_trees(sysroot: Path, status: str) -> Iterator[DeployedTree]:
    for stateroot, checksum, serial in re.findall(r"^[ *] (\S+) (\w{64})\.(\d+)", status, re.M):
        path = sysroot / "ostree/deploy" / stateroot / "deploy" / f"{checksum}.{serial}"
        yield DeployedTree(stateroot, checksum, int(serial), path)


def list_commit(repo: Path, commit: str) -> dict[str, Listed]:
    """Return everything in a commit by absolute path."""
    lines = run_ostree("ls", f"--repo={repo}", "-R", "-C", commit).splitlines()
    return dict(_listed(line) for line in lines)


def _listed(line: str) -> tuple[str, Listed]:
    # Directories show two checksums, the content's and then the metadata's.
    match = re.fullmatch(r"(.)(0\d+) (\d+) (\d+) +(\d+) (\w{64})(?: \w{64})? (/.*)", line)
    if match is None:
        raise AssertionError(f"ostree ls wrote a line of unknown shape: {line!r}")
    kind, mode, uid, gid, size, checksum, name = match.groups()
    path, _, target = name.partition(" -> ") if kind == "l" else (name, "", "")
    return path, Listed(kind, int(mode, 8), int(uid), int(gid), int(size), checksum, target)


def cat_commit(repo: Path, commit: str, *paths: str) -> str:
    """Return the content of files in a commit."""
    return run_ostree("cat", f"--repo={repo}", commit, *paths)


def fsck(repo: Path) -> None:
    """Fail unless every object of the repository is whole."""
    run_ostree("fsck", f"--repo={repo}", "--quiet")


def query_rpm(root: Path, *words: str, database: str = "usr/lib/sysimage/rpm") -> list[str]:
    """Return the lines that `rpm WORDS` prints for a tree; its exit code is not looked at.

    The tree is read-only to it: rpm would turn the database into one with a write-ahead log, and
    in a deployment that is the repository's object.
    """
    sandbox = ["bwrap", "--bind", "/", "/", "--ro-bind", str(root), str(root), "--cap-add", "ALL"]
    rpm = ["rpm", f"--root={root}", f"--dbpath=/{database}", *words]
    return _run([*sandbox, "--", *rpm], check=False).splitlines()


def run_in(tree: Path, *command: str, check: bool = True) -> str:
    """Run a program of the tree, with the tree as its root, and return what it printed."""
    sandbox = ["bwrap", "--unshare-all", "--die-with-parent", "--ro-bind", str(tree), "/"]
    sandbox += ["--dev", "/dev", "--proc", "/proc", "--tmpfs", "/tmp", "--tmpfs", "/var"]
    return _run([*sandbox, "--", *command], check=check)


def _run(command: list[str], *, check: bool) -> str:
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    if check and done.returncode != 0:
        raise AssertionError(f"{command}: exit {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout
