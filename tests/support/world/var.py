"""Turns what packages left in /var of a composed root into tmpfiles.d lines.

An OSTree base has an empty /var: directories and links are made at boot, files are copied from
/usr/share/factory. Logs, caches and databases that the system makes anew are dropped.
"""

import shutil
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

_MADE_ANEW = ("var/cache/", "var/log/", "var/lib/systemd/", "var/tmp/")
# In world.conf and in systemd's own tmpfiles.d.
_MADE_BY_OTHERS = frozenset({"var/run", "var/lock", "var/tmp", "var/mail", "var/spool/mail"})
_FACTORY = "usr/share/factory"


def move_var(root: Path) -> None:
    lines = sorted(_lines(root, _names(root / "etc/passwd"), _names(root / "etc/group")))
    (root / "usr/lib/tmpfiles.d/world-var.conf").write_text("".join(lines))
    shutil.rmtree(root / "var")
    (root / "var").mkdir(mode=0o755)


def _names(database: Path) -> dict[int, str]:
    rows = (line.split(":") for line in database.read_text().splitlines())
    return {int(row[2]): row[0] for row in rows}


def _lines(root: Path, users: Mapping[int, str], groups: Mapping[int, str]) -> Iterator[str]:
    for path in (root / "var").rglob("*"):
        name = str(path.relative_to(root))
        if name in _MADE_BY_OTHERS:
            continue
        status = path.lstat()
        if stat.S_ISLNK(status.st_mode):
            yield f"L /{name} - - - - {path.readlink()}\n"
        elif stat.S_ISDIR(status.st_mode):
            owner = f"{users[status.st_uid]} {groups[status.st_gid]}"
            yield f"d /{name} {stat.S_IMODE(status.st_mode):04o} {owner} -\n"
        elif stat.S_ISREG(status.st_mode) and not name.startswith(_MADE_ANEW):
            _to_factory(root, name)
            yield f"C /{name} - - - - /{_FACTORY}/{name}\n"


def _to_factory(root: Path, name: str) -> None:
    target = root / _FACTORY / name
    target.parent.mkdir(parents=True, exist_ok=True)
    (root / name).rename(target)  # keeps owner, mode and attributes
