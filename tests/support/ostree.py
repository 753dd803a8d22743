"""Composes small but true OSTree bases with an rpmdb of their own, and sysroots that deploy them.

Packages are installed by rpm itself into a root that becomes a commit; a later version of a base is
made from the same root. The sysroots are plain directories: nothing here boots.
"""

import atexit
import contextlib
import os
import shutil
import sqlite3
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Literal

from tests.support.rpms import BUILD_TIME
from tests.support.testos import KERNEL_VERSION, build_release, testos_packages
from tests.support.trees import Dir, File, Link, Node, Tree, make_tree, many_files

Layout = Literal["sysimage", "share"]

ENVIRONMENT = {
    "PATH": os.environ["PATH"],
    "HOME": "/nonexistent",
    "LANG": "C.UTF-8",
    # Deployments in a plain directory: without it they get a flag that stops their removal.
    "OSTREE_SYSROOT_DEBUG": "mutable-deployments",
    # Gives the rpmdb the same bytes each time.
    "SOURCE_DATE_EPOCH": str(BUILD_TIME),
}

_DATABASES: dict[Layout, tuple[str, str, str]] = {
    # layout: the real directory, the link beside it, the link's target
    "sysimage": ("usr/lib/sysimage/rpm", "usr/share/rpm", "../lib/sysimage/rpm"),
    "share": ("usr/share/rpm", "usr/lib/sysimage/rpm", "../../share/rpm"),
}

_TOP_LINKS = {
    "bin": "usr/bin",
    "sbin": "usr/sbin",
    "lib": "usr/lib",
    "lib64": "usr/lib64",
    "home": "var/home",
    "media": "run/media",
    "mnt": "var/mnt",
    "opt": "var/opt",
    "ostree": "sysroot/ostree",
    "root": "var/roothome",
    "srv": "var/srv",
    "usr/local": "../var/usrlocal",
}

_DIRECTORIES = (
    *("boot", "dev", "etc", "proc", "run", "sys", "sysroot", "tmp", "var", "var/tmp"),
    *("usr/bin", "usr/sbin", "usr/lib", "usr/lib64", "usr/libexec", "usr/share", "usr/include"),
    *("usr/lib/sysusers.d", "usr/lib/tmpfiles.d", "usr/lib/systemd/system"),
)


@dataclass(frozen=True)
class Base:
    """A committed version of a base: `commit` on `ref` in the archive `repo`.

    `root` is the tree it was made from, with /etc in its place; `database` is the rpmdb's
    directory in it.
    """

    repo: Path
    ref: str
    commit: str
    version: str
    root: Path
    database: str
    timestamp: int


def make_base(
    tmp: Path,
    files: Tree | None = None,
    packages: Sequence[Path] = (),
    *,
    version: str = "1",
    ref: str = "test/base",
    layout: Layout = "sysimage",
    mode: Literal["archive", "bare"] = "archive",
    files_count: int = 0,
) -> Base:
    """Compose a base below `tmp` and commit it to `tmp/base-repo`.

    `packages` are installed with their scriptlets beside the test system's own; `files` are put on
    top without an owner, as `files_count` more small ones in usr/share/many.
    """
    root, repo = tmp / "base-root", tmp / "base-repo"
    run_ostree("init", f"--repo={repo}", f"--mode={mode}")
    configure_repo(repo, "archive", {"zlib-level": "1"})
    configure_repo(repo, "core", {"fsync": "false"})
    base = Base(repo, ref, "", version, root, _DATABASES[layout][0], BUILD_TIME)
    if packages:
        _install(base, layout, packages)
    else:
        root.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run(["cp", "-a", _small_system(layout, version), root], check=True)
    kernel = f"usr/lib/modules/{KERNEL_VERSION}/initramfs.img"
    make_tree(root, {kernel: File("no initramfs\n", 0o600)} | many_files(files_count))
    return _commit(base, files or {})


def commit_base_update(
    base: Base,
    version: str,
    files: Tree | None = None,
    packages: Sequence[Path] = (),
    *,
    erase: Iterable[str] = (),
    remove: Iterable[str] = (),
) -> Base:
    """Commit the next version of a base on the same ref: packages upgraded, erased, files removed.

    `packages` may be older than what is installed. Unowned files of the base stay.
    """
    release = build_release(base.root.parent / "base-rpms", version)
    if names := list(erase):
        run_rpm(base, "--erase", *names)
    run_rpm(base, "--upgrade", "--oldpackage", *map(str, [release, *packages]))
    for path in remove:
        (base.root / _compose_path(path)).unlink()
    return _commit(replace(base, version=version, timestamp=base.timestamp + 3600), files or {})


