"""What a sysroot is, told without our own code: deployments, origins, refs, boot entries, files.

`read_state` is what must be the old or the new one after any fault; `list_paths` is what must be
there, and nothing else, once a later run has cleaned up.
"""

import hashlib
import os
import re
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.support.ostree import run_ostree
from tests.support.witness import deployments

_TEMPORARY = re.compile(r"(?<=pkglayer/work-)\w+.*|(?<=staging-).*|(?<=tmp)\w{6}$|(?<=/tmpdir).*")
_SERIAL = re.compile(r"(?<=[0-9a-f]{64}\.)\d+")

_VARIES = ("ostree/deploy/test/var/cache", "ostree/repo/tmp/cache", "ostree/repo/refs/heads/ostree")


@dataclass(frozen=True)
class Seen:
    """Each deployment with its origin and its /etc, the remote refs, the boot loader entries."""

    deployments: tuple[tuple[str, str, str, str], ...]
    refs: tuple[str, ...]
    entries: tuple[str, ...]


def read_state(sysroot: Path) -> Seen:
    """Read the state; serial numbers and the number of the boot directory are left out."""
    found = deployments(sysroot)
    rows = tuple((d.stateroot, d.checksum, d.origin, _digest(d.path / "etc")) for d in found)
    for deployment in found:
        if not (deployment.path / "usr/bin").is_dir():
            raise AssertionError(f"the deployment {deployment.path} has no content")
    return Seen(rows, _foreign_refs(sysroot), _entries(sysroot))


def _digest(directory: Path) -> str:
    """Names and contents: files of /etc are copies, which no repository checks."""
    digest = hashlib.sha256()
    for path in sorted(directory.rglob("*")):
        digest.update(f"{path.relative_to(directory)} {path.lstat().st_mode}\n".encode())
        if path.is_file() and not path.is_symlink():
            digest.update(path.read_bytes())
    return digest.hexdigest()


def own_refs(sysroot: Path) -> dict[str, str]:
    """The refs below `pkglayer/` with their commits."""
    return {r: c for r, c in _refs(sysroot).items() if r.startswith("pkglayer/")}


def _foreign_refs(sysroot: Path) -> tuple[str, ...]:
    return tuple(
        f"{ref} {commit}"
        for ref, commit in sorted(_refs(sysroot).items())
        if not ref.startswith(("pkglayer/", "ostree/"))
    )


def _refs(sysroot: Path) -> dict[str, str]:
    top = sysroot / "ostree/repo/refs"
    names = run_ostree("refs", f"--repo={sysroot}/ostree/repo", "--list").split()
    files = {p.relative_to(top): p for p in top.rglob("*") if p.is_file()}
    found = {"/".join(p.parts[1:]): file.read_text().strip() for p, file in files.items()}
    missing = {n.replace(":", "/") for n in names} - set(found)
    if missing:
        raise AssertionError(f"refs without a file: {missing}")
    return found


def _entries(sysroot: Path) -> tuple[str, ...]:
    """The boot loader's entries, in order; each must lead to a deployment that exists."""
    texts = []
    for file in sorted((sysroot / "boot/loader/entries").glob("*.conf")):
        text = file.read_text()
        for link in re.findall(r"ostree=(\S+)", text):
            if not (sysroot / link.lstrip("/")).is_dir():
                raise AssertionError(f"{file.name} boots {link}, which leads nowhere")
        texts.append(re.sub(r"ostree=/ostree/boot\.[01]", "ostree=/ostree/boot.N", text))
    return tuple(texts)


def list_paths(sysroot: Path) -> set[str]:
    """Every path, serial numbers and counting names made alike; logs and caches left out."""
    done = subprocess.run(
        ["find", str(sysroot), "-mindepth", "1", "-printf", "%P\\n"],
        capture_output=True, text=True, errors="surrogateescape", check=True,
    )  # fmt: skip
    found = (_SERIAL.sub("N", line) for line in done.stdout.splitlines())
    alike = (re.sub(r"(boot|loader)\.[01](\.[01])?", r"\1.N", path) for path in found)
    return {path for path in alike if not path.startswith(_VARIES)}


def find_mounts(below: Path) -> list[str]:
    """Mount points below a directory, in the mount namespace of any process."""
    found = set()
    for table in Path("/proc").glob("[0-9]*/mountinfo"):
        try:
            lines = table.read_text().splitlines()
        except OSError:
            continue
        points = (line.split()[4] for line in lines)
        found |= {f"{table.parent.name}:{p}" for p in points if p.startswith(f"{below}/")}
    return sorted(found)


def fingerprint(sysroot: Path, *, contents: bool = False) -> str:
    """The same for two sysroots that hold the same, whatever lies in work directories.

    Without `contents` files that differ in nothing but their bytes count as the same.
    """
    digest = hashlib.sha256()
    seen: set[int] = set()
    for path in sorted(sysroot.rglob("*")):
        name = _TEMPORARY.sub("", str(path.relative_to(sysroot)))
        info = path.lstat()
        size = 0 if path.is_dir() else info.st_size
        digest.update(f"{name} {info.st_mode} {size} {info.st_nlink}\n".encode(errors="replace"))
        if path.is_symlink():
            digest.update(os.fsencode(path.readlink()))
        elif contents and stat.S_ISREG(info.st_mode) and info.st_ino not in seen:
            seen.add(info.st_ino)
            digest.update(path.read_bytes())
    return digest.hexdigest()
