"""Open descriptors for a program that is about to start: files of bytes, and pipes.

Nothing of it has a name in a file system, and all of it is closed when the block ends.
"""

import os


class Passed:
    """Descriptors that bubblewrap inherits; our copies of its ends are closed once it runs."""

    def __init__(self) -> None:
        self.theirs: list[int] = []
        self.options: list[str] = []
        self._ours: list[int] = []

    def __enter__(self) -> "Passed":
        return self

    def __exit__(self, *_: object) -> None:
        self.hand_over()
        while self._ours:
            os.close(self._ours.pop())

    def file(self, data: bytes) -> str:
        """Number of a descriptor from which `data` can be read."""
        fd = memory_file(data)
        self.theirs.append(fd)
        return str(fd)

    def reader(self, option: str) -> int:
        """Our end of a pipe that bubblewrap writes to."""
        ours, theirs = os.pipe2(os.O_CLOEXEC)
        return self._pipe(option, ours, theirs)

    def writer(self, option: str) -> int:
        """Our end of a pipe that bubblewrap reads from."""
        theirs, ours = os.pipe2(os.O_CLOEXEC)
        return self._pipe(option, ours, theirs)

    def _pipe(self, option: str, ours: int, theirs: int) -> int:
        self._ours.append(ours)
        self.theirs.append(theirs)
        self.options += [option, str(theirs)]
        return ours

    def hand_over(self) -> None:
        """The child has its copies: close ours."""
        while self.theirs:
            os.close(self.theirs.pop())


def memory_file(data: bytes) -> int:
    """A descriptor at the start of an anonymous file with that content."""
    fd = os.memfd_create("pkglayer", os.MFD_CLOEXEC)
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]
    os.lseek(fd, 0, os.SEEK_SET)
    return fd
