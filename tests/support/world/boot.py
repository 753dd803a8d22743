"""Boots an image in QEMU, runs a script inside as root and brings back what it printed.

The kernel comes out of the image itself, from the boot entry that a boot loader would take. One
call is one boot: to test what a reboot does, call again.
"""

import io
import os
import re
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.support.disklog import logging_nodes
from tests.support.world.model import WorldError

_MEMORY = 2048  # MiB
_SECTOR = 512
_POLL_SECONDS = 0.1


class PowerCut(Exception):
    """The machine went down before its script had ended, as it was to."""


@dataclass(frozen=True)
class BootResult:
    """`rc` and `output` are the script's; `seconds` is all from start to power-off."""

    rc: int
    output: str
    seconds: float


@dataclass(frozen=True)
class Entry:
    """One boot entry (Boot Loader Specification, type 1); paths are relative to the image."""

    version: int
    linux: str
    initrd: str
    options: str


def boot(
    image: Path,
    script: str,
    *,
    files: Mapping[str, Path | str] | None = None,
    disks: Sequence[Path] = (),
    data: Path | None = None,
    entry: int = 0,
    timeout: float = 600,
    snapshot: bool = False,
    log: Path | None = None,
    cut_after: float | None = None,
) -> BootResult:
    """Boot entry number `entry` of `image` (0: the default, 1: the one before), run `script`.

    `files` are put beside the script: name -> a path or the text itself. `data` is a world's data
    image, mounted at /run/world-data. `snapshot` forgets all writes; `log` writes them
    down; `cut_after` kills the machine so many seconds after its script began. The script's own
    exit code and output come back; a boot that brings no result raises WorldError with the
    console's end, or PowerCut where the machine was to be killed or ended by itself before that.
    """
    console = image.with_suffix(".console")
    with tempfile.TemporaryDirectory(prefix="boot-") as directory:
        work = Path(directory)
        chosen = read_entries(image)[entry]
        _write_test_disk(work / "test.tar", script, files or {})
        command = [
            *_machine(),
            *_kernel(image, chosen, work),
            *(_logged_disk(image, log) if log else []),
            *([] if log else _disk(image, "root", snapshot=snapshot, cache="unsafe")),
            *_disk(work / "test.tar", "worldtest", readonly=True),
            *(_disk(data, "worlddata", readonly=True) if data else []),
            *(word for disk in disks for word in _disk(disk, disk.stem, readonly=True)),
            *("-serial", f"file:{console}", "-serial", f"file:{work}/output"),
        ]
        start = time.monotonic()
        _run(command, timeout, console, work / "output", cut_after)
        seconds = time.monotonic() - start
        text = (work / "output").read_text(errors="replace")
    if cut_after is not None and "WORLD-BEGIN" in text and "WORLD-RC" not in text:
        raise PowerCut(f"the machine was cut off\n{text}")
    return _parse(text, seconds, console)


def read_entries(image: Path) -> list[Entry]:
    """The boot entries of an unmounted image, the default first."""
    target = re.search(r'Fast link dest: "(.*)"', _debugfs(image, "stat /boot/loader"))
    loader = f"/boot/{target[1] if target else 'loader'}/entries"
    names = [row.split("/")[5] for row in _debugfs(image, f"ls -p {loader}").split() if "/" in row]
    texts = [_debugfs(image, f"cat {loader}/{name}") for name in names if name.endswith(".conf")]
    if not texts:
        raise WorldError(f"{image} has no boot entries")
    return sorted(map(parse_entry, texts), key=lambda entry: -entry.version)


def parse_entry(text: str) -> Entry:
    fields = dict(line.split(maxsplit=1) for line in text.splitlines() if " " in line)
    return Entry(int(fields["version"]), fields["linux"], fields["initrd"], fields["options"])


def _debugfs(image: Path, request: str) -> str:
    result = subprocess.run(
        ["debugfs", "-R", request, str(image)], check=True, capture_output=True, text=True
    )
    return result.stdout


