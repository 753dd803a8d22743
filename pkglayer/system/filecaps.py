"""File capabilities: from the text form that RPM headers have to the kernel's xattr.

libcap reads the text (cap_from_text(3)); the xattr is VFS_CAP_REVISION_2 of linux/capability.h.
"""

import ctypes
import ctypes.util
import struct
from functools import cache
from typing import Any

from pkglayer.model.errors import PackageError

XATTR = "security.capability"
_REVISION_2 = 0x02000000
_EFFECTIVE, _PERMITTED, _INHERITABLE = 0, 1, 2


@cache
def _libcap() -> Any:
    lib = ctypes.CDLL("libcap.so.2", use_errno=True)
    lib.cap_from_text.restype = ctypes.c_void_p
    lib.cap_from_text.argtypes = [ctypes.c_char_p]
    lib.cap_free.argtypes = [ctypes.c_void_p]
    lib.cap_get_flag.argtypes = [
        ctypes.c_void_p, ctypes.c_int, ctypes.c_int, ctypes.POINTER(ctypes.c_int),
    ]  # fmt: skip
    return lib


def to_xattr(text: str) -> bytes:
    """The value of `security.capability` for text such as `cap_net_raw=ep`.

    Raises PackageError for text that libcap does not understand.
    """
    lib = _libcap()
    handle = lib.cap_from_text(text.encode())
    if not handle:
        raise PackageError(f"file capabilities {text!r} make no sense")
    try:
        bits = [_bits(lib, handle, flag) for flag in (_EFFECTIVE, _PERMITTED, _INHERITABLE)]
    finally:
        lib.cap_free(handle)
    effective, permitted, inheritable = bits
    low, high = 0xFFFFFFFF, 32
    return struct.pack(
        "<5I", _REVISION_2 | bool(effective), permitted & low, inheritable & low,
        permitted >> high, inheritable >> high,
    )  # fmt: skip


def _bits(lib: Any, handle: int, flag: int) -> int:
    value, bits = ctypes.c_int(), 0
    for number in range(64):
        if lib.cap_get_flag(handle, number, flag, ctypes.byref(value)) != 0:
            break
        bits |= value.value << number
    return bits
