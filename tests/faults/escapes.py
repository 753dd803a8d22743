"""Attempts to get out of the sandbox, one row each: what is tried, how it must end, and what of the
host is looked at afterwards.

Each attempt is Python text that ends with a value in `got`; it runs in a process of its own in the
sandbox, as root there. `call(number, ...)` is a raw system call (x86_64) and gives `done` or the
name of the error; `attempt(function)` the same for a Python call. `TARGET` holds what the host set
up: paths, addresses, process numbers. Nothing here would do harm if it got through on a test host.
"""

from dataclasses import dataclass

REFUSED = ("EPERM",)
ABSENT = ("ENOENT",)
UNKNOWN = ("ENOSYS",)
READ_ONLY = ("EROFS", "EACCES", "EPERM")


@dataclass(frozen=True)
class Escape:
    """`ends` are the answers that are no escape; `host` is the witness in `test_escapes`."""

    name: str
    code: str
    ends: tuple[str, ...]
    host: str


def _call(name: str, host: str, *words: object, ends: tuple[str, ...] = REFUSED) -> Escape:
    return Escape(name, f"got = call({', '.join(map(str, words))})", ends, host)


def _try(name: str, host: str, code: str, *ends: str) -> Escape:
    return Escape(name, f"got = attempt(lambda: {code})", ends, host)