def make_sysroot(
    tmp: Path,
    base: Base,
    *,
    url: str | None = None,
    stateroot: str = "test",
    kargs: Sequence[str] = ("root=LABEL=root", "rw"),
    name: str = "sysroot",
) -> Path:
    """Make `tmp/NAME` with a stateroot, the remote `origin` and the base's ref deployed from it.

    `url` is where the base's repository is served; by default it is read in place.
    """
    sysroot = tmp / name
    sysroot.mkdir(parents=True)
    repo = f"--repo={sysroot}/ostree/repo"
    run_ostree("admin", "init-fs", str(sysroot))
    run_ostree("admin", "os-init", f"--sysroot={sysroot}", stateroot)
    configure_repo(sysroot / "ostree/repo", "sysroot", {"bootloader": "none"})
    configure_repo(sysroot / "ostree/repo", "core", {"fsync": "false"})
    run_ostree("remote", "add", repo, "--no-gpg-verify", "origin", url or base.repo.as_uri())
    run_ostree("pull", repo, "origin", base.ref)
    arguments = [f"--karg={karg}" for karg in kargs]
    where = [f"--sysroot={sysroot}", f"--os={stateroot}"]
    run_ostree("admin", "deploy", *where, *arguments, f"origin:{base.ref}")
    return sysroot


def run_ostree(*words: str) -> str:
    """Run the ostree command, in tests the independent witness of what our code did."""
    return _run("ostree", *words)


def configure_repo(repo: Path, group: str, values: Mapping[str, str]) -> None:
    """Set keys in a group of a repository's configuration, at once: what is said last counts."""
    lines = [f"[{group}]", *(f"{key}={value}" for key, value in values.items())]
    with (repo / "config").open("a") as file:
        file.write("\n".join(["", *lines, ""]))


def run_rpm(base: Base, *words: str) -> str:
    """Run rpm on the base's root and leave its database as one plain file."""
    flags = [f"--root={base.root}", f"--dbpath=/{base.database}", "--nosignature"]
    null = base.root / "dev/null"
    # Scriptlets redirect to it; the device must not become part of the commit.
    os.mknod(null, 0o20666, os.makedev(1, 3))
    null.chmod(0o666)
    try:
        return _run("rpm", *flags, *words)
    finally:
        null.unlink()
        _settle_database(base.root / base.database)


def _run(*command: str) -> str:
    done = subprocess.run(
        command, env=ENVIRONMENT, capture_output=True, text=True, check=False, cwd="/"
    )
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(command)}: exit {done.returncode}\n{done.stderr}")
    return done.stdout


@cache
def _small_system(layout: Layout, version: str) -> Path:
    """A root with the test system alone, made once in a process, to be copied."""
    where = Path(tempfile.mkdtemp(prefix="testos-"))
    atexit.register(shutil.rmtree, where, ignore_errors=True)
    root = where / "base-root"
    _install(Base(where, "", "", version, root, _DATABASES[layout][0], BUILD_TIME), layout, [])
    return root


def _install(base: Base, layout: Layout, packages: Sequence[Path]) -> None:
    """Make the base's root and let rpm install these packages and the test system's own."""
    _make_skeleton(base.root, layout)
    own = testos_packages(base.root.parent / "base-rpms", base.version)
    run_rpm(base, "--install", *map(str, [*own, *packages]))


def _make_skeleton(root: Path, layout: Layout) -> None:
    real, link, target = _DATABASES[layout]
    tree: dict[str, Node] = dict.fromkeys((*_DIRECTORIES, real), Dir())
    tree["tmp"] = tree["var/tmp"] = Dir(0o1777)
    tree |= {path: Link(to) for path, to in _TOP_LINKS.items()} | {link: Link(target)}
    make_tree(root, tree)


def _settle_database(database: Path) -> None:
    with contextlib.closing(sqlite3.connect(database / "rpmdb.sqlite")) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.execute("PRAGMA journal_mode=DELETE")
    for name in ("rpmdb.sqlite-wal", "rpmdb.sqlite-shm", ".rpm.lock"):
        (database / name).unlink(missing_ok=True)


def _compose_path(path: str) -> str:
    return path.removeprefix("usr/") if path.startswith("usr/etc/") else path


def _commit(base: Base, files: Tree) -> Base:
    make_tree(base.root, {_compose_path(path): node for path, node in files.items()})
    with _as_committed(base.root):
        commit = run_ostree(
            *("commit", f"--repo={base.repo}", f"--branch={base.ref}", "--bootable"),
            *(f"--tree=dir={base.root}", f"--timestamp=@{base.timestamp}"),
            *(f"--subject=Test OS {base.version}", f"--add-metadata-string=version={base.version}"),
        )
    return replace(base, commit=commit.strip())


@contextlib.contextmanager
def _as_committed(root: Path) -> Iterator[None]:
    """Give the root the shape that OSTree wants, /etc in /usr and /var empty, and take it back."""
    aside = root.with_name(f"{root.name}-var")
    (root / "etc").rename(root / "usr/etc")
    (root / "var").rename(aside)
    (root / "var").mkdir(0o755)
    try:
        yield
    finally:
        (root / "var").rmdir()
        aside.rename(root / "var")
        (root / "usr/etc").rename(root / "etc")
