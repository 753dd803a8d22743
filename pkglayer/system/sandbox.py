"""Runs one program in a tree, in bubblewrap, with nothing of the host in reach.

The program sees the tree's /usr and /etc and a stand-in for /var, all writable, and memory-backed
/tmp, /run and /var/tmp; no network, no devices but the harmless ones, no other processes. It has no
privileges but those over files, a system-call filter and limits, and when it ends or is ended
every process it started is dead. What a scriptlet is and when it runs is not known here.
"""

import json
import logging
import os
import resource
import select
import shlex
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from pkglayer.log import log
from pkglayer.model.errors import PkglayerError
from pkglayer.model.scriptlet import Limits
from pkglayer.system import cgroup, seccomp
from pkglayer.system.inroot import resolve_in
from pkglayer.system.passed import Passed, memory_file
from pkglayer.system.watch import Capture, Watch

SCRIPT_PATH = "/var/tmp/rpm-tmp.scriptlet"

ENVIRONMENT: Mapping[str, str] = {
    "PATH": "/sbin:/bin:/usr/sbin:/usr/bin:/usr/X11R6/bin",
    "HOME": "/",
    "LANG": "C.UTF-8",
    "TMPDIR": "/tmp",
    "SYSTEMD_OFFLINE": "1",
}
"""What a program finds set; PATH is rpm's `%_install_script_path`, the rest keeps tools quiet."""

CAPABILITIES: tuple[tuple[str, str], ...] = (
    ("CAP_CHOWN", "chown of files and directories that the package owns"),
    ("CAP_DAC_OVERRIDE", "write into directories of other owners, as root may"),
    ("CAP_FOWNER", "chmod, and ACLs, of files of other owners"),
    ("CAP_FSETID", "keep set-group-ID when a group is given that root is not in"),
    ("CAP_KILL", "end own children that changed user; there are no other processes to reach"),
    ("CAP_SETFCAP", "setcap, which packages use where the header cannot say it"),
    ("CAP_SETGID", "become the user whose files are set up (su, setpriv, runuser)"),
    ("CAP_SETUID", "the same"),
)
"""All that a program keeps, each with the reason. Devices, mounts, modules, the network, chroot,
tracing, clocks, resource limits and file handles are not among them."""

_HIDDEN_PROC = ("cmdline", "kcore", "keys", "timer_list")
_OWN_PLACES = frozenset({"dev", "proc", "run", "sys", "sysroot", "ostree", "tmp", "var"})
_SCRATCH = (("/dev/shm", "1777"), ("/run", "0755"), ("/tmp", "1777"), ("/var/tmp", "1777"))


@dataclass(frozen=True)
class Outcome:
    """How a program ended.

    `exit_code` is as the shell has it (128 + signal); `killed_by` names the limit that ended it:
    `time`, `memory`, `processes`, `disk` or `output`, empty where it ended by itself.
    """

    exit_code: int
    output: str
    killed_by: str = ""

    @property
    def timed_out(self) -> bool:
        return self.killed_by == "time"


def run_sandboxed(
    root: Path,
    var: Path,
    argv: Sequence[str],
    *,
    script: bytes | None = None,
    arguments: Sequence[str] = (),
    stdin: bytes = b"",
    env: Mapping[str, str] | None = None,
    limits: Limits | None = None,
    readonly: Sequence[str] = (),
    binds: Sequence[tuple[Path, str]] = (),
    on_line: Callable[[str], None] | None = None,
) -> Outcome:
    """Run `argv` in the tree `root`, with `var` as its /var, and return how it ended.

    As rpm does it, `script` is put into a file whose path follows `argv`, and `arguments` follow
    that. `env` adds to ENVIRONMENT; `readonly` are absolute paths of the tree that cannot be
    written; `binds` are (host path, path in the sandbox) shown read-only. `on_line` gets each line
    of output as it comes. Raises PkglayerError when the sandbox itself cannot be set up.
    """
    limits = limits or Limits()
    with ExitStack() as stack:
        group = stack.enter_context(cgroup.limit(limits.memory, limits.processes))
        passed = stack.enter_context(Passed())
        command = ["bwrap", *_isolation()]
        if code := seccomp.build_filter():
            command += ["--seccomp", passed.file(code)]
        command += _mounts(root, var, limits, readonly, passed)
        for source, target in binds:
            command += ["--ro-bind", str(source), target]
        program = [*argv]
        if script is not None:
            command += ["--perms", "0700", "--file", passed.file(script), SCRIPT_PATH]
            program.append(SCRIPT_PATH)
        command += ["--remount-ro", "/"]
        status, gate = passed.reader("--json-status-fd"), passed.writer("--block-fd")
        command += [*passed.options, "--", *program, *arguments]
        environment = {**ENVIRONMENT, **(env or {})}
        if log.isEnabledFor(logging.DEBUG):  # quoting takes a tenth of the sandbox's start
            log.debug("sandbox: %s", shlex.join(command))
        process = stack.enter_context(_started(command, environment, passed, stdin))
        watch = Watch(var, limits, group)
        return _run_to_end(process, status, gate, watch, Capture(on_line))


def _isolation() -> list[str]:
    """All namespaces but the user's: owners and capabilities are written for the real ids."""
    names = ("ipc", "pid", "net", "uts", "cgroup-try")
    options = [f"--unshare-{name}" for name in names]
    options += ["--hostname", "localhost", "--new-session", "--die-with-parent", "--chdir", "/"]
    options += ["--cap-drop", "ALL"]
    for name, _ in CAPABILITIES:
        options += ["--cap-add", name]
    return options


