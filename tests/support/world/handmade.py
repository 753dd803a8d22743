"""The packages that no distribution has: the file system, the first accounts and settings, the
service that runs a test's script in a booted base, and what the second base changes.

The plain files are in `data/`, one tree a package.
"""

import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterable
from pathlib import Path

from tests.support.world import layout
from tests.support.world.maintainer import Accounts
from tests.support.world.payload import Entry, unpack
from tests.support.world.rpmbuild import build_rpm
from tests.support.world.spec import file_line

_DATA = Path(__file__).parent / "data"
_PROJECT = Path(__file__).parents[3]

_LINKS = {
    "bin": "usr/bin",
    "sbin": "usr/sbin",
    "lib": "usr/lib",
    "lib64": "usr/lib64",
    "var/run": "../run",
    "var/lock": "../run/lock",
    "usr/share/rpm": "../lib/sysimage/rpm",
}
_WANTS = "usr/lib/systemd/system/{}.wants/{}"


class HandmadeRpm:
    """One package in the making: fill it, then build it."""

    def __init__(self, name: str, version: str, *preamble: str, arch: str = "noarch") -> None:
        self.name, self.version, self._arch = name, version, arch
        self._preamble = preamble
        self._entries: list[Entry] = []
        self._work = Path(tempfile.mkdtemp(prefix=f"{name}-"))
        self._root = self._work / "root"

    def directory(self, path: str, mode: int = 0o755) -> None:
        (self._root / path).mkdir(parents=True, exist_ok=True)
        (self._root / path).chmod(mode)
        self._entries.append(Entry("dir", path, mode, "root", "root"))

    def link(self, path: str, target: str) -> None:
        self._place(path).symlink_to(target)
        self._entries.append(Entry("link", path, 0o777, "root", "root"))

    def file(self, path: str, content: str | bytes, mode: int = 0o644, group: str = "root") -> None:
        data = content.encode() if isinstance(content, str) else content
        self._place(path).write_bytes(data)
        (self._root / path).chmod(mode)
        self._entries.append(Entry("file", path, mode, "root", group))

    def tree(self, directory: Path) -> None:
        """All files below `directory`, at the same paths."""
        for source in sorted(directory.rglob("*")):
            if source.is_file():
                mode = 0o755 if source.stat().st_mode & 0o100 else 0o644
                self.file(str(source.relative_to(directory)), source.read_bytes(), mode)

    def build(self, release: str, out: Path) -> Path:
        entries = self._entries
        config = frozenset(e.path for e in entries if e.kind == "file" and e.path[:4] == "etc/")
        lines = [
            f"Name: {self.name}\nVersion: {self.version}\nRelease: {release}",
            f"Summary: {self.name} of the test world\nLicense: LGPL-2.1-or-later",
            *(["BuildArch: noarch"] if self._arch == "noarch" else []),
            *self._preamble,
            f"%description\n{self.name} of the test world\n%files",
            *(file_line(entry, config) for entry in entries),
        ]
        try:
            build_rpm("\n".join(lines) + "\n", self._root, out)
        finally:
            shutil.rmtree(self._work)
        return out / f"{self.name}-{self.version}-{release}.{self._arch}.rpm"

    def _place(self, path: str) -> Path:
        target = self._root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        return target


def parse_accounts(passwd: str, group: str) -> Accounts:
    """The names in the lists that the distribution's base-passwd brings."""
    users, groups = (
        frozenset(line.split(":")[0] for line in text.splitlines()) for text in (passwd, group)
    )
    return Accounts(users, groups)


def filesystem(passwd: str, group: str) -> HandmadeRpm:
    """Directories, the links of the merged /usr, and who is there from the start."""
    rpm = HandmadeRpm("world-filesystem", "12", "Provides: filesystem")
    for path, mode in layout.DIRECTORIES.items():
        rpm.directory(path, mode)
    for path, target in _LINKS.items():
        rpm.link(path, target)
    rpm.file("usr/lib/rpm/macros.d/macros.world", "%_dbpath /usr/lib/sysimage/rpm\n")
    rpm.file("etc/passwd", passwd.replace(":*:", ":x:"))
    rpm.file("etc/group", group.replace(":*:", ":x:"))
    return rpm


