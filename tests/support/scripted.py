"""Runs the scriptlets of test packages on the mounted root of a test base, without deploying.

`scripted(tmp, [rpms])` imports real packages into a bare repository, mounts the root on a checkout
of the base and runs `stages.scripts`; `installed_by_rpm` gives rpm's own result to compare with.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from pkglayer.log import Quiet
from pkglayer.model.header import Imported
from pkglayer.model.package import Package
from pkglayer.model.record import Account
from pkglayer.stages.importer import import_packages
from pkglayer.stages.root import mount_root
from pkglayer.stages.scripts import ScriptReport, Setup, run_scripts
from pkglayer.system import mounts, rpmlib
from pkglayer.system.overlayroot import NearTree, Root
from pkglayer.system.repo import Repo, open_repo
from tests.support.ostree import ENVIRONMENT, Base, run_ostree


class Notes(Quiet):
    """Keeps what a person would have been told."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def note(self, text: str) -> None:
        self.lines.append(text)


@dataclass
class Scripted:
    """A root after its scripts ran; mounted while the `with` block lasts."""

    root: Root
    report: ScriptReport
    told: list[str] = field(default_factory=list)

    def text(self, path: str) -> str:
        return (self.root.path / path).read_text()

    def order(self) -> list[str]:
        """`name kind` of each script, in the order they ran."""
        return [f"{r.package.rsplit('-', 2)[0]} {r.kind}" for r in self.report.runs]


@contextmanager
def scripted(
    tmp: Path,
    base: Base,
    rpms: Sequence[Path],
    *,
    seed: Sequence[Account] = (),
    setup: Setup | None = None,
) -> Iterator[Scripted]:
    """Install packages on a base up to and with their scripts, in the order given by librpm."""
    with mounted(tmp, base) as root:
        order = import_rpms(root.repo, rpms)
        notes = Notes()
        report = run_scripts(root, order, setup or Setup(base.database), notes, seed=seed)
        yield Scripted(root, report, notes.lines)


@contextmanager
def mounted(tmp: Path, base: Base) -> Iterator[Root]:
    """The root of a base on a checkout of itself, in a mount namespace of this process."""
    mounts.unshare_mounts()
    work = tmp / f"scripted-{len(list(tmp.glob('scripted-*')))}"
    work.mkdir()
    repo = work / "repo"
    run_ostree("init", f"--repo={repo}", "--mode=bare")
    run_ostree("config", f"--repo={repo}", "set", "core.fsync", "false")
    run_ostree("pull-local", f"--repo={repo}", str(base.repo), base.ref)
    run_ostree("checkout", f"--repo={repo}", "-H", base.commit, str(work / "near"))
    (work / "work").mkdir()
    near = NearTree(work / "near", base.commit)
    with mount_root(open_repo(repo), base.commit, near, work / "work") as root:
        yield root


def import_rpms(repo: Repo, rpms: Sequence[Path]) -> list[Imported]:
    """Import packages and return them in librpm's installation order."""
    with ExitStack() as stack:
        files = [stack.enter_context(path.open("rb")) for path in rpms]
        packages = []
        for file in files:
            header = rpmlib.read_header(rpmlib.read_head(file))
            packages.append(Package(header.nevra, "test", f"sha256:{header.checksum}"))
        imported = import_packages(repo, list(zip(packages, files, strict=True)), Quiet())
    return [imported[i] for i in rpmlib.plan_order([i.head for i in imported])]


def installed_by_rpm(tmp: Path, base: Base, rpms: Sequence[Path]) -> Path:
    """A copy of the base's root in which rpm itself installed the packages, in one transaction."""
    root = tmp / f"rpm-{len(list(tmp.glob('rpm-*')))}"
    shutil.copytree(base.root, root, symlinks=True)
    os.mknod(root / "dev/null", 0o20666, os.makedev(1, 3))
    (root / "dev/null").chmod(0o666)
    flags = [f"--root={root}", f"--dbpath=/{base.database}", "--nosignature", "--nodeps"]
    done = subprocess.run(
        ["rpm", *flags, "-i", *map(str, rpms)],
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
        cwd="/",
    )
    assert done.returncode == 0, done.stderr
    return root
