"""The main job on real packages, as one runs it: every command is shown before its output.

`python -m tests.support.demo [DIR]` makes a sysroot from the small test world (a base and
repositories of the distribution's own packages), layers on it, upgrades the base, rolls back, and
leaves the sysroot to play with. The first run builds the world; later ones take seconds.
"""

import os
import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

from tests.support import world

PROJECT = Path(__file__).parents[2]
PKGLAYER = PROJECT / ".venv/bin/pkglayer"
STATEROOT = "world"
REFSPEC = "world:world/stable"


def say(text: str) -> None:
    """A line at once, in order with what the commands print."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


class Demo:
    """A sysroot below `directory` and the commands that are run on it."""

    def __init__(self, directory: Path, small: world.World) -> None:
        self.directory = directory
        self.sysroot = directory / "sysroot"
        self.server = directory / "server"
        self.world = small
        self.environment = {**os.environ, "OSTREE_SYSROOT_DEBUG": "mutable-deployments"}

    def make_sysroot(self) -> None:
        """What an installer does: a sysroot with the first base deployed, and a .repo file."""
        shutil.rmtree(self.directory, ignore_errors=True)
        self.sysroot.mkdir(parents=True)
        world.publish(self.world, self.server, 1)
        repo = f"--repo={self.sysroot}/ostree/repo"
        self._quietly("ostree", "admin", "init-fs", str(self.sysroot))
        self._quietly("ostree", "config", repo, "set", "sysroot.bootloader", "none")
        self._quietly("ostree", "admin", "os-init", f"--sysroot={self.sysroot}", STATEROOT)
        url = self.server.as_uri()
        self._quietly("ostree", "remote", "add", repo, "--no-gpg-verify", "world", url)
        self._quietly("ostree", "pull", repo, "world", "world/stable")
        where = [f"--sysroot={self.sysroot}", f"--os={STATEROOT}"]
        self._quietly("ostree", "admin", "deploy", *where, "--karg=root=LABEL=demo", REFSPEC)
        self.write_repo_file()

    def write_repo_file(self) -> None:
        """`$releasever` follows the base, as on a real distribution."""
        for version, repo in ((1, self.world.repo_v1), (2, self.world.repo_v2)):
            (self.directory / f"rpms-{version}").unlink(missing_ok=True)
            (self.directory / f"rpms-{version}").symlink_to(repo)
        [root] = (self.sysroot / f"ostree/deploy/{STATEROOT}/deploy").glob("*.0")
        file = root / "etc/yum.repos.d/world.repo"
        file.parent.mkdir(parents=True, exist_ok=True)
        base_url = f"{self.directory.as_uri()}/rpms-$releasever"
        file.write_text(f"[world]\nname=World $releasever\nbaseurl={base_url}\ngpgcheck=0\n")

    def show(self, title: str, *words: str) -> None:
        """Print what the next command is for, the command, and its output."""
        say(f"\n\x1b[1m# {title}\x1b[0m" if sys.stdout.isatty() else f"\n# {title}")
        say(f"$ pkglayer {shlex.join([w for w in words if w])} --sysroot {self.sysroot}")
        command = [str(PKGLAYER), *words, "--sysroot", str(self.sysroot)]
        subprocess.run(command, check=True, env=self.environment)

    def show_program(self, title: str, program: str, *arguments: str) -> None:
        """Run a layered program out of the next boot's tree."""
        newest = max(
            (self.sysroot / f"ostree/deploy/{STATEROOT}/deploy").glob("*.[0-9]"),
            key=lambda path: path.stat().st_ctime_ns,
        )
        say(f"\n# {title}\n$ {program} {shlex.join(arguments)}    (in the new tree)")
        inside = ["--ro-bind", f"{newest}/usr", "/usr", "--symlink", "usr/bin", "/bin"]
        inside += ["--symlink", "usr/lib", "/lib", "--symlink", "usr/lib64", "/lib64"]
        inside += ["--ro-bind", f"{newest}/usr/etc", "/etc", "--proc", "/proc", "--dev", "/dev"]
        subprocess.run(["bwrap", *inside, program, *arguments], check=True)

    def _quietly(self, *command: str) -> None:
        subprocess.run(command, check=True, env=self.environment, capture_output=True)


def main() -> None:
    """Build what is missing, then the session."""
    if os.geteuid() != 0:
        sys.exit("the demo makes deployments and needs root: sudo make demo")
    began = time.monotonic()
    directory = Path(sys.argv[1]) if len(sys.argv) > 1 else PROJECT / "build/demo"
    demo = Demo(directory.absolute(), world.build("small"))
    demo.make_sysroot()
    demo.show("A base, and nothing layered on it yet", "status")
    demo.show("What would it take?", "install", "--dry-run", "htop", "tmux", "tree")
    demo.show("Layer them: a new state, beside the running one", "install", "htop", "tmux", "tree")
    demo.show_program("They run in it", "htop", "--version")
    demo.show("Two states now, each with its own package database", "status")
    demo.show("How do they differ?", "db", "diff")
    world.publish(demo.world, demo.server, 2)
    demo.show("The distribution has a new base: what would come?", "upgrade", "--preview")
    demo.show("Upgrade: new base, the same requests reapplied", "upgrade")
    demo.show("Which states have tmux?", "db", "where", "tmux")
    demo.show("Back to the state before, complete with its packages", "rollback")
    demo.show("What was done", "history")
    seconds = time.monotonic() - began
    say(f"\nDone in {seconds:.0f} s. The sysroot stays for you to play with:")
    say(f"  export OSTREE_SYSROOT_DEBUG=mutable-deployments S={demo.sysroot}")
    say(f"  {PKGLAYER.relative_to(PROJECT)} install tree mc --sysroot $S")


if __name__ == "__main__":
    main()
