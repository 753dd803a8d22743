"""Who holds the sysroot's lock, in words: by what /proc says, and since when by our own note."""

import json
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from pkglayer.log import printable


def name_holder(note: Path, lock: Path) -> str:
    """The process that holds `lock`; `note` is what a run of ours wrote (`write_note`).

    A note may be left by a run that was killed, and its number be another process's by now.
    """
    pid = _find_process(lock)
    told = _read_note(note)
    if told and pid in (0, told[0]):
        return f"process {told[0]} ({told[1]}), since {told[2]:.0f} minutes"
    if pid:
        return f"process {pid} ({_command(pid)})"
    return "another program that holds OSTree's lock"


def write_note(note: Path, command: list[str]) -> None:
    """Say that this process holds the lock now; on a full disk it goes unsaid."""
    holder = {"pid": os.getpid(), "command": command, "since": int(time.time())}
    with suppress(OSError):
        note.write_text(json.dumps(holder))


def _read_note(note: Path) -> tuple[int, str, float] | None:
    """(process, command, minutes) of a run of ours that is alive."""
    try:
        holder = json.loads(note.read_text())
        command = printable(" ".join(holder["command"]))
        pid, minutes = int(holder["pid"]), (time.time() - holder["since"]) / 60
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return (pid, command, minutes) if Path(f"/proc/{pid}").exists() else None


def _find_process(lock: Path) -> int:
    """By the locks that the kernel lists with each open file (proc(5), fdinfo); 0 for unknown."""
    try:
        wanted = lock.stat()
    except OSError:
        return 0
    for link in _open_files():
        with suppress(OSError):
            found, process = link.stat(), link.parent.parent
            if (found.st_dev, found.st_ino) != (wanted.st_dev, wanted.st_ino):
                continue
            if "lock:" in (process / "fdinfo" / link.name).read_text():
                return int(process.name)
    return 0


def _command(pid: int) -> str:
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return "which has ended"
    return printable(b" ".join(words).decode(errors="replace").strip())


def _open_files() -> Iterator[Path]:
    for directory in Path("/proc").glob("[0-9]*/fd"):
        with suppress(OSError):
            yield from list(directory.iterdir())
