"""Bases that keep their accounts in other ways, and packages that make and use accounts.

`KINDS`: all in /etc, edited on the machine or not; those of the system in /usr/lib (nss-altfiles);
none but in sysusers.d, from which the first boot makes them; and some of each.
"""

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.oracle.corpus import BASE_FILES, Packages, build_packages
from tests.support.ostree import Base, commit_base_update, make_base
from tests.support.rpms import Entry
from tests.support.trees import Dir, File, Node

FILES = ("passwd", "group", "shadow", "gshadow")
_SYSTEM = {
    "passwd": "bin:x:1:1:bin:/bin:/usr/sbin/nologin\nsysd:x:73:73:A daemon:/:/usr/sbin/nologin\n",
    "group": "bin:x:1:\nsysd:x:73:\nstaff:x:50:\n",
}
_ROOT = {
    "passwd": "root:x:0:0:root:/root:/bin/sh\n",
    "group": "root:x:0:\nwheel:x:10:\nusers:x:100:\n",
    "shadow": "root:*:19000::::::\n",
    "gshadow": "root:*::\nwheel:!::\nusers:!::\n",
}
_SYSUSERS = (
    'u root 0:0 "root" /root /bin/sh\ng wheel 10\ng users 100\ng staff 50\n'
    'u bin 1 "bin" /bin\nu sysd 73 "A daemon" /\n'
)
_EXTRA = 'g later -\nu extra 74 "Extra" /\nm extra wheel\n'


def _etc(texts: Mapping[str, str]) -> dict[str, Node]:
    rows = texts.items()
    return {f"etc/{name}": File(text, 0o644 if name in _SYSTEM else 0) for name, text in rows}


EDITED = "in /etc, edited since"
_ALL = _etc({name: _ROOT[name] + _SYSTEM.get(name, "") for name in FILES})
KINDS: Mapping[str, Mapping[str, Node]] = {
    "in /etc": _ALL,
    EDITED: _ALL,
    "altfiles": _etc(_ROOT) | {f"usr/lib/{name}": text for name, text in _SYSTEM.items()},
    "sysusers.d alone": {"usr/lib/sysusers.d/base.conf": _SYSUSERS},
    "sysusers.d for the rest": _etc(_ROOT) | {"usr/lib/sysusers.d/base.conf": _SYSUSERS + _EXTRA},
}

PACKAGES: Packages = {
    "uses": {"files": {
        "usr/share/uses": Entry(Dir(0o2750), "root", "sysd"),
        "usr/share/uses/a": Entry(File("a", 0o4750), "sysd", "staff"),
        "etc/uses.conf": Entry(File("c", 0o640), "root", "sysd"),
        "var/lib/uses": Entry(Dir(0o700), "sysd", "sysd"),
        "var/lib/uses/b": Entry(File("b", 0o600), "bin", "staff"),
    }},
    "makes": {"files": {
        "usr/share/makes": Entry(File("m", 0o2755), "made", "made"),
        "var/lib/makes": Entry(Dir(0o700), "made", "team"),
    }, "scripts": {"pre": "groupadd -r team; useradd -r -G team,wheel,staff made"}},
    "declares": {"files": {
        "usr/lib/sysusers.d/declares.conf":
            'u declared 333 "Declared" /var/lib/d\nm declared sysd\n',
        "usr/share/declares": Entry(File("d", 0o640), "declared", "declared"),
    }, "scripts": {"pre": "useradd -r -u 333 -c Declared -d /var/lib/d -s /usr/sbin/nologin"
                          " -G sysd declared"}},
}  # fmt: skip


def make_account_base(work: Path, kind: str) -> Base:
    """The test system's base with its accounts kept in this way."""
    first = make_base(work, BASE_FILES)
    gone = [f"etc/{name}" for name in FILES if f"etc/{name}" not in KINDS[kind]]
    return commit_base_update(first, "2", KINDS[kind], remove=gone)


def edit(etc: Path) -> None:
    """What an administrator does to the accounts of a machine."""
    for name, line in {
        "passwd": "admin:x:1000:1000:Admin:/home/admin:/bin/sh\n",
        "group": "admin:x:1000:\n",
        "shadow": "admin:$6$x:19000::::::\n",
        "gshadow": "admin:!::\n",
    }.items():
        with (etc / name).open("a") as file:
            file.write(line)


def merge_etc(defaults: Path, machine: Path, etc: Path) -> None:
    """As libostree does it: of files that the machine has changed or made, its own stay."""
    for name in FILES:
        before, now = defaults / name, machine / name
        if now.exists() and (not before.exists() or before.read_bytes() != now.read_bytes()):
            shutil.copy2(now, etc / name)


@contextmanager
def shown(tree: Path, plain: Path) -> Iterator[None]:
    """Within, accounts of /usr/lib are in /etc as well, where nss-altfiles would show them to all
    programs; what is new then goes where the base keeps its own."""
    places = [(tree / "etc" / n, tree / "usr/lib" / n, plain / "etc" / n) for n in _SYSTEM]
    places = [place for place in places if place[1].exists()]
    for etc, lib, _ in places:
        etc.write_text(etc.read_text() + lib.read_text())
    yield
    for etc, lib, before in places:
        names = {line.split(":")[0] for line in before.read_text().splitlines()}
        lines = etc.read_text().splitlines(keepends=True)
        etc.write_text("".join(line for line in lines if line.split(":")[0] in names))
        lib.write_text("".join(line for line in lines if line.split(":")[0] not in names))


def build(directory: Path) -> list[Path]:
    """The packages."""
    return build_packages(directory, PACKAGES)