_NEW_USER = 0x10000000
ESCAPES: tuple[Escape, ...] = (
    # Other kernels within the kernel
    _call("io_uring", "kernel", 425, 8, "bytes(120)", ends=UNKNOWN),
    _call("userfaultfd", "kernel", 323, 0),
    _call("bpf program", "kernel", 321, 5, "bytes(128)", 128),
    _call("perf events", "kernel", 298, "bytes(128)", -1, 0, -1, 0),
    _call("memfd_secret", "kernel", 447, 0, ends=("EPERM", "ENOSYS")),
    _call("load a module", "kernel", 175, "bytes(64)", 64, "b''"),
    _call("load a module from a file", "kernel", 313, 0, "b''", 0),
    _call("unload a module", "kernel", 176, "b'loop'", 0),
    _call("kexec", "kernel", 246, 0, 0, 0, 0),
    _call("kexec from a file", "kernel", 320, 0, 0, 0, 0, 0),
    _call("port access", "kernel", 172, 3),
    _call("process accounting", "kernel", 163, "b'/usr/acct'"),
    _call("quotas", "kernel", 179, "0x800007 << 8", "b'/'", 0, 0),
    _call("swap on", "kernel", 167, "b'/usr/swap'", 0),
    _call("swap off", "kernel", 168, "b'/swap'"),
    _call("kernel log", "kernel", 103, 2, "bytes(64)", 64),
    _call("numbers of the x32 table", "kernel", "0x40000000 + 165", 0, 0, 0, 0, 0, ends=UNKNOWN),
    # Names, clocks, switches of the machine
    _call("host name", "kernel", 170, "b'pwned'", 5),
    _call("domain name", "kernel", 171, "b'pwned'", 5),
    _call("clock", "clock", 164, "struct.pack('qq', 1, 0)", 0),
    _call("clock by adjtimex", "clock", 159, "struct.pack('I204x', 0x1000)"),
    _call("reboot", "kernel", 169, 0xFEE1DEAD, 672274793, 0x01234567, 0),
    _try("core_pattern", "kernel", "write('/proc/sys/kernel/core_pattern', '|/evil')", *READ_ONLY),
    _try("modprobe", "kernel", "write('/proc/sys/kernel/modprobe', '/evil')", *READ_ONLY, "ENOENT"),
    _try("sysrq", "kernel", "write('/proc/sysrq-trigger', 'h')", *READ_ONLY, "ENOENT"),
    _try("uevent_helper", "kernel", "write('/sys/kernel/uevent_helper', '/evil')", *ABSENT),
    _try("release_agent", "kernel", "write('/sys/fs/cgroup/release_agent', '/evil')", *ABSENT),
    _call("mount a cgroup for its release_agent", "mounts",
          165, "b'cgroup'", "b'/tmp'", "b'cgroup'", 0, "b'memory'"),
    # Mounts and roots
    _call("mount", "mounts", 165, "b'none'", "b'/tmp'", "b'tmpfs'", 0, 0),
    _call("bind mount", "mounts", 165, "b'/usr'", "b'/tmp'", 0, 4096, 0),
    _call("remount the root", "mounts", 165, 0, "b'/'", 0, 32, 0),
    _call("unmount", "mounts", 166, "b'/proc/cmdline'", 2),
    _call("fsopen", "mounts", 430, "b'tmpfs'", 0),
    _call("open_tree", "mounts", 428, -100, "b'/usr'", 1),
    _call("move_mount", "mounts", 429, -100, "b'/usr'", -100, "b'/tmp'", 0),
    _call("mount_setattr", "mounts", 442, -100, "b'/'", 0, "bytes(32)", 32),
    _call("pivot_root", "mounts", 155, "b'/usr'", "b'/usr/lib'"),
    Escape("chroot twice", """
held = os.open('/', os.O_RDONLY)
got = attempt(lambda: os.chroot('/usr'))
os.fchdir(held)
for _ in range(64): os.chdir('..')
got = got if got != 'done' else attempt(lambda: os.chroot('.'))
""", REFUSED, "secret"),
    # Namespaces and handles
    _call("user namespace by unshare", "kernel", 272, _NEW_USER),
    _call("mount namespace by unshare", "mounts", 272, 0x20000),
    _call("user namespace by clone", "processes", 56, f"{_NEW_USER} | 17", 0, 0, 0, 0),
    _call("user namespace by clone3", "processes",
          435, f"struct.pack('QQQQQQQQ', {_NEW_USER}, 0, 0, 0, 17, 0, 0, 0)", 64, ends=UNKNOWN),
    Escape("the namespaces of process 1", """
fd = os.open('/proc/1/ns/mnt', os.O_RDONLY)
got = call(308, fd, 0)
""", REFUSED, "mounts"),
    _call("setns by a process's handle", "mounts", 308, "os.pidfd_open(1)", 0x20000),
    _call("name_to_handle_at", "secret", 303, -100, "b'/usr'", "bytes(128)", "bytes(8)", 0),
    _call("open_by_handle_at", "secret",
          304, "os.open('/usr', os.O_RDONLY)", "struct.pack('iiQQ', 8, 1, 2, 0)", 0),
    _call("a descriptor of process 1", "secret", 438, "os.pidfd_open(1)", 0, 0),
    # Other processes
    _call("trace process 1", "processes", 101, 16, 1, 0, 0),
    _call("trace the parent", "processes", 101, 16, "os.getppid()", 0, 0),
    _call("read the memory of process 1", "processes", 310, 1, "bytes(16)", 1, "bytes(16)", 1, 0),
    _call("write the memory of process 1", "processes", 311, 1, "bytes(16)", 1, "bytes(16)", 1, 0),
    _try("/proc/1/mem", "processes", "open('/proc/1/mem', 'r+b')", "EACCES", "EPERM", "EROFS"),
    _try("a signal to a process of the host", "processes", "os.kill(TARGET['pid'], 9)", "ESRCH"),
    _try("the root of a process of the host", "secret",
         "open('/proc/%d/root%s' % (TARGET['pid'], TARGET['secret']))", *ABSENT),
    _try("the root of process 1", "secret",
         "open('/proc/1/root' + TARGET['secret'])", "ENOENT", "EACCES"),
    _call("compare with another process", "processes", 312, 1, 1, 0, 0, 0),
    _try("overwrite our own program", "programs", "open('/proc/self/exe', 'r+b')",
         "ETXTBSY", *READ_ONLY),
    _try("overwrite bubblewrap", "programs", "open('/proc/1/exe', 'r+b')", "ETXTBSY", *READ_ONLY,
         "ENOENT"),
    _try("overwrite bubblewrap by its handle", "programs",
         "os.open(f'/proc/self/fd/{os.open(\"/proc/1/exe\", os.O_PATH)}', os.O_RDWR)",
         "ETXTBSY", *READ_ONLY, "ENOENT"),
    # Keys, sockets, shared memory
    _call("add a key to the session", "keys",
          248, "b'user'", "b'pkglayer-escape'", "b'x'", 1, -3),
    _call("ask for a key", "keys", 249, "b'user'", "b'pkglayer-escape'", 0, -3),
    _call("join another key ring", "keys", 250, 1, "b'pkglayer-escape'"),
    _try("a server of the host", "server",
         "socket.create_connection(('127.0.0.1', TARGET['port']), 1)", "ECONNREFUSED"),
    _try("an abstract socket of the host", "server",
         "socket.socket(1).connect('\\0' + TARGET['abstract'])", "ECONNREFUSED"),
    _try("a socket file of the host", "server",
         "socket.socket(1).connect(TARGET['socket'])", *ABSENT),
    _try("the network beyond", "server",
         "socket.socket(2, 2).sendto(b'x', ('192.0.2.1', 53))", "ENETUNREACH"),
    _try("vsock", "server", "socket.socket(40, 1).connect((2, 1))", "EAFNOSUPPORT"),
    _try("the kernel's crypto sockets", "kernel", "socket.socket(38, 5, 0)", "EAFNOSUPPORT"),
    _try("packet sockets", "server", "socket.socket(17, 3)", "EAFNOSUPPORT"),
    _try("raw sockets", "server", "socket.socket(2, 3, 1)", "EPERM", "EPROTONOSUPPORT"),
    Escape("netlink: another interface", """
import time
s = socket.socket(16, 3, 0)
body = struct.pack('BxHiII', 0, 0, 0, 1, 1) + struct.pack('HH16s', 20, 3, b'pwned0')
body += struct.pack('HH', 16, 18 | 0x8000) + struct.pack('HH8s', 12, 1, b'dummy')
s.send(struct.pack('IHHII', 16 + len(body), 16, 5 | 0x600, 1, 0) + body)
answer = s.recv(4096)
got = errno.errorcode.get(-struct.unpack_from('i', answer, 16)[0], 'done')
""", ("EPERM",), "kernel"),
    _call("shared memory of the host", "memory",
          29, "TARGET['shm']", 64, 0, ends=ABSENT),
    # Terminals and devices
    Escape("type into a terminal", """
leader, follower = os.openpty()
got = attempt(lambda: fcntl.ioctl(follower, 0x5412, b'x'))
""", REFUSED, "terminal"),
    Escape("type into standard output", "got = attempt(lambda: fcntl.ioctl(1, 0x5412, b'x'))",
           REFUSED, "terminal"),
    _try("paste on a console", "terminal", "fcntl.ioctl(1, 0x541C, b'\\3')", *REFUSED),
    _try("the controlling terminal", "terminal", "open('/dev/tty', 'r+b')", "ENXIO"),
    _try("a terminal of the host", "terminal", "open(TARGET['terminal'], 'r+b')", "ENOENT"),
    _try("a disk", "kernel", "os.mknod('/usr/disk', 0o60600, os.makedev(8, 0))", *REFUSED),
    _try("the memory device", "kernel", "os.mknod('/tmp/mem', 0o20600, os.makedev(1, 1))",
         *REFUSED),
    _try("an overlay's whiteout", "kernel", "os.mknod('/usr/white', 0o20000, 0)", *REFUSED),
    _try("/dev/mem", "kernel", "open('/dev/mem', 'r+b')", *ABSENT),
    _try("/dev/kmsg", "kernel", "write('/dev/kmsg', 'pwned')", "ENOENT", "EROFS"),
    _try("/dev/fuse", "mounts", "open('/dev/fuse', 'r+b')", *ABSENT),
    # More privilege
    Escape("a program with capabilities of its own", """
import shutil
shutil.copy('/usr/bin/busybox', '/tmp/busybox')
value = struct.pack('IIIII', 0x02000001, 0xFFFFFFFF, 0, 0xFFFFFFFF, 0)
attempt(lambda: os.setxattr('/tmp/busybox', 'security.capability', value))
text = os.popen('/tmp/busybox grep CapEff /proc/self/status 2>&1').read()
mine = next(x for x in open('/proc/self/status') if x.startswith('CapEff'))
got = 'same' if text == mine else text
""", ("same",), "kernel"),
    _call("more open files than allowed", "kernel",
          302, 0, 7, "struct.pack('QQ', 1 << 20, 1 << 20)", 0),
    _try("real-time scheduling", "kernel", "os.sched_setscheduler(0, 1, os.sched_param(9))",
         "EPERM"),
    _try("a higher priority", "kernel", "os.setpriority(0, 0, -20)", "EACCES", "EPERM"),
    _try("no death by lack of memory", "kernel", "write('/proc/self/oom_score_adj', '-1000')",
         "EACCES", "EPERM", "EROFS"),
    _call("watch all files", "kernel", 300, 0, 0),
    _call("an old memory layout", "personality", 135, 0x0400000, ends=("done",)),
    # The file system
    _try("a file beside the tree", "secret", "open(TARGET['secret'])", *ABSENT),
    _try("a file above the tree", "secret",
         "open('/../../../../../..' + TARGET['secret'])", *ABSENT),
    _try("a link to outside", "secret",
         "(os.symlink(TARGET['secret'], '/tmp/out'), open('/tmp/out'))", *ABSENT),
    _try("a hard link to process 1's directory", "secret",
         "os.link('/proc/1/cwd/..', '/tmp/hard')", "EPERM", "EXDEV", "EACCES", "EROFS"),
    _try("the root directory", "secret", "write('/planted', 'x')", "EROFS"),
    Escape("inherited descriptors", """
mine = {os.readlink(f'/proc/self/fd/{fd}') for fd in os.listdir('/proc/self/fd')
        if os.path.lexists(f'/proc/self/fd/{fd}')}
kinds = ('pipe:', '/dev/null', '/var/tmp/', '/proc/', 'anon_inode:')
got = ' '.join(x for x in mine if not x.startswith(kinds)) or 'none'
""", ("none",), "secret"),
    Escape("descriptors of process 1", """
mine = {os.readlink(f'/proc/1/fd/{fd}') for fd in os.listdir('/proc/1/fd')}
kinds = ('pipe:', '/dev/null', 'anon_inode:')
got = ' '.join(x for x in mine if not x.startswith(kinds)) or 'none'
""", ("none", "EACCES", "EPERM"), "secret"),
    Escape("a program in memory", """
fd = os.memfd_create('x')
os.write(fd, open('/usr/bin/busybox', 'rb').read())
out, into = os.pipe()
words = (f'/proc/self/fd/{fd}', ['id', '-u'], os.environ)
os.waitpid(os.posix_spawn(*words, file_actions=[(os.POSIX_SPAWN_DUP2, into, 1)]), 0)
got = os.read(out, 100).decode().strip()
""", ("0",), "kernel"),
)  # fmt: skip
"""A program in memory and another memory layout are let through: they are no escape."""

