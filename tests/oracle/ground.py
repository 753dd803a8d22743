"""One base, and on it the two ways to install packages: pkglayer on a sysroot, rpm in a plain root.

Both start from a machine on which the base has booted once, so /var is as that boot left it. Both
results are brought to what the next boot makes of them: /etc in its place, and systemd's own
sysusers and tmpfiles run on them.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pkglayer.model.record import RECORD_PATH
from tests.oracle import accounts, overrides
from tests.support.cli import run_pkglayer
from tests.support.ostree import Base, commit_base_update, make_base, make_sysroot, run_ostree
from tests.support.repos import make_repo, repo_file
from tests.support.witness import deployments

_MOUNTS = """
root=$1; shift
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
mount --rbind /sys "$root/sys"
mount -t tmpfs tmpfs "$root/tmp"
exec "$@"
"""


class Refused(Exception):
    """Packages cannot be installed together; the text is what the program said."""


@dataclass(frozen=True)
class Ground:
    """`plain` is the base after its first boot, /etc and /var in their places; `rpms` are the
    files of packages by NEVRA."""

    work: Path
    base: Base
    sysroot: Path
    plain: Path
    rpms: dict[str, Path]


@dataclass(frozen=True)
class Result:
    """A tree after its boot, and what the programs said that made it so."""

    tree: Path
    said: tuple[str, ...]


def make_ground(work: Path, base: Base, repos: Sequence[Path]) -> Ground:
    """Deploy the base below `work`, with these directories of RPMs as its repositories."""
    sysroot = make_sysroot(work, base)
    [deployed] = deployments(sysroot)
    for number, repo in enumerate(repos):
        file = deployed.path / f"etc/yum.repos.d/oracle{number}.repo"
        file.parent.mkdir(exist_ok=True)
        file.write_text(repo_file(f"oracle{number}", repo, gpgcheck=0))
    plain = work / "plain"
    _copy_out(deployed.path, plain, split=True)
    (plain / "var/tmp").mkdir()
    (plain / "var/tmp").chmod(0o1777)
    boot(plain)
    rpms = {nevra: path for repo in repos for nevra, path in _index(repo)}
    return Ground(work, base, sysroot, plain, rpms)


def make_override_ground(work: Path) -> tuple[Ground, dict[str, list[Path]]]:
    """A base whose packages are there to be changed, and what may take their places."""
    old, new = overrides.build(work / "packages")
    # Their %pretrans needs a shell that is there before them.
    first = commit_base_update(make_base(work), "2", packages=old)
    base = commit_base_update(first, "3", overrides.base_files(), remove=overrides.lost_files())
    rpms = [rpm for rows in new.values() for rpm in rows]
    return make_ground(work, base, [make_repo(work / "repo", rpms)]), new


def make_account_ground(work: Path, kind: str) -> Ground:
    """A base that keeps its accounts in this way, and packages that have to do with accounts."""
    rpms = accounts.build(work / "packages")
    base = accounts.make_account_base(work, kind)
    ground = make_ground(work, base, [make_repo(work / "repo", rpms)])
    if kind == accounts.EDITED:
        accounts.edit(ground.plain / "etc")
    return ground


def _index(repo: Path) -> Iterable[tuple[str, Path]]:
    names = sorted(repo.glob("*.rpm"))
    query = ["rpm", "-qp", "--nosignature", "--nodigest", "--qf", "%{NEVRA}\n", *map(str, names)]
    done = subprocess.run(query, capture_output=True, text=True, check=True)
    return zip(done.stdout.splitlines(), names, strict=True)


def change_by_pkglayer(ground: Ground, words: Sequence[str]) -> tuple[list[str], Result]:
    """Run a verb on the base; returns the NEVRAs that came and the tree. Raises Refused."""
    done = run_pkglayer(*words, sysroot=ground.sysroot, check=False)
    if done.returncode:
        raise Refused(done.stderr)
    newest, base = (deployments(ground.sysroot)[n].path for n in (0, -1))
    tree = ground.work / "ours"
    _copy_out(newest, tree)
    accounts.merge_etc(base / "usr/etc", ground.plain / "etc", tree / "etc")
    (tree / "var").rmdir()
    copy(ground.plain / "var", tree / "var")
    record = json.loads((newest / RECORD_PATH).read_text())
    came = [str(p["nevra"]) for p in record["plan"]["packages"]]
    run_ostree("admin", "undeploy", f"--sysroot={ground.sysroot}", "0")
    with accounts.shown(tree, ground.plain):
        said = boot(tree)
    return came, Result(tree, said)


def change_by_rpm(ground: Ground, words: Sequence[str]) -> Result:
    """Let rpm do the same, scriptlets and triggers included. Raises Refused."""
    tree = ground.work / "rpms"
    copy(ground.plain, tree)
    flags = ["--root", str(tree), "--dbpath", f"/{ground.base.database}", "--nosignature"]
    flags += ["--nodigest", "--nofiledigest"]  # whether they are checked is not compared
    if words[0] == "--erase":
        flags = flags[:4]
    with accounts.shown(tree, ground.plain):
        done = in_root(tree, ["rpm", *flags, *words], ground.base.timestamp)
        if done.returncode or "scriptlet failed" in done.stdout:
            raise Refused(done.stdout)
        said = boot(tree)
    return Result(tree, said)


def in_root(
    tree: Path, command: Sequence[str], epoch: int
) -> subprocess.CompletedProcess[str]:
    """Run with the kernel's file systems mounted in `tree`, in a mount namespace of its own."""
    namespace = ["unshare", "--mount", "--net", "--propagation=private"]
    return subprocess.run(
        [*namespace, "sh", "-ec", _MOUNTS, "sh", str(tree), *command],
        env={
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
            "LC_ALL": "C.UTF-8",
            "HOME": "/root",
            "SYSTEMD_OFFLINE": "1",
            "SOURCE_DATE_EPOCH": str(epoch),
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="surrogateescape",
        check=False,
        cwd="/",
    )


def boot(tree: Path) -> tuple[str, ...]:
    """What a boot does to /etc and /var; returns what it complained about, by line."""
    said = []
    for command in (
        ["systemd-sysusers", f"--root={tree}"],
        ["systemd-tmpfiles", f"--root={tree}", "--create", "--boot"]
        + [f"--exclude-prefix=/{name}" for name in ("dev", "proc", "sys", "tmp")],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False, umask=0o022)
        said += [line.replace(str(tree), "") for line in done.stderr.splitlines()]
    return tuple(sorted(set(said)))


def _copy_out(deployment: Path, tree: Path, *, split: bool = False) -> None:
    """A deployment before its first boot: the defaults of /etc, and nothing in /var."""
    copy(deployment, tree, split=split)
    shutil.rmtree(tree / "etc", ignore_errors=True)
    (tree / "usr/etc").rename(tree / "etc")
    shutil.rmtree(tree / "var")
    (tree / "var").mkdir(0o755)


def copy(source: Path, target: Path, *, split: bool = False) -> None:
    """A plain copy in place of whatever is there; nothing is shared with the source.

    With `split` each name becomes a file of its own: OSTree makes equal files one, and rpm takes
    rights away from all names of a file when it removes one of them.
    """
    if target.exists():
        shutil.rmtree(target)
    options = ["-a", "--reflink=auto", *(["--no-preserve=links"] if split else [])]
    subprocess.run(["cp", *options, str(source), str(target)], check=True)
    os.chmod(target, 0o755)  # noqa: PTH101