def _write_test_disk(path: Path, script: str, files: Mapping[str, Path | str]) -> None:
    with tarfile.open(path, "w") as tar:
        for name, content in {"run.sh": script, **files}.items():
            if isinstance(content, Path):
                tar.add(content, arcname=name)
                continue
            member = tarfile.TarInfo(name)
            member.size = len(content.encode())
            tar.addfile(member, io.BytesIO(content.encode()))
    size = path.stat().st_size
    os.truncate(path, (size + _SECTOR - 1) // _SECTOR * _SECTOR)


def _machine() -> list[str]:
    return [
        "qemu-system-x86_64",
        *_accelerator(),
        *("-m", str(_MEMORY), "-smp", "2"),
        *("-display", "none", "-monitor", "none", "-nodefaults", "-no-user-config"),
        *("-no-reboot", "-nic", "none", "-device", "virtio-rng-pci"),
    ]


def _accelerator() -> list[str]:
    # Where KVM itself runs in a para-virtualised guest, every exit is so dear that software wins.
    if os.access("/dev/kvm", os.W_OK) and not Path("/sys/module/kvm_pvm").exists():
        return ["-accel", "kvm", "-cpu", "host"]
    return ["-accel", "tcg,thread=multi", "-cpu", "max"]


def _kernel(image: Path, entry: Entry, work: Path) -> list[str]:
    for path, name in ((entry.linux, "kernel"), (entry.initrd, "initrd")):
        inside = f"/boot/{path.removeprefix('/boot').lstrip('/')}"
        _debugfs(image, f"dump {inside} {work / name}")
        if not (work / name).stat().st_size:
            raise WorldError(f"{inside} in {image} cannot be read")
    files = ["-kernel", str(work / "kernel"), "-initrd", str(work / "initrd")]
    return [*files, "-append", entry.options]


def _disk(
    path: Path, serial: str, *, readonly: bool = False, snapshot: bool = False, cache: str = ""
) -> list[str]:
    drive = f"file={path},format=raw,if=none,id={serial}"
    drive += ",readonly=on" if readonly else ""
    drive += ",snapshot=on" if snapshot else ""
    drive += f",cache={cache}" if cache else ""
    return ["-drive", drive, "-device", f"virtio-blk-pci,drive={serial},serial={serial}"]


def _logged_disk(path: Path, log: Path) -> list[str]:
    words = [word for node in logging_nodes(path, log) for word in ("-blockdev", node)]
    return [*words, "-device", "virtio-blk-pci,drive=top,serial=root"]


def _run(
    command: Sequence[str], timeout: float, console: Path, output: Path, cut_after: float | None
) -> None:
    end, cut = time.monotonic() + timeout, None
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as machine:
        while machine.poll() is None:
            time.sleep(_POLL_SECONDS)
            if cut is None and cut_after is not None and _began(output):
                cut = time.monotonic() + cut_after
            if time.monotonic() > min(end, cut or end):
                machine.kill()
        errors = machine.stderr.read() if machine.stderr else ""
    if cut is None and time.monotonic() > end:
        raise WorldError(f"no power-off within {timeout:.0f} s\n{_tail(console)}")
    if cut is None and machine.returncode:
        raise WorldError(f"QEMU ended with {machine.returncode}: {errors}")


def _began(output: Path) -> bool:
    return output.exists() and b"WORLD-BEGIN" in output.read_bytes()


def _parse(text: str, seconds: float, console: Path) -> BootResult:
    match = re.search(r"WORLD-BEGIN\r?\n(.*)WORLD-RC=(\d+)", text, re.DOTALL)
    if not match:
        raise WorldError(f"the script gave no result\n{_tail(console)}")
    return BootResult(int(match[2]), match[1], seconds)


def _tail(console: Path) -> str:
    lines = console.read_text(errors="replace").splitlines() if console.exists() else []
    return "\n".join(["the console's last lines:", *lines[-25:]])
