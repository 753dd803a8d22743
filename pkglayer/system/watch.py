"""Watches a running sandbox: collects what it prints and says when a limit is exceeded.

Nothing is started or ended here; `sandbox` does both.
"""

import codecs
import os
import time
from collections.abc import Callable
from pathlib import Path

from pkglayer.model.scriptlet import Limits
from pkglayer.system.cgroup import Group

KEPT = 64 << 10
"""Bytes of output kept: the first half and the last half of this."""
_LINE = 8 << 10
_SHOWN_LINES = 2000


class Capture:
    """Output as it comes: shown line by line, kept within bounds.

    Lines longer than 8 KiB are shown in pieces; after 2,000 lines nothing more is shown.
    """

    def __init__(self, on_line: Callable[[str], None] | None) -> None:
        self.size = 0
        self._on_line = on_line
        self._shown = 0
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._line = ""
        self._head = b""
        self._tail = b""

    def feed(self, data: bytes) -> None:
        """Take what was read, in any pieces."""
        self.size += len(data)
        room = KEPT // 2 - len(self._head)
        self._head += data[:room]
        self._tail = (self._tail + data[max(0, room) :])[-KEPT // 2 :]
        if self._on_line and self._shown < _SHOWN_LINES:
            self._show(self._decoder.decode(data))

    def close(self) -> str:
        """Show a last line without an end, and return what was kept as text."""
        if self._on_line and self._line:
            self._on_line(self._line)
        lost = self.size - len(self._head) - len(self._tail)
        gap = f"\n[{lost} bytes of output left out]\n".encode() if lost else b""
        return (self._head + gap + self._tail).decode(errors="replace")

    def _show(self, text: str) -> None:
        assert self._on_line
        *lines, self._line = (self._line + text).split("\n")
        if len(self._line) > _LINE:
            lines.append(self._line)
            self._line = ""
        for line in lines[: _SHOWN_LINES - self._shown]:
            self._on_line(line.removesuffix("\r"))
        self._shown += len(lines)
        if self._shown >= _SHOWN_LINES:
            self._on_line("[more output follows, which is not shown]")


class Watch:
    """The limits that the kernel does not hold for us: time, disk, amount of output.

    Without a control group also how many processes there are and how much memory they have
    together, counted now and then.
    """

    def __init__(self, disk: Path, limits: Limits, group: Group) -> None:
        self.limits = limits
        self.group = group
        self.disk = disk
        self.deadline = time.monotonic() + limits.seconds
        self.floor = self._free() - limits.disk
        self.namespace = ""
        self.interval = 100 if group.directories else 20
        """Milliseconds between two looks; without a control group only looking stops a bomb."""

    def begin(self, pid: int) -> None:
        """The sandbox's first process is `pid`; those of its process namespace are counted."""
        self.namespace = _namespace(pid)

    def exceeded(self, printed: int) -> str:
        """The name of the limit that is exceeded, or empty."""
        if time.monotonic() > self.deadline:
            return "time"
        if printed > self.limits.output:
            return "output"
        if self._free() < self.floor:
            return "disk"
        return self.group.exceeded() if self.group.directories else self._counted()

    def _counted(self) -> str:
        sizes = [_resident(p) for p in _processes() if _namespace(p) == self.namespace]
        if len(sizes) > self.limits.processes:
            return "processes"
        return "memory" if sum(sizes) > self.limits.memory else ""

    def _free(self) -> int:
        """Free bytes where /var's stand-in lies, which is where the tree's changes go as well."""
        info = os.statvfs(self.disk)
        return info.f_bavail * info.f_frsize


def _processes() -> list[int]:
    return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]


def _namespace(pid: int) -> str:
    """What names the process namespace of `pid`; "gone" for a process that has ended."""
    try:
        return str(Path(f"/proc/{pid}/ns/pid").readlink())
    except OSError:
        return "gone"


def _resident(pid: int) -> int:
    """Bytes of memory of its own that a process has, without what it shares."""
    try:
        _, resident, shared, *_ = Path(f"/proc/{pid}/statm").read_text().split()
    except (OSError, ValueError):
        return 0
    return (int(resident) - int(shared)) * os.sysconf("SC_PAGE_SIZE")
