"""A small system and a place outside it that nothing must touch, for hostile input."""

import hashlib
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.faults.snapshot import Seen, find_mounts, read_state
from tests.support.cli import run_pkglayer
from tests.support.ostree import make_base, make_sysroot
from tests.support.repos import make_repo, repo_file
from tests.support.witness import deployments, fsck

Done = subprocess.CompletedProcess[str]


@dataclass(frozen=True)
class Arena:
    """`outside` holds a secret and is watched; `repo` is the directory of the repository `test`."""

    tmp: Path
    sysroot: Path
    repo: Path
    outside: Path
    before: Seen
    outside_before: str

    def install(self, *rpms: Path, words: Sequence[str] = ()) -> Done:
        """Install RPM files without a signature, as somebody does who trusts them too much."""
        allowed = [word for rpm in rpms for word in ("--no-gpg-check", str(rpm))]
        return self.run("install", *map(str, rpms), *allowed, *words)

    def run(self, *words: str) -> Done:
        """Run pkglayer on the arena's system."""
        return run_pkglayer(*words, sysroot=self.sysroot, check=False)

    @property
    def newest(self) -> Path:
        """The directory of the next boot."""
        return deployments(self.sysroot)[0].path

    def assert_refused(self, done: Done, code: int, *texts: str) -> None:
        """It failed with this code and these words, and everything is as before."""
        shown = f"exit {done.returncode}: {done.stdout}{done.stderr}"
        assert done.returncode == code, shown
        for text in texts:
            assert text in done.stderr, shown
        assert "Traceback" not in done.stderr, shown
        assert read_state(self.sysroot) == self.before
        self.assert_unharmed()

    def assert_unharmed(self) -> None:
        """Whatever came of it: nothing outside changed, nothing is left mounted or half done."""
        assert look_at(self.outside) == self.outside_before
        assert find_mounts(self.sysroot) == []
        assert list((self.sysroot / "ostree/pkglayer").glob("work-*")) == []
        fsck(self.sysroot / "ostree/repo")


def make_arena(tmp: Path, rpms: Sequence[Path] = (), **options: str | int) -> Arena:
    """Make it below `tmp`; `options` go into the .repo file."""
    outside = tmp / "outside"
    outside_before = make_outside(outside)
    repo = make_repo(tmp / "repo", rpms)
    text = repo_file("test", repo, **options)
    base = make_base(tmp, {"etc/yum.repos.d/test.repo": text, "usr/share/shared/mine": "base\n"})
    sysroot = make_sysroot(tmp, base)
    return Arena(tmp, sysroot, repo, outside, read_state(sysroot), outside_before)


def make_outside(outside: Path) -> str:
    """Make the place that must stay as it is; returns how it looks."""
    outside.mkdir()
    (outside / "secret").write_text("secret\n")
    (outside / "secret").chmod(0o600)
    (outside / "dir").mkdir(0o700)
    return look_at(outside)


def look_at(directory: Path) -> str:
    """Names, modes, owners, links and contents of everything in a directory."""
    digest = hashlib.sha256()
    for path in [directory, *sorted(directory.rglob("*"))]:
        info = path.lstat()
        row = (str(path), info.st_mode, info.st_uid, info.st_gid, info.st_nlink, info.st_mtime_ns)
        digest.update(repr(row).encode())
        if path.is_symlink():
            digest.update(str(path.readlink()).encode())
        elif path.is_file():
            digest.update(path.read_bytes())
    return digest.hexdigest()
