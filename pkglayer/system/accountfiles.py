"""The account files of a tree: read, extended, and put where the base keeps its accounts.

Bases either have all accounts in /etc, or (nss-altfiles) those of the system in /usr/lib/passwd and
/usr/lib/group. Account tools only know /etc; what they add there is moved in the second case.
"""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pkglayer.model.accounts import (
    Names,
    Renumbering,
    parse_group,
    parse_passwd,
    renumber_lines,
    split_added,
    to_lines,
    without_names,
)
from pkglayer.model.errors import ScriptError
from pkglayer.model.record import Account
from pkglayer.model.sysusers import plan_accounts
from pkglayer.system.inroot import resolve_in

FILES = ("passwd", "group", "shadow", "gshadow")
_MAX_SIZE = 32 << 20
_MODES = {"passwd": 0o644, "group": 0o644, "shadow": 0o000, "gshadow": 0o000}


def read_texts(root: Path) -> dict[str, str]:
    """The texts of the four files in /etc of a tree; empty where one does not exist."""
    return {name: _read(root, f"etc/{name}") for name in FILES}


def read_names(root: Path) -> Names:
    """All users and groups of a tree, those of /etc before those of /usr/lib."""
    users = parse_passwd(_read(root, "etc/passwd"))
    groups = parse_group(_read(root, "etc/group"))
    for name, user in parse_passwd(_read(root, "usr/lib/passwd")).items():
        users.setdefault(name, user)
    for name, group in parse_group(_read(root, "usr/lib/group")).items():
        groups.setdefault(name, group)
    return Names(users, groups)


def has_altfiles(root: Path) -> bool:
    """Whether the accounts of the system live in /usr/lib."""
    return all((root / "usr/lib" / name).is_file() for name in ("passwd", "group"))


def add_accounts(root: Path, accounts: Iterable[Account]) -> None:
    """Append the accounts to the files in /etc; memberships go into the group's line."""
    for account in accounts:
        for name, line in to_lines(account).items():
            if name in ("passwd", "group") or resolve_in(root, f"etc/{name}"):
                text = _read(root, f"etc/{name}")
                joint = "" if not text or text.endswith("\n") else "\n"
                _write(root, f"etc/{name}", f"{text}{joint}{line}\n")
        if account.kind == "member":
            _join(root, account.name, account.group)


def add_from_sysusers(root: Path, files: Iterable[str], package: str) -> None:
    """Make the accounts that a package's sysusers.d files of the tree ask for."""
    for path in files:
        add_accounts(root, plan_accounts(_read(root, path), read_names(root), package))


@dataclass(frozen=True)
class Declared:
    """Accounts that a base declares in sysusers.d and has no lines for yet: its first boot makes
    them. `texts` are the four files without them, None for one that is not there."""

    names: frozenset[str]
    texts: Mapping[str, str | None]


def add_declared(root: Path) -> Declared:
    """Make these accounts, so that scriptlets and files of packages can refer to them."""
    texts = {n: _read(root, f"etc/{n}") if _exists(root, f"etc/{n}") else None for n in FILES}
    known = read_names(root)
    lines = "\n".join(_read(root, path) for path in _sysusers_files(root))
    accounts = plan_accounts(lines, known, "")
    add_accounts(root, accounts)
    made = {a.name for a in accounts if a.name not in {**known.users, **known.groups}}
    return Declared(frozenset(made), texts)


def drop_declared(root: Path, declared: Declared) -> None:
    """Take them out again, and with them whole files that the base does not have."""
    for name, before in declared.texts.items():
        place = resolve_in(root, f"etc/{name}")
        if before is None and place:
            place.unlink(missing_ok=True)
        elif declared.names:
            text = without_names(_read(root, f"etc/{name}"), before or "", declared.names)
            _write(root, f"etc/{name}", text)


def _exists(root: Path, path: str) -> bool:
    place = resolve_in(root, path)
    return place is not None and place.is_file()


def _sysusers_files(root: Path) -> list[str]:
    """Files of sysusers.d in their order; one in /etc stands for that of its name in /usr/lib."""
    found: dict[str, str] = {}
    for directory in ("usr/lib/sysusers.d", "etc/sysusers.d"):
        place = resolve_in(root, directory)
        names = place.glob("*.conf") if place and place.is_dir() else ()
        found |= {path.name: f"{directory}/{path.name}" for path in names}
    return [found[name] for name in sorted(found)]


def renumber(root: Path, moves: Renumbering) -> None:
    """Change ids in /etc/passwd and /etc/group of the tree."""
    passwd = renumber_lines(_read(root, "etc/passwd"), {2: moves.uids, 3: moves.gids})
    group = renumber_lines(_read(root, "etc/group"), {2: moves.gids})
    _write(root, "etc/passwd", passwd)
    _write(root, "etc/group", group)


def _join(root: Path, user: str, group: str) -> None:
    lines = []
    for line in _read(root, "etc/group").splitlines():
        fields = line.split(":")
        if fields[0] == group and len(fields) == 4 and user not in fields[3].split(","):
            line += f",{user}" if fields[3] else user
        lines.append(line + "\n")
    _write(root, "etc/group", "".join(lines))


def show_altfiles(root: Path) -> None:
    """Let /etc have the accounts of /usr/lib too: account tools change only what is there."""
    for name in ("passwd", "group"):
        own = _read(root, f"etc/{name}")
        _, more = split_added(own, _read(root, f"usr/lib/{name}"))
        _write(root, f"etc/{name}", own + more)


def move_to_altfiles(root: Path, before: Mapping[str, str]) -> None:
    """Move all of passwd and group of /etc that was not there `before` to the files in /usr/lib.

    The lines of shadow(5) that belong to it go: such accounts have no password.
    """
    for name in FILES:
        text = _read(root, f"etc/{name}")
        kept, added = split_added(before[name], text)
        if name in ("passwd", "group"):
            hidden, _ = split_added(before[name], _read(root, f"usr/lib/{name}"))
            _write(root, f"usr/lib/{name}", hidden + added)
        if added:
            _write(root, f"etc/{name}", kept)


def _read(root: Path, path: str) -> str:
    place = resolve_in(root, path)
    if place is None or not place.is_file():
        return ""
    if (size := place.stat().st_size) > _MAX_SIZE:
        raise ScriptError(f"/{path} of the tree has {size} bytes, which no account file has")
    return place.read_text(encoding="utf-8", errors="surrogateescape")


def _write(root: Path, path: str, text: str) -> None:
    """In place, so that owner, mode and label stay."""
    place = resolve_in(root, path)
    if place is None or place.is_dir():
        return
    mode = _MODES.get(place.name, 0o644)
    fd = os.open(place, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, mode)
    with os.fdopen(fd, "w", encoding="utf-8", errors="surrogateescape") as file:
        file.write(text)
