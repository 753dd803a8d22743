"""A remote of a test's own, made from a world: one branch that moves from base 1 to base 2."""

import subprocess
from pathlib import Path

from tests.support.world.model import BRANCH, World


def publish(world: World, repo: Path, version: int) -> None:
    """Make `world/stable` of the archive repository at `repo` the given base; made if missing.

    The objects are linked where both are on one file system, so this takes a second at most.
    """
    ostree = ["ostree", f"--repo={repo}"]
    if not (repo / "config").exists():
        _run(*ostree, "init", "--mode=archive")
    ref = f"world/v{version}"
    _run(*ostree, "pull-local", "--disable-fsync", str(world.ostree_repo), ref)
    _run(*ostree, "refs", ref, f"--create={BRANCH}", "--force")
    _run(*ostree, "summary", "--update")


def _run(*command: str) -> None:
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
