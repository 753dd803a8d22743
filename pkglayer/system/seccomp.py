"""The system-call filter of the sandbox, as a classic BPF program for `bwrap --seccomp`.

It takes away what the dropped capabilities alone would leave open: new user namespaces, key rings,
tracing, io_uring, sockets to the hypervisor, terminal injection. It is a list of what is refused,
because scriptlets are arbitrary programs of many years; what is not listed stays with the kernel's
own checks. It knows the numbers of x86_64 and of the generic table (aarch64, riscv64, loongarch64).
"""

import errno
import platform
import stat
import struct
from collections.abc import Sequence

_ALLOW = 0x7FFF0000
_KILL = 0x80000000
_ERRNO = 0x00050000

_LOAD, _JEQ, _JGE, _JSET, _AND, _RET = 0x20, 0x15, 0x35, 0x45, 0x54, 0x06
_NR, _ARCH, _ARGS = 0, 4, 16  # offsets in struct seccomp_data; the argument's low half comes first

_AUDIT_ARCH = {
    "x86_64": 0xC000003E,
    "aarch64": 0xC00000B7,
    "riscv64": 0xC00000F3,
    "loongarch64": 0xC0000102,
}
_X32_BIT = 0x40000000

_CLONE_NEW = 0x7E020080  # CLONE_NEW{NS,CGROUP,UTS,IPC,USER,PID,NET,TIME}
_TERMINAL_IOCTLS = (0x5412, 0x541C)  # TIOCSTI, TIOCLINUX
_SOCKET_FAMILIES = (1, 2, 10, 16)  # AF_UNIX, AF_INET, AF_INET6, AF_NETLINK

# Name, number on x86_64, number in the generic table (-1: not there). Refused with EPERM.
_REFUSED: tuple[tuple[str, int, int], ...] = (
    ("ptrace", 101, 117),
    ("syslog", 103, 116),
    ("uselib", 134, -1),
    ("ustat", 136, -1),
    ("sysfs", 139, -1),
    ("vhangup", 153, 58),
    ("pivot_root", 155, 41),
    ("_sysctl", 156, -1),
    ("adjtimex", 159, 171),
    ("acct", 163, 89),
    ("settimeofday", 164, 170),
    ("mount", 165, 40),
    ("umount2", 166, 39),
    ("swapon", 167, 224),
    ("swapoff", 168, 225),
    ("reboot", 169, 142),
    ("sethostname", 170, 161),
    ("setdomainname", 171, 162),
    ("iopl", 172, -1),
    ("ioperm", 173, -1),
    ("create_module", 174, -1),
    ("init_module", 175, 105),
    ("delete_module", 176, 106),
    ("quotactl", 179, 60),
    ("nfsservctl", 180, 42),
    ("lookup_dcookie", 212, 18),
    ("clock_settime", 227, 112),
    ("kexec_load", 246, 104),
    ("add_key", 248, 217),
    ("request_key", 249, 218),
    ("keyctl", 250, 219),
    ("migrate_pages", 256, 238),
    ("unshare", 272, 97),
    ("move_pages", 279, 239),
    ("perf_event_open", 298, 241),
    ("fanotify_init", 300, 262),
    ("name_to_handle_at", 303, 264),
    ("open_by_handle_at", 304, 265),
    ("clock_adjtime", 305, 266),
    ("setns", 308, 268),
    ("process_vm_readv", 310, 270),
    ("process_vm_writev", 311, 271),
    ("kcmp", 312, 272),
    ("finit_module", 313, 273),
    ("kexec_file_load", 320, 294),
    ("bpf", 321, 280),
    ("userfaultfd", 323, 282),
    ("open_tree", 428, 428),
    ("move_mount", 429, 429),
    ("fsopen", 430, 430),
    ("fsconfig", 431, 431),
    ("fsmount", 432, 432),
    ("fspick", 433, 433),
    ("pidfd_getfd", 438, 438),
    ("process_madvise", 440, 440),
    ("mount_setattr", 442, 442),
    ("quotactl_fd", 443, 443),
    ("memfd_secret", 447, 447),
    ("open_tree_attr", 467, 467),
)
# Refused with ENOSYS: programs then use the older call, whose arguments the filter can read.
_UNKNOWN: tuple[tuple[str, int, int], ...] = (
    ("io_uring_setup", 425, 425),
    ("io_uring_enter", 426, 426),
    ("io_uring_register", 427, 427),
    ("clone3", 435, 435),
)
_CLONE, _IOCTL, _SOCKET, _MKNOD, _MKNODAT = (56, 220), (16, 29), (41, 198), (133, -1), (259, 33)

