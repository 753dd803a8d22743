"""Sysroots that the measured commands work on, brought back to where they were after each run.

A sysroot has one deployment while it waits: then no tool has an old one to clean up, and all do
the same. What a run wrote into the repository goes when its refs go.
"""

import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.bench.fixtures import BaseFixture
from tests.bench.measure import run
from tests.support.repos import repo_file

STATEROOT = "test"
REFSPEC = "origin:test/base"
IMPORTS = ("pkglayer/pkg", "pkglayer/rpm")
_REFS = ("heads/pkglayer", "heads/by-hand", "remotes")


@dataclass(frozen=True)
class Stage:
    """A prepared sysroot; `saved` keeps the refs that it has while it waits."""

    path: Path
    base: BaseFixture
    repos: Path

    @property
    def repo(self) -> Path:
        return self.path / "ostree/repo"

    @property
    def saved(self) -> Path:
        return self.path / "saved-refs"

    @property
    def deployment(self) -> Path:
        """The directory of the next boot."""
        found = run("ostree", "admin", "status", f"--sysroot={self.path}").split()
        name = found[found.index(STATEROOT) + 1]
        return self.path / f"ostree/deploy/{STATEROOT}/deploy/{name}"

    def publish(self, commit: str) -> None:
        """Let the remote's branch point at a commit of the base."""
        (self.base.repo / "refs/heads" / self.base.ref).write_text(f"{commit}\n")

    def enable(self, names: Iterable[str]) -> None:
        """Configure exactly these of the fixture repositories."""
        where = self.deployment / "etc/yum.repos.d"
        shutil.rmtree(where, ignore_errors=True)
        where.mkdir()
        for name in names:
            text = repo_file(name, self.repos / name, metadata_expire=86400)
            (where / f"{name}.repo").write_text(text)

    def forget(self) -> None:
        """Drop what is cached beside the repository: metadata and downloads."""
        shutil.rmtree(self.path / f"ostree/deploy/{STATEROOT}/var/cache", ignore_errors=True)

    def keep_imports(self) -> None:
        """Save the refs of what is imported, so that it stays when the stage is restored."""
        for name in IMPORTS:
            shutil.copytree(
                self.repo / "refs/heads" / name, self.saved / "heads" / name, dirs_exist_ok=True
            )

    @contextmanager
    def case(self) -> Iterator[None]:
        """What the body saves is forgotten after it: the imports of one case are another's garbage,
        for which it would clean up."""
        before = self.path / "saved-before"
        shutil.copytree(self.saved, before)
        try:
            yield
        finally:
            shutil.rmtree(self.saved)
            before.rename(self.saved)
            shutil.rmtree(self.repo / "refs/heads/bench", ignore_errors=True)
            self.restore()

    def chill(self) -> None:
        """Drop the imports, and the ready commits that have the same content objects."""
        for name in IMPORTS:
            shutil.rmtree(self.saved / "heads" / name, ignore_errors=True)
        shutil.rmtree(self.repo / "refs/heads/bench", ignore_errors=True)
        self.restore()

    def save(self) -> None:
        """Take the refs as they are now for those to come back to."""
        shutil.rmtree(self.saved, ignore_errors=True)
        for name in _REFS:
            if (self.repo / "refs" / name).exists():
                shutil.copytree(self.repo / "refs" / name, self.saved / name)

    def restore(self) -> None:
        """Remove new deployments, refs and objects."""
        for name in _REFS:
            shutil.rmtree(self.repo / "refs" / name, ignore_errors=True)
            if (self.saved / name).exists():
                shutil.copytree(self.saved / name, self.repo / "refs" / name)
        more = self._count() - 1
        for _ in range(more):
            run("ostree", "admin", "undeploy", f"--sysroot={self.path}", "0")  # prunes, too
        if not more:
            run("ostree", f"--repo={self.repo}", "prune", "--refs-only")

    def settle(self) -> None:
        """Leave the next boot alone, with what it needs."""
        while self._count() > 1:
            run("ostree", "admin", "undeploy", f"--sysroot={self.path}", "1")

    def _count(self) -> int:
        lines = run("ostree", "admin", "status", f"--sysroot={self.path}").splitlines()
        return sum(1 for line in lines if line.split()[:1] == [STATEROOT])


def make_stage(path: Path, base: BaseFixture, repos: Path) -> Stage:
    """A sysroot at `path` with the base's first version deployed."""
    stage = Stage(path, base, repos)
    path.mkdir(parents=True)
    run("ostree", "admin", "init-fs", path)
    run("ostree", "admin", "os-init", f"--sysroot={path}", STATEROOT)
    for key, value in {"sysroot.bootloader": "none", "core.fsync": "false"}.items():
        run("ostree", "config", f"--repo={stage.repo}", "set", key, value)
    url = base.repo.as_uri()
    run("ostree", "remote", "add", f"--repo={stage.repo}", "--no-gpg-verify", "origin", url)
    stage.publish(base.v1)
    run("ostree", "pull", f"--repo={stage.repo}", "origin", base.ref)
    run("ostree", "admin", "deploy", f"--sysroot={path}", f"--os={STATEROOT}", REFSPEC)
    stage.save()
    return stage
