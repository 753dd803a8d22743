"""Where the deployments of a sysroot lie, by its boot entries and without loading libostree.

For a short question that is asked often. Every sysroot that is not as simple as most is left to
`system.sysroot`: nothing is guessed.
"""

import re
from collections.abc import Sequence
from pathlib import Path

_LINK = re.compile(r"/ostree/boot\.[01]/([^/]+)/[^/]+/[0-9]+")
_STAGED = Path("/run/ostree/staged-deployment")
_BOOTED = Path("/run/ostree-booted")
_ROOT = Path("/")


def find_roots(sysroot: Path) -> list[Path] | None:
    """The directories of all deployments, the next boot first, as libostree numbers them.

    None where that takes more than reading boot entries: one is staged, there are several
    stateroots, or an entry is not as libostree writes it.
    """
    try:
        if _STAGED.exists() or len(list((sysroot / "ostree/deploy").iterdir())) != 1:
            return None
        entries = (sysroot / "boot/loader/entries").glob("ostree-*.conf")
        rows = sorted((_read_entry(sysroot, entry) for entry in entries), reverse=True)
    except (OSError, ValueError, LookupError, RuntimeError):
        return None
    versions = [version for version, _ in rows]
    return [root for _, root in rows] if len(set(versions)) == len(versions) else None


def find_running(roots: Sequence[Path]) -> int | None:
    """The index of the deployment that runs, None where none does.

    Raises ValueError where that cannot be told, as under composefs, whose root is no directory of
    a deployment.
    """
    if not _BOOTED.exists():
        return None
    return [root.samefile(_ROOT) for root in roots].index(True)


def _read_entry(sysroot: Path, entry: Path) -> tuple[int, Path]:
    """The version of an entry, by which libostree sorts, and its deployment's directory."""
    rows = (line.split(maxsplit=1) for line in entry.read_text().splitlines())
    fields = {row[0]: row[1] for row in rows if len(row) == 2}
    options = fields.get("options", "").split()
    [link] = [o.removeprefix("ostree=") for o in options if o.startswith("ostree=")]
    match = _LINK.fullmatch(link)
    if not match:
        raise ValueError(link)
    root = (sysroot / link.lstrip("/")).resolve(strict=True)
    if root.parent != (sysroot / "ostree/deploy" / match[1] / "deploy").resolve():
        raise ValueError(link)
    return int(fields["version"]), root
