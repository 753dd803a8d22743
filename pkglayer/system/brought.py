"""RPM files that come from an address or from standard input, as files on disk.

Only the transport is done here: what comes is checked like any file that a user names.
"""

import shutil
import sys
from pathlib import Path
from typing import BinaryIO
from urllib.parse import unquote, urlsplit

from pkglayer import __version__
from pkglayer.log import printable
from pkglayer.model.errors import RepositoryError, SpaceError, UsageError

STDIN = "-"
SCHEMES = ("http", "https", "ftp", "file")
TIMEOUT = 30
MAX_BYTES = 8 << 30
_CHUNK = 1 << 20


def is_url(spec: str) -> bool:
    """Whether a local request is an address."""
    return urlsplit(spec).scheme in SCHEMES and "://" in spec


def bring(spec: str, directory: Path) -> Path:
    """Put what `spec` (an address, or `-`) gives into a new file in `directory`.

    Raises RepositoryError when it cannot be had, SpaceError past 8 GiB, UsageError for a terminal.
    """
    if spec == STDIN:
        if sys.stdin.isatty():
            raise UsageError("standard input is a terminal", hint="pipe an RPM into it, or name it")
        return _write(sys.stdin.buffer, directory / "standard-input.rpm", "standard input")
    import urllib.request  # with all of HTTP, for the few who name an address

    name = unquote(urlsplit(spec).path).rpartition("/")[2] or "package.rpm"
    request = urllib.request.Request(spec, headers={"User-Agent": f"pkglayer/{__version__}"})
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:
            if urlsplit(answer.url).scheme != urlsplit(spec).scheme and spec.startswith("https"):
                raise RepositoryError(
                    f"{printable(spec)} leads to an address without encryption",
                    hint="fetch the file yourself if you trust it",
                )
            return _write(answer, directory / Path(name).name, printable(spec))
    except (OSError, ValueError) as e:
        cause = getattr(e, "reason", e)  # URLError prints its cause as Python code
        why = getattr(cause, "strerror", None) or str(cause)
        raise RepositoryError(
            f"{printable(spec)} cannot be fetched: {printable(why)}",
            hint="check the address and the network",
        ) from e


def _write(source: BinaryIO, target: Path, shown: str) -> Path:
    with target.open("xb") as file:
        while data := source.read(_CHUNK):
            file.write(data)
            if file.tell() > MAX_BYTES or file.tell() > shutil.disk_usage(target.parent).free:
                raise SpaceError(f"{shown} is too large", hint="name a file on disk instead")
    return target
