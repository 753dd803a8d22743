"""A sysroot, the base it follows and a package repository, in one value: what tests of verbs need.

`take_snapshot` puts down everything that a verb which fails must leave alone, by looking at files
and at what `ostree` prints, so that two of them can be compared.
"""

import hashlib
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from tests.support.cli import run_pkglayer
from tests.support.ostree import (
    Base,
    commit_base_update,
    configure_repo,
    make_base,
    make_sysroot,
    run_ostree,
)
from tests.support.repos import Comps, make_repo, repo_file
from tests.support.trees import Node
from tests.support.witness import DeployedTree, deployments, query_rpm

REPO_FILE = "etc/yum.repos.d/test.repo"


@dataclass
class Scene:
    """`base` is the newest commit of the branch that `sysroot` follows; `repo` is the package
    repository `test`, which the base's /etc names."""

    tmp: Path
    repo: Path
    base: Base
    sysroot: Path
    comps: Comps = field(default_factory=dict)

    def run(
        self, *args: str | Path, check: bool = True, env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run a verb on the sysroot."""
        return run_pkglayer(*args, sysroot=self.sysroot, check=check, env=env, cwd=self.tmp)

    def refuse(self, *args: str | Path, code: int) -> str:
        """Run a verb that must fail with this exit code and change nothing; returns its stderr."""
        before = take_snapshot(self.sysroot)
        done = self.run(*args, check=False)
        assert done.returncode == code, f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"
        assert done.stderr.startswith("error: ") or "\nerror: " in done.stderr
        assert take_snapshot(self.sysroot) == before
        return done.stderr

    @property
    def states(self) -> list[DeployedTree]:
        """All states on disk, the next boot first."""
        return deployments(self.sysroot)

    @property
    def next(self) -> DeployedTree:
        """The state that boots next."""
        return self.states[0]

    @property
    def packages(self) -> set[str]:
        """The packages of the next boot that are not the test system's own, as rpm lists them."""
        lines = query_rpm(self.next.path, "-qa", "--qf", "%{name}-%{version}-%{release}\n")
        return {line for line in lines if not line.startswith("testos-")}

    def publish(self, *rpms: Path) -> None:
        """Add packages to the repository."""
        make_repo(self.repo, rpms, comps=self.comps)

    def copy_to(self, tmp: Path) -> "Scene":
        """The same scene in another place, to change at will; quicker than building it anew."""
        subprocess.run(["cp", "-a", f"{self.tmp}/.", str(tmp)], check=True)

        def moved(path: Path) -> Path:
            return tmp / path.relative_to(self.tmp)

        base = replace(self.base, repo=moved(self.base.repo), root=moved(self.base.root))
        copy = replace(self, tmp=tmp, repo=moved(self.repo), base=base, sysroot=moved(self.sysroot))
        url = base.repo.as_uri()
        configure_repo(copy.sysroot / "ostree/repo", 'remote "origin"', {"url": url})
        copy.configure(repo_file("test", copy.repo))
        return copy

    def configure(self, text: str, name: str = REPO_FILE) -> None:
        """Write a file of /etc as an administrator does, in every state."""
        for state in self.states:
            path = state.path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)

    def update_base(
        self, version: str, files: Mapping[str, Node] | None = None,
        packages: Iterable[Path] = (), erase: Iterable[str] = (),
    ) -> Base:  # fmt: skip
        """Commit the next version of the base on its branch, at the remote."""
        self.base = commit_base_update(self.base, version, files, list(packages), erase=erase)
        return self.base


def make_scene(
    tmp: Path,
    rpms: Iterable[Path],
    *,
    files: Mapping[str, Node] | None = None,
    base_packages: Iterable[Path] = (),
    comps: Comps | None = None,
    url: str | None = None,
    repo_options: Mapping[str, str | int | Path] | None = None,
) -> Scene:
    """Build all of it below `tmp`; the repository is read in place unless `url` serves `tmp`."""
    repo = make_repo(tmp / "repo", rpms, comps=comps)
    where = f"{url}/repo" if url else repo
    text = repo_file("test", where, **dict(repo_options or {}))
    base = make_base(tmp, {REPO_FILE: text, **(files or {})}, list(base_packages))
    return Scene(tmp, repo, base, make_sysroot(tmp, base), comps or {})


def take_snapshot(sysroot: Path) -> dict[str, str]:
    """What must not change when a verb fails: states, origins, records, rpmdbs, boot, refs."""
    found = {"status": run_ostree("admin", "status", f"--sysroot={sysroot}")}
    found |= {f"ref {line}": "" for line in sorted(_refs(sysroot))}
    for state in deployments(sysroot):
        found[f"origin {state.path.name}"] = state.origin
        for name in ("usr/lib/pkglayer/record.json", "usr/lib/sysimage/rpm/rpmdb.sqlite"):
            found[f"{state.path.name} {name}"] = _digest(state.path / name)
        found |= {f"etc {path}": _digest(path) for path in sorted((state.path / "etc").rglob("*"))}
    found["deployed"] = "\n".join(sorted(str(p) for p in sysroot.glob("ostree/deploy/*/deploy/*")))
    for path in sorted((sysroot / "boot").rglob("*")):
        found[f"boot {path}"] = str(path.readlink()) if path.is_symlink() else _digest(path)
    return found


def find_leftovers(sysroot: Path) -> list[str]:
    """Files that only a run in progress may have: work directories, staging of the repository."""
    private, repo = sysroot / "ostree/pkglayer", sysroot / "ostree/repo"
    left = [*private.glob("work-*"), *private.glob("holder"), *repo.glob("tmp/staging-*/*")]
    return [str(p) for p in left if not p.name.endswith(".lock")]


def _refs(sysroot: Path) -> list[str]:
    heads = sysroot / "ostree/repo/refs"
    return [f"{p.relative_to(heads)} {p.read_text()}" for p in heads.rglob("*") if p.is_file()]


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
