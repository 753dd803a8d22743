"""A Debian changelog's newest entries as an RPM %changelog."""

import gzip
import re
from email.utils import parsedate_to_datetime
from itertools import islice
from pathlib import Path

from tests.support.world.relations import Evr, to_evr

_KEPT = 3
_HEAD = re.compile(r"^[a-z0-9][-a-z0-9+.]+ \(([^)]+)\) ")
_FOOT = re.compile(r"^ -- (.*?>)  (.+)$")


def read_changelog(documents: Path, rebuilt: Evr | None) -> str:
    """The section's text, empty where the package has none; `rebuilt` adds an entry on top."""
    lines: list[str] = []
    for name in ("changelog.Debian.gz", "changelog.gz"):
        path = documents / name
        if path.is_file() and not path.is_symlink():
            with gzip.open(path, "rt", errors="replace") as file:
                lines = list(islice(file, 400))
            break
    entries = _to_entries(lines)[:_KEPT]
    if rebuilt:
        entry = f"* Mon Jun 16 2025 World builder <world@example.com> - {rebuilt}\n- Rebuilt"
        entries.insert(0, entry)
    return "\n\n".join(entries).replace("%", "%%")


def _to_entries(lines: list[str]) -> list[str]:
    entries = []
    version, changes = "", list[str]()
    for line in lines:
        if head := _HEAD.match(line):
            version, changes = head[1], []
        elif foot := _FOOT.match(line.rstrip()):
            date = parsedate_to_datetime(foot[2]).strftime("%a %b %d %Y")
            text = "\n".join(changes) or "- No text"
            entries.append(f"* {date} {foot[1]} - {to_evr(version)}\n{text}")
        elif line.strip():
            text = line.strip()
            changes.append(f"- {text[2:]}" if text.startswith("* ") else f"  {text}")
    return entries