def _mounts(
    root: Path, var: Path, limits: Limits, readonly: Sequence[str], passed: Passed
) -> list[str]:
    options: list[str] = []
    for entry in sorted(os.scandir(root), key=lambda e: e.name):
        if entry.name in _OWN_PLACES:
            continue
        if entry.is_symlink():
            options += ["--symlink", str(Path(entry.path).readlink()), f"/{entry.name}"]
        elif entry.is_dir():
            options += ["--bind", entry.path, f"/{entry.name}"]
    options += ["--bind", str(var), "/var"]
    for path in readonly:
        if (source := resolve_in(root, path)) and source.exists():
            options += ["--ro-bind", str(source), "/" + str(source.relative_to(root))]
    options += ["--proc", "/proc"]
    for name in _HIDDEN_PROC:
        if Path("/proc", name).exists():
            options += ["--ro-bind-data", passed.file(b""), f"/proc/{name}"]
    options += ["--remount-ro", "/proc", "--dev", "/dev"]
    for path, mode in (
        ("/dev/shm", "1777"),
        ("/run", "0755"),
        ("/tmp", "1777"),
        ("/var/tmp", "1777"),
    ):
        options += ["--perms", mode, "--size", str(limits.scratch), "--tmpfs", path]
    # Scriptlets ask for this file to know that /boot and kernels are not theirs to change.
    options += ["--perms", "0644", "--file", passed.file(b""), "/run/ostree-booted"]
    return [*options, "--remount-ro", "/dev", "--dir", "/sys"]


@contextmanager
def _started(
    command: Sequence[str], env: Mapping[str, str], passed: Passed, stdin: bytes
) -> Iterator[subprocess.Popen[bytes]]:
    """Bubblewrap, up to the gate; ended with all inside when the body ends, however it ends."""
    source = memory_file(stdin)
    try:
        process = subprocess.Popen(
            command,
            env=env,
            stdin=source if stdin else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=passed.theirs,
            umask=0o022,
        )
    except FileNotFoundError as e:
        raise PkglayerError("bwrap is not installed", hint="install bubblewrap") from e
    finally:
        os.close(source)
    passed.hand_over()
    with process:
        try:
            yield process
        finally:
            process.kill()  # the sandbox dies with it (--die-with-parent)


def _run_to_end(
    process: subprocess.Popen[bytes], status: int, gate: int, watch: Watch, capture: Capture
) -> Outcome:
    first = _read_line(status)
    if not first:
        raise _not_set_up(process, capture)
    pid = int(json.loads(first)["child-pid"])
    pidfd = os.pidfd_open(pid)
    try:
        watch.begin(pid)
        _restrict(pid, watch)
        with suppress(BrokenPipeError):  # it failed before the gate; that is told below
            os.write(gate, b"1")
        killed_by = _supervise(process, pidfd, watch, capture)
    finally:
        _end(pidfd)
    process.wait()
    last = _read_line(status)
    if not (killed_by or last):
        raise _not_set_up(process, capture)
    code = int(json.loads(last)["exit-code"]) if last else 128 + signal.SIGKILL
    return Outcome(code, capture.close(), killed_by or (code and watch.group.exceeded()) or "")


def _end(pidfd: int) -> None:
    """All in the sandbox is dead afterwards: its first process dies last."""
    with suppress(ProcessLookupError):
        signal.pidfd_send_signal(pidfd, signal.SIGKILL)
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    poll.poll(5000)
    os.close(pidfd)


def _not_set_up(process: subprocess.Popen[bytes], capture: Capture) -> PkglayerError:
    assert process.stdout
    capture.feed(process.stdout.read())
    text = capture.close().strip()
    return PkglayerError(
        f"the sandbox for scriptlets cannot be set up: {text or 'bwrap ended without a word'}",
        hint="scriptlets need root, bubblewrap and leave to make namespaces",
    )


def _restrict(pid: int, watch: Watch) -> None:
    """Put limits on the first process of the sandbox, which waits at the gate."""
    limits = watch.limits
    cpu = int(limits.seconds) + 1
    rows = (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_CPU, cpu),
        (resource.RLIMIT_DATA, limits.memory),
        (resource.RLIMIT_FSIZE, limits.file_size),
        (resource.RLIMIT_MEMLOCK, 1 << 20),
        (resource.RLIMIT_NOFILE, limits.open_files),
        (resource.RLIMIT_NPROC, limits.processes),  # root is exempt; others it becomes are not
    )
    with suppress(ProcessLookupError):
        watch.group.add(pid)
        for kind, value in rows:
            resource.prlimit(pid, kind, (value, value))
        Path(f"/proc/{pid}/oom_score_adj").write_text("1000")


def _supervise(process: subprocess.Popen[bytes], pidfd: int, watch: Watch, capture: Capture) -> str:
    """Collect output until everything in the sandbox is dead; returns the limit that ended it."""
    assert process.stdout
    out = process.stdout.fileno()
    poll = select.poll()
    poll.register(out, select.POLLIN)
    poll.register(pidfd, select.POLLIN)
    killed_by = ""
    while True:
        ready = {fd for fd, _ in poll.poll(watch.interval)}
        if out in ready:
            data = os.read(out, 1 << 16)
            capture.feed(data)
            if not data:  # all have closed it, which does not mean that they have ended
                poll.unregister(out)
        elif pidfd in ready:
            return killed_by
        if not killed_by and (killed_by := watch.exceeded(capture.size)):
            signal.pidfd_send_signal(pidfd, signal.SIGKILL)


def _read_line(fd: int) -> bytes:
    """One line of a pipe, or empty at its end."""
    line = b""
    while not line.endswith(b"\n") and (byte := os.read(fd, 1)):
        line += byte
    return line if line.endswith(b"\n") else b""
