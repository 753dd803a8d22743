"""File systems of an exact size for a test: an image in a file, mounted through a loop device.

`disk(image, at, size)` mounts for its body and unmounts whatever happens; `Ballast` fills it up to
what is to be left and makes room again.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

MB = 1 << 20
XFS_LEAST = 320 * MB
"""mkfs.xfs makes nothing smaller than 300 MB."""


@contextmanager
def disk(
    image: Path, at: Path, size: int, *, fs: str = "ext4", inodes: int = 0
) -> Iterator[Path]:
    """Make a file system in `image` and mount it at the directory `at`, made if missing.

    Skips the test where the machine has no loop devices or cannot make this file system.
    """
    if not Path("/dev/loop-control").exists():
        pytest.skip("no loop devices here (/dev/loop-control is missing)")
    if shutil.which(f"mkfs.{fs}") is None:
        pytest.skip(f"mkfs.{fs} is not installed")
    at.mkdir(parents=True, exist_ok=True)
    with image.open("wb") as file:
        file.truncate(size)
    flags = ["-q", "-m", "0", *(["-N", str(inodes)] if inodes else [])] if fs == "ext4" else ["-q"]
    _run(f"mkfs.{fs}", *flags, str(image))
    _run("mount", "-o", "loop", str(image), str(at))
    try:
        yield at
    finally:
        _run("umount", "--lazy", str(at))
        image.unlink()


@dataclass(frozen=True)
class Ballast:
    """A file on the file system of `directory` that takes up space, and files that take inodes."""

    directory: Path

    def leave(self, size: int) -> None:
        """Fill the file system until so many bytes are free."""
        # What is written but not allocated yet would come on top.
        _run("sync", "--file-system", str(self.directory))
        path = self.directory / "ballast"
        with path.open("ab") as file:
            while (more := free(self.directory) - size) > 0:
                try:
                    os.posix_fallocate(file.fileno(), os.fstat(file.fileno()).st_size, more)
                except OSError:
                    _fill_rest(file.fileno())
                    return

    def leave_inodes(self, number: int) -> None:
        """Make empty files until so many inodes are free."""
        place = self.directory / "ballast-inodes"
        place.mkdir(exist_ok=True)
        for count in range(os.statvfs(self.directory).f_favail - number):
            (place / str(count)).touch()

    def drop(self) -> None:
        """Make room again."""
        (self.directory / "ballast").unlink(missing_ok=True)
        shutil.rmtree(self.directory / "ballast-inodes", ignore_errors=True)


def free(directory: Path) -> int:
    """Bytes that are free on the file system of a directory."""
    found = os.statvfs(directory)
    return found.f_bavail * found.f_frsize


def _fill_rest(fd: int) -> None:
    """Block by block: what is free is not always there in one piece."""
    os.lseek(fd, 0, os.SEEK_END)
    try:
        while os.write(fd, bytes(4096)):
            pass
    except OSError:
        return


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise AssertionError(f"{' '.join(command)}: {done.stderr}")
