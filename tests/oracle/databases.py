"""Compares two rpm databases package by package and tag by tag, as librpm reads them.

rpm itself writes the headers out (`rpmdb --exportdb`), so that what is compared is what every
program would be told.
"""

import os
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import rpm

from tests.oracle.compare import Difference

Header = Mapping[str, object]


def read_database(root: Path, dbpath: str) -> dict[str, Header]:
    """All headers by NEVRA, in the order in which they were added; a header is tag -> value."""
    with tempfile.TemporaryFile() as file:
        command = ["rpmdb", f"--root={root}", f"--dbpath=/{dbpath}", "--exportdb"]
        subprocess.run(command, stdout=file, check=True, cwd="/")
        os.lseek(file.fileno(), 0, os.SEEK_SET)
        return dict(_read_all(file.fileno()))


def _read_all(fd: int) -> Iterator[tuple[str, Header]]:
    while True:
        try:
            header = rpm.readHeaderFromFD(fd)
        except rpm.error:
            return
        found: Any = header[0] if isinstance(header, tuple) else header
        if found is None:
            return
        yield found["nevra"], {_name(tag): found[tag] for tag in found.keys()}  # noqa: SIM118


def _name(tag: int) -> str:
    return str(rpm.tagnames.get(tag, tag))


def compare_databases(
    ours: Mapping[str, Header], its: Mapping[str, Header]
) -> Iterator[Difference]:
    """Packages that only one has, tags that differ, and another order of installation."""
    for nevra in sorted(ours.keys() | its.keys()):
        if nevra not in ours or nevra not in its:
            yield Difference("package", nevra, str(nevra in ours), str(nevra in its))
            continue
        mine, other = ours[nevra], its[nevra]
        for tag in sorted(mine.keys() | other.keys()):
            a, b = mine.get(tag), other.get(tag)
            if a != b:
                yield Difference("header", f"{nevra} {tag}", _shown(a), _shown(b))
    if list(ours) != list(its) and ours.keys() == its.keys():
        first = next((a, b) for a, b in zip(ours, its, strict=True) if a != b)
        yield Difference("header", "order", *first)


def _shown(value: object) -> str:
    return repr(value)[:300]
