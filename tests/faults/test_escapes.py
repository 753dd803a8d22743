"""The attempts of `escapes.py`, made as a scriptlet would, and the host looked at before and after.

Killing everything and removing everything have runs of their own in `integration/test_sandbox.py`.
"""

import contextlib
import ctypes
import hashlib
import os
import shutil
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.faults.arena import look_at, make_outside
from tests.faults.escapes import ESCAPES, Escape, to_program
from tests.support.sandboxes import make_box
from tests.support.world.build import cache_directory

pytestmark = pytest.mark.skipif(os.uname().machine != "x86_64", reason="call numbers of x86_64")

SWITCHES = ("kernel/core_pattern", "kernel/modprobe", "kernel/hostname", "kernel/domainname")
IPC_PRIVATE_MODE = 0o1600  # IPC_CREAT and the owner's bits
OTHERS = (f"{tempfile.gettempdir()}/", f"{cache_directory()}/")
MODULES = ("loop", "ext4", "xfs", "fuse", "overlay")
"""What other tests mount with, and would have the kernel load in the midst of ours."""


Seen = Callable[[Escape], tuple[str, object, object]]


def read(path: str) -> str:
    """A file of the kernel's, empty where this kernel has none."""
    return Path(path).read_text() if Path(path).exists() else ""


@dataclass(frozen=True)
class Host:
    """What is there to be reached, and what would change."""

    outside: Path
    segment: int
    bystander: subprocess.Popen[bytes]
    servers: tuple[socket.socket, ...]
    leader: int
    targets: dict[str, object]

    @property
    def secret(self) -> object:
        return look_at(self.outside), sorted(Path("/").iterdir())

    @property
    def mounts(self) -> object:
        """All but what other tests mount below directories of their own."""
        own = f"{self.outside.parent}/"
        rows = [row.split() for row in read("/proc/self/mountinfo").splitlines()]
        return [row for row in rows if row[4].startswith(own) or not row[4].startswith(OTHERS)]

    @property
    def kernel(self) -> object:
        modules = sorted(line.split()[0] for line in read("/proc/modules").splitlines())
        switches = [read(f"/proc/sys/{name}") for name in SWITCHES]
        interfaces = sorted(name for _, name in socket.if_nameindex())
        return modules, switches, interfaces, read("/proc/swaps")

    @property
    def clock(self) -> object:
        return round((time.time() - time.monotonic()) / 100)

    @property
    def processes(self) -> object:
        return self.bystander.poll()

    @property
    def programs(self) -> object:
        paths = [shutil.which("bwrap") or "", os.path.realpath("/proc/self/exe")]
        return [hashlib.sha256(Path(path).read_bytes()).hexdigest() for path in paths]

    @property
    def keys(self) -> object:
        rows = read("/proc/keys").splitlines()
        return [row for row in rows if "pkglayer-escape" in row]

    @property
    def server(self) -> object:
        accepted = []
        for listening in self.servers:
            with contextlib.suppress(BlockingIOError):
                accepted.append(str(listening.accept()))
        return accepted

    @property
    def memory(self) -> object:
        rows = [row.split() for row in read("/proc/sysvipc/shm").splitlines()]
        return [row for row in rows if row[1] == str(self.segment)]

    @property
    def terminal(self) -> object:
        os.set_blocking(self.leader, False)
        with contextlib.suppress(BlockingIOError):
            return os.read(self.leader, 100)
        return b""

    @property
    def personality(self) -> object:
        return read("/proc/self/personality")


@contextlib.contextmanager
def made_host(tmp: Path) -> Iterator[Host]:
    outside, mark = tmp / "outside", f"pkglayer-{uuid.uuid4()}"
    make_outside(outside)
    if modprobe := shutil.which("modprobe", path="/usr/sbin:/sbin"):
        subprocess.run([modprobe, "--all", "--quiet", *MODULES], check=False)
    leader, follower = os.openpty()
    libc = ctypes.CDLL(None, use_errno=True)
    number = uuid.uuid4().int & 0x7FFFFFFF
    segment = libc.shmget(number, 64, IPC_PRIVATE_MODE)
    assert segment >= 0
    with (
        subprocess.Popen(["/bin/sleep", "600"]) as bystander,
        socket.create_server(("127.0.0.1", 0)) as tcp,
        socket.socket(socket.AF_UNIX) as abstract,
        socket.socket(socket.AF_UNIX) as named,
    ):
        abstract.bind(f"\0{mark}")
        named.bind(str(tmp / "socket"))
        for listening in (tcp, abstract, named):
            listening.listen()
            listening.setblocking(False)
        targets: dict[str, object] = {
            "secret": str(outside / "secret"), "pid": bystander.pid, "shm": number,
            "port": tcp.getsockname()[1], "abstract": mark, "socket": str(tmp / "socket"),
            "terminal": os.ttyname(follower),
        }  # fmt: skip
        try:
            yield Host(outside, segment, bystander, (tcp, abstract, named), leader, targets)
        finally:
            bystander.kill()
            libc.shmctl(segment, 0, None)  # IPC_RMID
            os.close(leader)
            os.close(follower)


WITNESSES: tuple[str, ...] = tuple(sorted({e.host for e in ESCAPES}))


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Seen:
    """For an attempt: how it ended, and its witness before and after."""
    tmp = tmp_path_factory.mktemp("escapes")
    (tmp / "box").mkdir()
    with made_host(tmp) as host:
        box = make_box(tmp / "box")
        before = {name: getattr(host, name) for name in WITNESSES}
        answers = box.python(to_program(host.targets))
        after = {name: getattr(host, name) for name in WITNESSES}
    assert isinstance(answers, dict)
    return lambda e: (answers[e.name], before[e.host], after[e.host])


@pytest.mark.parametrize("escape", ESCAPES, ids=[e.name for e in ESCAPES])
def test_does_not_get_out(seen: Seen, escape: Escape) -> None:
    end, before, after = seen(escape)
    assert end in escape.ends
    assert after == before


@contextlib.contextmanager
def mounted_below(place: Path) -> Iterator[None]:
    subprocess.run(["mount", "-t", "tmpfs", "none", place], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", place], check=True)


def test_the_witnesses_see(tmp_path: Path) -> None:
    """The same attempts made on the host itself, where it does no harm, would be noticed."""
    with made_host(tmp_path) as host:
        quiet = (host.server, host.terminal, host.secret, host.processes, host.mounts)
        assert host.memory != []
        with socket.create_connection(("127.0.0.1", int(str(host.targets["port"])))):
            assert host.server != quiet[0]
        os.write(os.open(str(host.targets["terminal"]), os.O_RDWR | os.O_NOCTTY), b"x")
        assert host.terminal != quiet[1]
        (host.outside / "secret").write_text("changed")
        assert host.secret != quiet[2]
        host.bystander.kill()
        host.bystander.wait()
        assert host.processes != quiet[3]
        with mounted_below(host.outside / "dir"):
            assert host.mounts != quiet[4]
        assert host.mounts == quiet[4]


def test_there_are_enough() -> None:
    assert len(ESCAPES) >= 60
    assert len({e.name for e in ESCAPES}) == len(ESCAPES)
