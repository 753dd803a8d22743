"""A small sysusers.d(5): makes accounts for trees that have no systemd-sysusers of their own.

Pure: from the texts of the files and the names that exist to the accounts that are missing. Lines
of type u, g and m are known; `r` (ranges), specifiers and ids taken from a file's owner are not
needed to own files and are read as "any free id".
"""

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence

from pkglayer.model.accounts import Names
from pkglayer.model.record import Account

SYSTEM_IDS = range(999, 200, -1)
"""Where free ids are taken from, highest first, as useradd -r and systemd-sysusers do."""

_KINDS = ("u", "g", "m")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,30}\$?")


def plan_accounts(text: str, known: Names, package: str) -> tuple[Account, ...]:
    """The accounts that a package's sysusers.d text asks for and `known` does not have."""
    plan = _Plan(known, package)
    lines = list(_parse(text))
    for kind, name, value, _ in lines:
        if kind == "g":
            plan.add_group(name, value)
    for kind, name, value, rest in lines:
        if kind == "u":
            plan.add_user(name, value, rest)
    for kind, name, value, _ in lines:
        if kind == "m":
            plan.add_user(name, "-", ())
            plan.add_member(name, value)
    return tuple(plan.accounts)


def _parse(text: str) -> Iterator[tuple[str, str, str, tuple[str, ...]]]:
    for line in text.splitlines():
        try:
            words = shlex.split(line, comments=line.lstrip().startswith("#"))
        except ValueError:
            continue
        if len(words) < 2 or words[0].rstrip("!") not in _KINDS or not _NAME.fullmatch(words[1]):
            continue
        yield words[0][0], words[1], words[2] if len(words) > 2 else "-", tuple(words[3:])


class _Plan:
    def __init__(self, known: Names, package: str) -> None:
        self.package = package
        self.accounts: list[Account] = []
        self.gids = {name: group.gid for name, group in known.groups.items()}
        self.uids = {name: user.uid for name, user in known.users.items()}

    def add_group(self, name: str, value: str) -> int:
        if name not in self.gids:
            self.gids[name] = self._free(value, self.gids)
            self.accounts.append(Account(self.package, "group", name, self.gids[name], -1))
        return self.gids[name]

    def add_user(self, name: str, value: str, rest: Sequence[str]) -> None:
        if name in self.uids:
            return
        uid, _, group = value.partition(":")
        gid = self._group(group) if group else self.add_group(name, uid)
        self.uids[name] = self._free(uid, self.uids, prefer=gid)
        gecos, home, shell = (*(w if w != "-" else "" for w in rest), "", "", "")[:3]
        self.accounts.append(
            Account(
                self.package, "user", name, self.uids[name], gid, gecos, home or "/",
                shell or "/usr/sbin/nologin",
            )
        )  # fmt: skip

    def add_member(self, name: str, group: str) -> None:
        if _NAME.fullmatch(group):
            gid = self.add_group(group, "-")
            self.accounts.append(Account(self.package, "member", name, -1, gid, group=group))

    def _group(self, value: str) -> int:
        return int(value) if value.isdigit() else self.add_group(value, "-")

    def _free(self, value: str, taken: Mapping[str, int], prefer: int = -1) -> int:
        """The id that is asked for where nobody has it, else one that is free as user and group."""
        for wanted in (int(value) if value.isdigit() else -1, prefer):
            if wanted >= 0 and wanted not in taken.values():
                return wanted
        used = {*self.uids.values(), *self.gids.values()}
        return next(i for i in SYSTEM_IDS if i not in used)