Instruction = tuple[int, int, int, int]


def build_filter(machine: str = "") -> bytes:
    """The program for `machine` (default: this one), empty for a processor it does not know."""
    machine = machine or platform.machine()
    if machine not in _AUDIT_ARCH:
        return b""
    column = 1 if machine == "x86_64" else 2
    code = _check_machine(machine)
    for table, number in ((_REFUSED, errno.EPERM), (_UNKNOWN, errno.ENOSYS)):
        for row in table:
            code += _when(int(row[column]), [_ret(_ERRNO | number)])
    for numbers, body in _conditional():
        code += _when(numbers[column - 1], [*body, _ret(_ALLOW)])
    code.append(_ret(_ALLOW))
    return b"".join(struct.pack("=HBBI", *i) for i in code)


def _check_machine(machine: str) -> list[Instruction]:
    """Another processor's calls (i386, x32) have other numbers: such a program is ended."""
    code = [_load(_ARCH), (_JEQ, 1, 0, _AUDIT_ARCH[machine]), _ret(_KILL), _load(_NR)]
    if machine == "x86_64":
        code += [(_JGE, 0, 1, _X32_BIT), _ret(_ERRNO | errno.ENOSYS)]
    return code


def _conditional() -> tuple[tuple[tuple[int, int], list[Instruction]], ...]:
    """Calls whose arguments decide; each body refuses or falls through."""
    refuse = _ret(_ERRNO | errno.EPERM)
    return (
        (_CLONE, [_load(_ARGS), (_JSET, 0, 1, _CLONE_NEW), refuse]),
        (_IOCTL, [_load(_ARGS + 8), *_refuse_any(_TERMINAL_IOCTLS, refuse)]),
        (_SOCKET, _only(_SOCKET_FAMILIES)),
        (_MKNOD, _refuse_devices(1, refuse)),
        (_MKNODAT, _refuse_devices(2, refuse)),
    )


def _refuse_devices(argument: int, refuse: Instruction) -> list[Instruction]:
    """Block and character devices, the overlay's whiteouts among them; FIFOs and sockets may be."""
    kind = [_load(_ARGS + 8 * argument), (_AND, 0, 0, 0o170000)]
    return [*kind, *_refuse_any((stat.S_IFBLK, stat.S_IFCHR), refuse)]


def _refuse_any(values: Sequence[int], refuse: Instruction) -> list[Instruction]:
    return [i for value in values for i in ((_JEQ, 0, 1, value), refuse)]


def _only(values: Sequence[int]) -> list[Instruction]:
    tests: list[Instruction] = [
        (_JEQ, len(values) - position, 0, value) for position, value in enumerate(values)
    ]
    return [_load(_ARGS), *tests, _ret(_ERRNO | errno.EAFNOSUPPORT)]


def _when(number: int, body: list[Instruction]) -> list[Instruction]:
    """`body` for that call number, which is in the accumulator; nothing where it does not exist."""
    return [] if number < 0 else [(_JEQ, 0, len(body), number), *body]


def _load(offset: int) -> Instruction:
    return (_LOAD, 0, 0, offset)


def _ret(value: int) -> Instruction:
    return (_RET, 0, 0, value)
