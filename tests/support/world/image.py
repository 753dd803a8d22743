"""Disk images: a bootable one with an OSTree sysroot, and one with a world's repositories.

The sysroot's file system fills the image without a partition table: virtual machines get the
kernel directly (`boot.py`).
"""

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.world.model import BRANCH, World

STATEROOT = "world"
DATA_MOUNT = "/run/world-data"
"""Where a booted base finds the world's repositories."""

_ARGUMENTS = (
    "root=LABEL=world-root",
    "rw",
    "console=ttyS0",
    "net.ifnames=0",
    "mitigations=off",  # emulated, they cost time and protect nothing
    "world.test",
)

REPO_FILE = f"""[world]
name=World $releasever
baseurl=file://{DATA_MOUNT}/repo-v$releasever
gpgcheck=0
"""


def make_image(world: World, path: Path, version: int = 1, size: str = "8G") -> None:
    """A sysroot with stateroot `world` and base `version` deployed.

    It follows `world:world/stable`, which the remote has at version 2 already: an upgrade inside
    finds it. The image is sparse.
    """
    path.unlink(missing_ok=True)
    _run("truncate", f"--size={size}", str(path))
    _run("mkfs.ext4", "-q", "-L", "world-root", "-E", "lazy_itable_init=1", str(path))
    with mounted(path) as sysroot:
        _run("ostree", "admin", "init-fs", "--modern", str(sysroot))
        repo = f"--repo={sysroot}/ostree/repo"
        _run("ostree", repo, "config", "set", "sysroot.bootloader", "none")
        _run("ostree", "admin", "os-init", f"--sysroot={sysroot}", STATEROOT)
        url = f"file://{DATA_MOUNT}/ostree"
        _run("ostree", repo, "remote", "add", "--no-gpg-verify", "world", url)
        ref = f"world/v{version}"
        _run("ostree", repo, "pull-local", "--disable-fsync", str(world.ostree_repo), ref)
        _run("ostree", repo, "refs", ref, f"--create=world:{BRANCH}")
        _run("ostree", repo, "refs", "--delete", ref)
        kargs = [f"--karg={argument}" for argument in _ARGUMENTS]
        admin = ["ostree", "admin", "deploy", f"--sysroot={sysroot}", f"--os={STATEROOT}"]
        _run(*admin, *kargs, f"world:{BRANCH}")


@contextmanager
def mounted(image: Path) -> Iterator[Path]:
    """The image's file system, writable, as long as the block runs."""
    with tempfile.TemporaryDirectory(prefix="image-") as directory:
        _run("mount", "-o", "loop", str(image), directory)
        try:
            yield Path(directory)
        finally:
            _run("umount", "--recursive", directory)


def make_data_image(world: World) -> None:
    """The world's repositories on a disk of their own, as virtual machines have no network."""
    (world.path / "world.repo").write_text(REPO_FILE)
    with tempfile.TemporaryDirectory(dir=world.path.parent, prefix="building-") as directory:
        image = Path(directory) / "data.img"
        used = subprocess.run(
            ["du", "--summarize", "--block-size=1M", str(world.path)],
            check=True,
            capture_output=True,
            text=True,
        )
        megabytes = int(used.stdout.split()[0]) * 11 // 10 + 64
        _run("mkfs.ext4", "-q", "-m0", "-d", str(world.path), str(image), f"{megabytes}M")
        shutil.move(image, world.data_image)


def _run(*command: str) -> None:
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
