"""Hostile scriptlets: each tries to get out, or to take too much, and the host is looked at."""

import os
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from pkglayer.model.errors import PkglayerError
from pkglayer.model.scriptlet import Limits
from pkglayer.system import cgroup
from pkglayer.system.sandbox import CAPABILITIES, run_sandboxed
from pkglayer.system.watch import KEPT
from tests.support.disks import disk
from tests.support.sandboxes import SECONDS, Box, make_box


@pytest.fixture
def box(tmp_path: Path) -> Box:
    return make_box(tmp_path)


def processes_with(mark: str) -> list[int]:
    """Processes of the host with a word in their command line, this one aside."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            if mark.encode() in path.read_bytes() and path.parent.name != str(os.getpid()):
                found.append(int(path.parent.name))
    return found


class TestRuns:
    def test_exit_code_output_and_arguments(self, box: Box) -> None:
        lines: list[str] = []
        outcome = box.run("echo $0 $*; echo bad >&2; exit 7", "1", "0", on_line=lines.append)
        assert outcome.exit_code == 7
        assert outcome.output == "/var/tmp/rpm-tmp.scriptlet 1 0\nbad\n"
        assert lines == ["/var/tmp/rpm-tmp.scriptlet 1 0", "bad"]
        assert not outcome.killed_by

    def test_standard_input_and_a_signal(self, box: Box) -> None:
        outcome = box.run("cat; kill -TERM $$", stdin=b"/usr/a\n/usr/b\n")
        assert outcome.output == "/usr/a\n/usr/b\n"
        assert outcome.exit_code == 128 + signal.SIGTERM

    def test_writes_go_to_the_tree_and_to_var(self, box: Box) -> None:
        script = "echo x > /usr/lib/made; echo y > /etc/made; echo z > /var/made; mkfifo /usr/pipe"
        assert box.run(f"{script}; chown 5:6 /etc/made; chmod 4755 /etc/made").exit_code == 0
        assert (box.root / "usr/lib/made").read_text() == "x\n"
        made = (box.root / "etc/made").stat()
        assert (made.st_uid, made.st_gid, made.st_mode & 0o7777) == (5, 6, 0o4755)
        assert (box.var / "made").read_text() == "z\n"

    def test_nothing_else_is_left(self, box: Box) -> None:
        before = sorted(p.relative_to(box.root) for p in box.root.rglob("*"))
        assert box.run("touch /tmp/a /run/b /var/tmp/c; touch /d").exit_code != 0
        assert sorted(p.relative_to(box.root) for p in box.root.rglob("*")) == before
        assert list((box.var / "tmp").iterdir()) == []

    def test_environment_is_fixed(self, box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("SECRET_TOKEN", "DBUS_SESSION_BUS_ADDRESS", "SSH_AUTH_SOCK"):
            monkeypatch.setenv(name, "host")
        outcome = box.run("env", env={"SOURCE_DATE_EPOCH": "5"})
        found = dict(line.split("=", 1) for line in outcome.output.splitlines())
        assert found.pop("SHLVL") and found.pop("PWD") == "/"
        assert found == {
            "PATH": "/sbin:/bin:/usr/sbin:/usr/bin:/usr/X11R6/bin",
            "HOME": "/",
            "LANG": "C.UTF-8",
            "TMPDIR": "/tmp",
            "SYSTEMD_OFFLINE": "1",
            "SOURCE_DATE_EPOCH": "5",
        }

    def test_missing_program_is_told(self, box: Box) -> None:
        with pytest.raises(PkglayerError, match="/usr/bin/nothing"):
            run_sandboxed(box.root, box.var, ["/usr/bin/nothing"])

    def test_readonly_paths(self, box: Box) -> None:
        database = "/usr/lib/sysimage/rpm"
        outcome = box.run(
            f"cat {database}/rpmdb.sqlite; echo x > {database}/rpmdb.sqlite; touch {database}/y;"
            f"rm -rf {database}",
            readonly=[database],
        )
        assert outcome.output.startswith("database")
        assert [p.name for p in (box.root / "usr/lib/sysimage/rpm").iterdir()] == ["rpmdb.sqlite"]
        assert (box.root / "usr/lib/sysimage/rpm/rpmdb.sqlite").read_text() == "database"

    def test_readonly_path_through_an_absolute_link_stays_in_the_tree(self, box: Box) -> None:
        (box.root / "usr/share").mkdir()
        (box.root / "usr/share/rpm").symlink_to("/usr/lib/sysimage/rpm")
        outcome = box.run("ls /usr/share/rpm/", readonly=["/usr/share/rpm"])
        assert outcome.output == "rpmdb.sqlite\n"


class TestReach:
    """What of the host could be seen."""

    def test_no_network(self, box: Box) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
            outcome = box.run(f"echo hello | nc -w 2 127.0.0.1 {port}")
            server.settimeout(0.2)
            with pytest.raises(TimeoutError):
                server.accept()
        assert outcome.exit_code != 0

    def test_no_host_files(self, box: Box, tmp_path: Path) -> None:
        mark = f"mark-{uuid.uuid4()}"
        (tmp_path / mark).write_text("secret")
        outcome = box.run(
            f"find / -name '{mark}' 2>/dev/null; ls -A /home /root /run /sys; cat /etc/shadow;"
            "ls /sysroot /ostree /boot; ls /"
        )
        assert mark not in outcome.output
        shown = outcome.output.splitlines()
        top = [n for n in shown if n in ("boot", "home", "mnt", "ostree", "sysroot", "work")]
        assert top == ["home"]
        assert "root:tree:19000::::::" in shown
        assert Path("/etc/shadow").read_text() not in outcome.output

    def test_proc_shows_only_the_sandbox(self, box: Box) -> None:
        outcome = box.run("for p in /proc/[0-9]*; do echo $p; ls $p/root/; done; ls /proc/1/cwd/")
        processes = [n for n in outcome.output.splitlines() if n.startswith("/proc/")]
        assert 2 <= len(processes) <= 4
        assert "work" not in outcome.output.split()
        assert Path("/proc/cmdline").read_text() not in box.run("cat /proc/cmdline").output

    def test_no_inherited_descriptors(self, box: Box, tmp_path: Path) -> None:
        secret = tmp_path / "secret"
        secret.write_text("secret")
        with secret.open() as file:
            os.set_inheritable(file.fileno(), True)
            answer = box.python(
                "import json, os\n"
                "found = {}\n"
                "for fd in os.listdir('/proc/self/fd'):\n"
                "    try: found[fd] = os.readlink(f'/proc/self/fd/{fd}')\n"
                "    except OSError: pass\n"
                "print(json.dumps(found))"
            )
        assert isinstance(answer, dict)
        named = {fd: to for fd, to in answer.items() if not to.startswith(("pipe:", "/dev/null"))}
        assert set(named.values()) <= {"/var/tmp/rpm-tmp.scriptlet", "/proc/1/fd", "/proc/2/fd"}

    def test_devices_are_the_harmless_ones(self, box: Box) -> None:
        names = set(box.run("ls /dev").output.split())
        links = {"core", "fd", "ptmx", "stderr", "stdin", "stdout"}
        assert names - links == {"full", "null", "pts", "random", "shm", "tty", "urandom", "zero"}

    def test_host_name_and_ids(self, box: Box) -> None:
        assert box.run("hostname; id -u").output == "localhost\n0\n"


REFUSED = {
    "mount": "mount -t tmpfs none /tmp",
    "bind": "mount -o bind /usr /tmp",
    "remount": "mount -o remount,rw /",
    "unmount": "umount -l /usr",
    "block-device": "mknod /usr/disk b 8 0",
    "char-device": "mknod /tmp/mem c 1 1",
    "whiteout": "mknod /usr/white c 0 0",
    "whiteout-in-var": "mknod /var/white c 0 0",
    "chroot": "chroot /usr /bin/true",
    "sysctl": "echo pwned > /proc/sys/kernel/domainname",
    "sysrq": "echo h > /proc/sysrq-trigger",
    "core-pattern": "echo '|/usr/bin/evil' > /proc/sys/kernel/core_pattern",
    "clock": "date -s 2001-01-01 2>&1 | grep 'not permitted' && exit 1",
    "kernel-log": "dmesg",
    "host-name": "hostname pwned",
    "root-directory": "touch /made",
    "dev": "touch /dev/made",
    "oom": "echo -1000 > /proc/1/oom_score_adj",
}


class TestPrivileges:
    @pytest.mark.parametrize("name", REFUSED)
    def test_is_refused(self, box: Box, name: str) -> None:
        looked_at = ("kernel/domainname", "kernel/core_pattern", "kernel/hostname")
        before = [Path("/proc/sys", p).read_text() for p in looked_at]
        outcome = box.run(REFUSED[name])
        assert outcome.exit_code != 0, outcome.output
        assert "not found" not in outcome.output
        assert [Path("/proc/sys", p).read_text() for p in looked_at] == before
        assert time.time() > 1_600_000_000
        assert sorted(p.name for p in box.var.iterdir()) == ["home", "roothome", "tmp"]

    def test_capabilities_are_the_table(self, box: Box) -> None:
        bits = {
            "CAP_CHOWN": 0, "CAP_DAC_OVERRIDE": 1, "CAP_FOWNER": 3, "CAP_FSETID": 4, "CAP_KILL": 5,
            "CAP_SETGID": 6, "CAP_SETUID": 7, "CAP_SETFCAP": 31,
        }  # fmt: skip
        expected = sum(1 << bits[name] for name, _ in CAPABILITIES)
        text = box.run("cat /proc/self/status").output
        status = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
        for field in ("CapEff", "CapPrm"):
            assert int(status[field], 16) == expected
        assert status["NoNewPrivs"].strip() == "1"
        assert status["Seccomp"].strip() == "2"

    def test_killing_everything(self, box: Box) -> None:
        with subprocess.Popen(["/bin/sleep", "60"]) as bystander:
            try:
                box.run("kill -9 -1; sleep 0.1; kill -9 1; kill -9 -1")
                assert bystander.poll() is None
            finally:
                bystander.kill()

    def test_removing_everything(self, box: Box, tmp_path: Path) -> None:
        (tmp_path / "kept").write_text("x")
        assert box.run("exec busybox rm -rf /* /usr /etc /var /proc /dev / .. 2>&1").exit_code != 0
        assert (tmp_path / "kept").exists()
        assert Path("/usr/bin/python3").exists()


class TestLimits:
    def test_time(self, box: Box) -> None:
        began = time.monotonic()
        outcome = box.run("echo before; sleep 600", limits=Limits(seconds=0.5))
        assert time.monotonic() - began < SECONDS
        assert outcome.killed_by == "time"
        assert outcome.timed_out
        assert outcome.exit_code == 128 + signal.SIGKILL
        assert outcome.output == "before\n"

    def test_busy_loop(self, box: Box) -> None:
        assert box.run("while :; do :; done", limits=Limits(seconds=0.5)).killed_by == "time"

    @pytest.mark.parametrize(
        "start",
        [
            "sleep {} & echo started",
            "setsid sleep {} & echo started",
            "nohup sleep {} > /dev/null 2>&1 < /dev/null & echo started",
            "( setsid sh -c 'sleep {} & sleep {}' > /dev/null 2>&1 & ) ; echo started",
            "exec > /dev/null 2>&1; setsid sleep {} & exit 0",
        ],
    )
    def test_nothing_survives(self, box: Box, start: str) -> None:
        mark = str(time.monotonic_ns() % 10**9 + 10**9)
        began = time.monotonic()
        assert box.run(start.replace("{}", mark)).exit_code == 0
        assert time.monotonic() - began < SECONDS
        assert processes_with(mark) == []

    def test_dies_with_us(self, box: Box) -> None:
        mark = str(time.monotonic_ns() % 10**9 + 10**9)
        code = (
            "import sys; from pathlib import Path; sys.path.insert(0, sys.argv[1])\n"
            "from pkglayer.system.sandbox import run_sandboxed\n"
            "run_sandboxed(Path(sys.argv[2]), Path(sys.argv[3]), ['/bin/sleep', sys.argv[4]])"
        )
        project = str(Path(__file__).parents[2])
        words = [sys.executable, "-c", code, project, str(box.root), str(box.var), mark]
        with subprocess.Popen(words) as parent:
            _wait_for(lambda: any(_name(p) == "sleep" for p in processes_with(mark)))
            parent.kill()
        _wait_for(lambda: not processes_with(mark))

        def swept() -> bool:
            box.run("true")  # the next run removes the control groups that were left
            left = [d.glob(f"pkglayer-{parent.pid}-*") for d, _ in cgroup.find_parents()]
            return not [path for paths in left for path in paths]

        _wait_for(swept)  # a dead process may be accounted for a moment longer

    def test_fork_bomb(self, box: Box) -> None:
        began = time.monotonic()
        limits = Limits(seconds=4, processes=40)
        outcome = box.run("bomb() { bomb | bomb & sleep 9; }; bomb; sleep 9", limits=limits)
        assert time.monotonic() - began < SECONDS
        assert outcome.killed_by == ("processes" if cgroup.find_parents() else "time")

    def test_memory(self, box: Box) -> None:
        limits = Limits(seconds=SECONDS, memory=64 << 20)
        outcome = box.run(
            "head -c 2000000000 /dev/zero | tail -c 2000000000 | wc -c", limits=limits
        )
        assert outcome.killed_by == "memory" or "out of memory" in outcome.output
        assert "2000000000" not in outcome.output

    def test_without_control_groups(self, box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(cgroup, "find_parents", list)
        limits = Limits(seconds=9, processes=40, memory=64 << 20)
        # A real bomb would only be stopped when it is counted, and the machine has other work.
        many = "i=0; while [ $i -lt 60 ]; do sleep 9 & i=$((i+1)); done; wait"
        assert box.run(many, limits=limits).killed_by == "processes"
        one = "head -c 30m /dev/zero | tail -c 30m | (sleep 5; wc -c)"
        assert (
            box.run(f"for i in 1 2 3 4; do {one} & done; wait", limits=limits).killed_by == "memory"
        )

    def test_memory_backed_files(self, box: Box) -> None:
        limits = Limits(seconds=SECONDS, scratch=1 << 20)
        for place in ("/tmp", "/run", "/var/tmp", "/dev/shm"):
            outcome = box.run(f"dd if=/dev/zero of={place}/big bs=64k count=64", limits=limits)
            assert "No space left" in outcome.output

    def test_one_big_file(self, box: Box) -> None:
        limits = Limits(seconds=SECONDS, file_size=1 << 20)
        outcome = box.run("dd if=/dev/zero of=/usr/big bs=64k count=64", limits=limits)
        assert outcome.exit_code != 0
        assert (box.root / "usr/big").stat().st_size <= 1 << 20

    def test_disk(self, tmp_path: Path) -> None:
        """On a disk of its own: on another the files of other tests come and go."""
        with disk(tmp_path / "image", tmp_path / "disk", 256 << 20) as place:
            self.fill(make_box(place))

    def fill(self, box: Box) -> None:
        limits = Limits(seconds=SECONDS, disk=8 << 20)
        script = (
            "i=0; while :; do dd if=/dev/zero of=/usr/big$i bs=1M count=4 conv=fsync 2>/dev/null;"
            "i=$((i+1)); sleep 0.1; done"
        )
        outcome = box.run(script, limits=limits)
        assert outcome.killed_by == "disk"
        assert sum(p.stat().st_size for p in (box.root / "usr").glob("big*")) < 100 << 20

    def test_endless_output(self, box: Box) -> None:
        lines: list[str] = []
        limits = Limits(seconds=SECONDS, output=1 << 20)
        outcome = box.run("yes", limits=limits, on_line=lines.append)
        assert outcome.killed_by == "output"
        assert len(outcome.output) < KEPT + 200
        assert "bytes of output left out" in outcome.output
        assert len(lines) < 2100

    def test_output_without_line_ends(self, box: Box) -> None:
        lines: list[str] = []
        box.run("head -c 100000 /dev/zero | tr '\\0' x", on_line=lines.append)
        assert sum(map(len, lines)) == 100_000
        assert max(map(len, lines)) < 100_000


def _name(pid: int) -> str:
    with suppress(OSError):
        return Path(f"/proc/{pid}/comm").read_text().strip()
    return ""


def _wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)