def setup(accounts: Accounts, version: int) -> HandmadeRpm:
    """Settings, and the base's own name and version."""
    rpm = HandmadeRpm(
        "world-setup",
        "12",
        "Requires(pre): world-filesystem",
        "Provides: setup",
        f"Provides: system-release = {version}",
        f"Provides: system-release(releasever) = {version}",
    )
    rpm.tree(_DATA / "setup")
    shadow = "".join(f"{name}:*:19000:0:99999:7:::\n" for name in sorted(accounts.users))
    gshadow = "".join(f"{name}:*::\n" for name in sorted(accounts.groups))
    rpm.file("etc/shadow", shadow, 0o640, "shadow")
    rpm.file("etc/gshadow", gshadow, 0o640, "shadow")
    rpm.file("usr/lib/os-release", _os_release(version))
    rpm.link("etc/os-release", "../usr/lib/os-release")
    rpm.link(_WANTS.format("local-fs.target", "tmp.mount"), "../tmp.mount")
    return rpm


def _os_release(version: int) -> str:
    return (
        f'NAME="World"\nID=world\nVERSION_ID={version}\nVERSION="{version}"\n'
        f'PRETTY_NAME="World {version}"\n'
    )


def only_in_v1() -> HandmadeRpm:
    rpm = HandmadeRpm("world-v1only", "1")
    rpm.file("usr/share/world/v1only", "only in the first base\n")
    return rpm


def placeholder_kernel() -> HandmadeRpm:
    """libostree deploys nothing without a kernel; this one cannot be started."""
    rpm = HandmadeRpm("world-kernel", "1", "Provides: kernel")
    for name in ("vmlinuz", "initramfs.img"):
        rpm.file(f"usr/lib/modules/1-world/{name}", f"not a real {name}\n")
    return rpm


def test_hook() -> HandmadeRpm:
    """Runs a test's script in a booted base; see boot.py."""
    rpm = HandmadeRpm("world-testhook", "1", "Requires: tar", "Requires: coreutils")
    rpm.tree(_DATA / "testhook")
    rpm.link(_WANTS.format("multi-user.target", "world-test.service"), "../world-test.service")
    return rpm


def python_packages(dependencies: Iterable[str], site: str) -> HandmadeRpm:
    """The program's dependencies from the package index; `site` is where Python finds them."""
    rpm = HandmadeRpm("world-python", "1", "Requires: python3", arch="x86_64")
    with tempfile.TemporaryDirectory() as directory:
        target = Path(directory) / site
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        pip += ["--target", str(target), "--no-compile", "--only-binary=:all:", *dependencies]
        subprocess.run(pip, check=True, stdin=subprocess.DEVNULL)
        shutil.rmtree(target / "bin", ignore_errors=True)  # scripts for this machine's .venv
        rpm.tree(Path(directory))
    return rpm


def project_dependencies() -> list[str]:
    project = tomllib.loads((_PROJECT / "pyproject.toml").read_text())["project"]
    return list(project["dependencies"])


def renamed_jq(jq_deb: Path) -> HandmadeRpm:
    """jq under another name, as a distribution renames a package."""
    rpm = HandmadeRpm(
        "jq-ng",
        "1.7",
        "Obsoletes: jq < 1.7",
        "Provides: jq = 1.7-1",
        "Requires: libjq1",
        "Requires: libc6",
        arch="x86_64",
    )
    with tempfile.TemporaryDirectory() as directory:
        unpack(jq_deb, Path(directory))
        rpm.file("usr/bin/jq", (Path(directory) / "usr/bin/jq").read_bytes(), 0o755)
    rpm.file("usr/share/world/marker/jq-ng", "renamed from jq\n")
    return rpm