_PRELUDE = """
import ctypes, errno, fcntl, json, os, socket, struct
libc = ctypes.CDLL(None, use_errno=True)

def call(number, *words):
    kept = [ctypes.c_char_p(w) if isinstance(w, bytes) else ctypes.c_long(w) for w in words]
    ctypes.set_errno(0)
    failed = libc.syscall(ctypes.c_long(number), *kept) == -1
    return errno.errorcode.get(ctypes.get_errno(), 'done') if failed else 'done'

def attempt(function):
    try:
        function()
    except OSError as e:
        return errno.errorcode.get(e.errno, str(e))
    return 'done'

def write(path, text):
    with open(path, 'w') as file:
        file.write(text)

def run(code):
    there, here = os.pipe()
    child = os.fork()
    if child == 0:
        scope = dict(globals())
        outcome = attempt(lambda: exec(code, scope))
        os.write(here, str(scope.get('got', outcome)).encode())
        os._exit(0)
    os.close(here)
    with os.fdopen(there) as answer:
        text = answer.read()
    os.waitpid(child, 0)
    return text
"""


def to_program(targets: dict[str, object]) -> str:
    """One program that makes all attempts and prints their answers by name as JSON."""
    attempts = {e.name: e.code for e in ESCAPES}
    tail = "print(json.dumps({name: run(code) for name, code in ATTEMPTS.items()}))\n"
    return f"{_PRELUDE}\nTARGET = {targets!r}\nATTEMPTS = {attempts!r}\n{tail}"
