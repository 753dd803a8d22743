"""Where paths go: the merged /usr, the kernel's place in an OSTree base, whose directory it is.

Lookups only; `handmade.py` ships the directories named here, so that no other package owns them.
"""

import re
from pathlib import Path

_TO_USR = re.compile(r"(bin|sbin|lib|lib32|lib64|libx32)(/|$)")
_KERNEL = re.compile(r"boot/(vmlinuz|System\.map|config)-(.+)")


def _read_directories() -> dict[str, int]:
    lines = (Path(__file__).parent / "data" / "directories").read_text().splitlines()
    rows = (line.split() for line in lines if not line.startswith("#"))
    return {path: int(mode, 8) for mode, path in rows}


DIRECTORIES = _read_directories()
"""Made by world-filesystem; path -> mode."""

_COMMON = frozenset({".", *DIRECTORIES, "var/lock", "var/mail", "var/run"})


def merged_path(path: str) -> str:
    """A member name of a .deb as a path relative to the root, below /usr where that is merged."""
    path = path.removeprefix("./").strip("/")
    if _TO_USR.match(path):
        return f"usr/{path}"
    return path or "."


def is_not_shipped(path: str) -> bool:
    return path in _COMMON or path.startswith(("run/", "usr/share/lintian"))


def kernel_path(path: str) -> str:
    """OSTree looks for the kernel beside its modules; Debian ships it in /boot."""
    if match := _KERNEL.fullmatch(path):
        return f"usr/lib/modules/{match[2]}/{match[1]}"
    return path


def kernel_version(path: str) -> str | None:
    """The version if the path is a kernel, as `kernel_path` places it."""
    match = re.fullmatch(r"usr/lib/modules/([^/]+)/vmlinuz", path)
    return match[1] if match else None
