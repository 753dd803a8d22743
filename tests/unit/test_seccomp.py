"""The system-call filter, run by an interpreter here: what is refused, and with which error."""

import errno
import re
import struct
from pathlib import Path

import pytest

from pkglayer.system import seccomp

X86_64, AARCH64 = 0xC000003E, 0xC00000B7
ALLOW, KILL = "allow", "kill"


def judge(code: bytes, number: int, *arguments: int, arch: int = X86_64) -> str:
    """Run the program as the kernel would and name the verdict."""
    program = [struct.unpack_from("=HBBI", code, at) for at in range(0, len(code), 8)]
    filled = [*arguments, *[0] * (6 - len(arguments))]
    data = struct.pack("=IIQ6Q", number, arch, 0, *(a & 2**64 - 1 for a in filled))
    value = at = 0
    while True:
        op, yes, no, k = program[at]
        at += 1
        match op:
            case 0x20:
                [value] = struct.unpack_from("=I", data, k)
            case 0x54:
                value &= k
            case 0x15:
                at += yes if value == k else no
            case 0x35:
                at += yes if value >= k else no
            case 0x45:
                at += yes if value & k else no
            case 0x06:
                break
            case _:
                raise AssertionError(f"unknown instruction {op:#x}")
    if k >> 16 == 5:
        return errno.errorcode[k & 0xFFFF]
    return {0x7FFF0000: ALLOW, 0x80000000: KILL}[k]


@pytest.mark.parametrize(
    ("call", "verdict"),
    [
        ((0,), ALLOW),  # read
        ((165,), "EPERM"),  # mount
        ((101,), "EPERM"),  # ptrace
        ((435,), "ENOSYS"),  # clone3
        ((425,), "ENOSYS"),  # io_uring_setup
        ((56, 0x11), ALLOW),  # clone, as fork does
        ((56, 0x10000011), "EPERM"),  # with a user namespace
        ((56, 0x00020011), "EPERM"),  # with a mount namespace
        ((56, 0x3D0F00), ALLOW),  # as threads do
        ((16, 0, 0x5401), ALLOW),  # ioctl TCGETS
        ((16, 0, 0x5412), "EPERM"),  # TIOCSTI
        ((16, 0, 0xFF00005412), "EPERM"),  # the kernel looks at the low half alone
        ((16, 0, 0x541C), "EPERM"),  # TIOCLINUX
        ((41, 1), ALLOW),  # socket AF_UNIX
        ((41, 2), ALLOW),
        ((41, 10), ALLOW),
        ((41, 16), ALLOW),  # AF_NETLINK
        ((41, 40), "EAFNOSUPPORT"),  # AF_VSOCK
        ((41, 38), "EAFNOSUPPORT"),  # AF_ALG
        ((41, 0), "EAFNOSUPPORT"),
        ((133, 0, 0o010644), ALLOW),  # mknod of a FIFO
        ((133, 0, 0o140644), ALLOW),  # of a socket
        ((133, 0, 0o100644), ALLOW),  # of a file
        ((133, 0, 0o060600, 8), "EPERM"),  # of a disk
        ((133, 0, 0o020000, 0), "EPERM"),  # of an overlay whiteout
        ((259, -100, 0, 0o020666, 1), "EPERM"),  # mknodat
        ((259, -100, 0, 0o010666, 1), ALLOW),
        ((0x40000000,), "ENOSYS"),  # the x32 numbers
        ((999,), ALLOW),  # what the kernel itself does not know
    ],
)
def test_verdicts(call: tuple[int, ...], verdict: str) -> None:
    assert judge(seccomp.build_filter("x86_64"), *call) == verdict


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_programs_of_another_processor_are_ended(machine: str) -> None:
    assert judge(seccomp.build_filter(machine), 0, arch=0x40000003) == KILL  # i386


def test_generic_numbers() -> None:
    code = seccomp.build_filter("aarch64")
    assert judge(code, 40, arch=AARCH64) == "EPERM"  # mount
    assert judge(code, 220, 0x10000011, arch=AARCH64) == "EPERM"  # clone
    assert judge(code, 33, 0, 0, 0o020000, arch=AARCH64) == "EPERM"  # mknodat
    assert judge(code, 165, arch=AARCH64) == ALLOW  # getrusage, which is mount elsewhere


def test_unknown_processor_has_no_filter() -> None:
    assert seccomp.build_filter("vax") == b""


@pytest.mark.parametrize(
    ("header", "column"),
    [("x86_64-linux-gnu/asm/unistd_64.h", 0), ("asm-generic/unistd.h", 1)],
)
def test_numbers_are_the_kernels(header: str, column: int) -> None:
    paths = [Path("/usr/include", header), Path("/usr/include", header.partition("/")[2])]
    found = [path for path in paths if path.exists()]
    if not found:
        pytest.skip("the kernel's headers are not installed")
    text = found[0].read_text()
    # The generic table calls a few by their name in the 64-bit ABI.
    numbers = dict(re.findall(r"#define __NR(?:3264)?_(\w+) +(\d+)", text))
    wrong = []
    for row in (*seccomp._REFUSED, *seccomp._UNKNOWN):
        name, number = row[0], (row[1], row[2])[column]
        known = int(numbers.get(name, number))
        if (name in numbers and number < 0) or known != number:
            wrong.append((name, number, known))
    assert wrong == []
