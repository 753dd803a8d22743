"""Composes a base: real rpm installs the packages into a root, which takes the shape of an OSTree
tree and becomes a commit.

Everything is mounted in a private mount namespace, so that nothing is left when a build dies.
"""

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.support.world.model import BRANCH, WorldError
from tests.support.world.rpmbuild import EPOCH
from tests.support.world.var import move_var

DATABASE = "usr/lib/sysimage/rpm"

_MOUNTS = """
root=$1; shift
mkdir -p "$root/proc" "$root/dev" "$root/sys" "$root/run" "$root/tmp"
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
mount --rbind /sys "$root/sys"
mount -t tmpfs tmpfs "$root/run"
mount -t tmpfs tmpfs "$root/tmp"
exec "$@"
"""

_ENVIRONMENT = {
    "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
    "LC_ALL": "C.UTF-8",
    "HOME": "/root",
    "SYSTEMD_OFFLINE": "1",
    "SOURCE_DATE_EPOCH": str(EPOCH),
}

# A virtual machine with one disk needs none of these, and each makes the boot slower.
_NOT_IN_INITRAMFS = (
    "plymouth network ifcfg nfs iscsi crypt lvm mdraid dmraid multipath btrfs cifs nbd fcoe"
    " bluetooth pcsc tpm2-tss fido2 pkcs11 i18n"
)
_DRACUT = [
    "dracut",
    "--quiet",
    "--force",
    "--no-hostonly",
    "--reproducible",
    "--zstd",
    "--tmpdir=/tmp",
    "--add=ostree",
    f"--omit={_NOT_IN_INITRAMFS}",
    "--add-drivers=virtio_blk virtio_pci virtio_scsi ext4 overlay loop erofs",
    "--filesystems=ext4",
]

# Directories of the root that a deployment has elsewhere: link -> target.
_LINKS = {
    "home": "var/home",
    "mnt": "var/mnt",
    "opt": "var/opt",
    "srv": "var/srv",
    "root": "var/roothome",
    "media": "run/media",
    "usr/local": "../var/usrlocal",
    "ostree": "sysroot/ostree",
}
_MOUNT_POINTS = {"run": 0o755, "sys": 0o755, "proc": 0o755, "dev": 0o755, "boot": 0o755}


@dataclass(frozen=True)
class Base:
    """One version of the base: where to compose it, what goes in, what it becomes."""

    version: int
    root: Path
    first: Sequence[Path]
    rest: Sequence[Path]
    boots: bool


def compose(base: Base, repo: Path) -> None:
    """Install, finish and commit as `world/vN`; the root is removed."""
    base.root.mkdir()
    _install(base)
    if base.boots:
        _make_initramfs(base.root)
    _to_ostree_layout(base.root)
    _commit(base, repo)
    shutil.rmtree(base.root)


def _install(base: Base) -> None:
    (base.root / DATABASE).mkdir(parents=True)
    # The owners of all other files are looked up in the root's own /etc/passwd.
    _rpm_install(base.root, base.first, "--nodeps")
    _rpm_install(base.root, base.rest)


def _rpm_install(root: Path, rpms: Iterable[Path], *options: str) -> None:
    rpm = ["rpm", "--root", str(root), "--dbpath", f"/{DATABASE}", "--install", *options]
    output = _run_with_mounts(root, [*rpm, *map(str, rpms)])
    # rpm itself only warns, but a base with a failed scriptlet is not what it seems.
    if "scriptlet failed" in output:
        raise WorldError(f"a scriptlet failed while composing the base:\n{output}")


def _make_initramfs(root: Path) -> None:
    modules = root / "usr/lib/modules"
    (version,) = (path.name for path in modules.iterdir())
    image = f"/usr/lib/modules/{version}/initramfs.img"
    _run_with_mounts(root, ["chroot", str(root), *_DRACUT, f"--kver={version}", image, version])
    (root / image.lstrip("/")).chmod(0o600)


def _run_with_mounts(root: Path, command: Sequence[str]) -> str:
    """Run `command` with the kernel's file systems mounted in `root` and without a network."""
    namespace = ["unshare", "--mount", "--net", "--propagation=private"]
    result = subprocess.run(
        [*namespace, "sh", "-ec", _MOUNTS, "sh", str(root), *command],
        env=_ENVIRONMENT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if result.returncode:
        raise WorldError(f"{command[0]} failed in the root:\n{result.stdout[-4000:]}")
    return result.stdout


def _to_ostree_layout(root: Path) -> None:
    _close_database(root / DATABASE)
    move_var(root)
    for path in (*_LINKS, *_MOUNT_POINTS, "tmp"):
        shutil.rmtree(root / path, ignore_errors=True)
    for path, mode in (_MOUNT_POINTS | {"tmp": 0o1777, "sysroot": 0o755}).items():
        (root / path).mkdir()
        (root / path).chmod(mode)
    for path, target in _LINKS.items():
        (root / path).symlink_to(target)
    _finish_etc(root / "etc")
    (root / "etc").rename(root / "usr/etc")


def _close_database(directory: Path) -> None:
    """One plain file: no write-ahead log, no lock."""
    database = sqlite3.connect(directory / "rpmdb.sqlite")
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.execute("PRAGMA journal_mode=DELETE")
    database.close()
    for name in ("rpmdb.sqlite-wal", "rpmdb.sqlite-shm", ".rpm.lock"):
        (directory / name).unlink(missing_ok=True)


def _finish_etc(etc: Path) -> None:
    (etc / "machine-id").write_text("")
    for name in (".pwd.lock", "passwd-", "group-", "shadow-", "gshadow-"):
        (etc / name).unlink(missing_ok=True)
    for path in etc.glob("ssh/ssh_host_*"):
        path.unlink()  # a key in an image is no secret; the machine makes its own
    target = etc / "systemd/system/default.target"
    target.unlink(missing_ok=True)
    target.symlink_to("/usr/lib/systemd/system/multi-user.target")
    for name, link in {
        "mtab": "../proc/self/mounts",
        "resolv.conf": "../run/systemd/resolve/stub-resolv.conf",
    }.items():
        if not os.path.lexists(etc / name):
            (etc / name).symlink_to(link)


def _commit(base: Base, repo: Path) -> None:
    month = 30 * 24 * 3600
    timestamp = EPOCH + base.version * month
    subprocess.run(
        ["ostree", f"--repo={repo}", "commit", f"--branch=world/v{base.version}"]
        + [f"--bind-ref={BRANCH}", f"--tree=dir={base.root}", "--bootable"]
        + [f"--timestamp=@{timestamp}", f"--subject=World {base.version}"]
        + [f"--add-metadata-string=version={base.version}"],
        check=True,
        stdout=subprocess.DEVNULL,
    )


def make_repo(path: Path) -> None:
    """An empty archive repository, as a web server offers it."""
    subprocess.run(["ostree", f"--repo={path}", "init", "--mode=archive"], check=True)
    # Strong compression would be most of the time it takes to compose a base.
    config = ["ostree", f"--repo={path}", "config", "set", "archive.zlib-level", "1"]
    subprocess.run(config, check=True)
