"""Users and groups of a tree: what its files say, what was added, how that outlives the /etc merge.

Pure functions over the texts of passwd(5), group(5) and shadow(5). Lines that make no sense are
kept and ignored, as the C library does. Which files a tree uses is `system.accountfiles`' matter.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from pkglayer.model.record import Account


@dataclass(frozen=True)
class User:
    """A line of passwd(5) without the password field."""

    name: str
    uid: int
    gid: int
    gecos: str = ""
    home: str = ""
    shell: str = ""


@dataclass(frozen=True)
class Group:
    """A line of group(5) without the password field."""

    name: str
    gid: int
    members: tuple[str, ...] = ()


@dataclass(frozen=True)
class Names:
    """All users and groups that a tree knows, by name."""

    users: Mapping[str, User] = field(default_factory=dict)
    groups: Mapping[str, Group] = field(default_factory=dict)


def parse_passwd(text: str) -> dict[str, User]:
    """Users by name; of two lines with one name the first counts."""
    users: dict[str, User] = {}
    for fields in _fields(text, 7):
        name, _, uid, gid, gecos, home, shell = fields[:7]
        if uid.isdigit() and gid.isdigit():
            users.setdefault(name, User(name, int(uid), int(gid), gecos, home, shell))
    return users


def parse_group(text: str) -> dict[str, Group]:
    """Groups by name; of two lines with one name the first counts."""
    groups: dict[str, Group] = {}
    for fields in _fields(text, 4):
        name, _, gid, members = fields[:4]
        if gid.isdigit():
            listed = tuple(m for m in members.split(",") if m)
            groups.setdefault(name, Group(name, int(gid), listed))
    return groups


def _fields(text: str, count: int) -> Iterator[list[str]]:
    for line in text.splitlines():
        fields = line.split(":")
        if len(fields) >= count and fields[0] and fields[0][0] not in "#+-":
            yield fields


def find_added(before: Names, after: Names, package: str) -> tuple[Account, ...]:
    """What `package` added: groups, then users, then memberships, each by name."""
    groups = [g for n, g in sorted(after.groups.items()) if n not in before.groups]
    users = [u for n, u in sorted(after.users.items()) if n not in before.users]
    rows = [Account(package, "group", g.name, g.gid, -1) for g in groups]
    rows += [
        Account(package, "user", u.name, u.uid, u.gid, u.gecos, u.home, u.shell) for u in users
    ]
    for name, group in sorted(after.groups.items()):
        known = before.groups[name].members if name in before.groups else ()
        for member in group.members:
            if member not in known:
                rows.append(Account(package, "member", member, -1, group.gid, group=name))
    return tuple(rows)


def to_sysusers(accounts: Sequence[Account]) -> str:
    """A sysusers.d(5) file that makes the same accounts with the same ids wherever they lack."""
    lines = []
    for account in accounts:
        name = account.name
        if account.kind == "group":
            lines.append(f"g {name} {account.uid}")
        elif account.kind == "user":
            words = [_quote(w) for w in (account.gecos, account.home, account.shell)]
            lines.append(f"u {name} {account.uid}:{account.gid} {' '.join(words)}")
        else:
            lines.append(f"m {name} {account.group}")
    return "".join(f"{line}\n" for line in lines)


def _quote(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{escaped}"' if text else "-"


def to_lines(account: Account) -> dict[str, str]:
    """The line that an account needs in each of the four files.

    Passwords are locked. A membership has none: the package's own scriptlet adds it again.
    """
    name = account.name
    if account.kind == "group":
        return {"group": f"{name}:x:{account.uid}:", "gshadow": f"{name}:!::"}
    if account.kind == "user":
        rest = f"{account.gecos}:{account.home}:{account.shell}"
        return {
            "passwd": f"{name}:x:{account.uid}:{account.gid}:{rest}",
            "shadow": f"{name}:!*:::::::",
        }
    return {}


@dataclass(frozen=True)
class Renumbering:
    """Ids to change, old to new, so that accounts keep those of the state before; `refused` are
    accounts that cannot, with the reason."""

    uids: Mapping[int, int] = field(default_factory=dict)
    gids: Mapping[int, int] = field(default_factory=dict)
    refused: tuple[tuple[Account, str], ...] = ()

    def __bool__(self) -> bool:
        return bool(self.uids or self.gids)

    def follow(self, account: Account) -> Account:
        """An account as it is after the change."""
        if account.kind == "group":
            return replace(account, uid=self.gids.get(account.uid, account.uid))
        uid, gid = self.uids.get(account.uid, account.uid), account.gid
        return replace(account, uid=uid, gid=self.gids.get(gid, gid))


def plan_ids(
    added: Sequence[Account], seed: Iterable[Account], now: Names, base: Names
) -> Renumbering:
    """Give accounts that were just made the ids they had before.

    An account of the layer that happens to have such an id swaps with it; one of the base keeps it.
    """
    wanted = {(a.kind, a.name): a for a in seed if a.kind != "member"}
    users = {u.uid: u.name for u in now.users.values()}
    groups = {g.gid: g.name for g in now.groups.values()}
    maps: dict[str, dict[int, int]] = {"user": {}, "group": {}}
    refused = []
    for account in added:
        before = wanted.get((account.kind, account.name))
        if before is None or before.uid == account.uid:
            continue
        holders, fixed = (users, base.users) if account.kind == "user" else (groups, base.groups)
        if (holder := holders.get(before.uid, "")) in fixed:
            refused.append((account, f"{before.uid} now belongs to {holder}"))
        else:
            maps[account.kind][account.uid] = before.uid
    _move_holders(maps["user"], users)
    _move_holders(maps["group"], groups)
    return Renumbering(maps["user"], maps["group"], tuple(refused))


def _move_holders(moves: dict[int, int], holders: Mapping[int, str]) -> None:
    """Whoever has an id that is given to another takes one that came free."""
    free = sorted(set(moves) - set(moves.values()), reverse=True)
    for taken in sorted(set(moves.values()) - set(moves), reverse=True):
        if taken in holders:
            moves[taken] = free.pop(0)


def renumber_lines(text: str, columns: Mapping[int, Mapping[int, int]]) -> str:
    """A passwd(5) or group(5) text with the ids in these columns (from 0) changed."""
    lines = []
    for line in text.splitlines():
        fields = line.split(":")
        for column, moves in columns.items():
            if len(fields) > column and fields[column].isdigit():
                number = int(fields[column])
                fields[column] = str(moves.get(number, number))
        lines.append(":".join(fields) + "\n")
    return "".join(lines)


def split_added(base: str, text: str) -> tuple[str, str]:
    """A file of lines with names in front, cut into what has names of `base`, and the rest."""
    known = {line.split(":")[0] for line in base.splitlines()}
    kept = [line for line in text.splitlines(True) if line.split(":")[0].strip() in known]
    added = [line for line in text.splitlines(True) if line.split(":")[0].strip() not in known]
    return "".join(kept), "".join(added)


def without_names(text: str, before: str, names: Collection[str]) -> str:
    """A file of such lines without those of `names` that `before` does not have either, and without
    these names as members that their groups did not have there."""
    old = {line.split(":")[0]: line for line in before.splitlines()}
    lines = []
    for line in text.splitlines():
        fields = line.split(":")
        if fields[0] in names and fields[0] not in old:
            continue
        if len(fields) == 4 and fields[0] in old:
            had = old[fields[0]].rpartition(":")[2].split(",")
            fields[3] = ",".join(m for m in fields[3].split(",") if m in had or m not in names)
        lines.append(":".join(fields) + "\n")
    return "".join(lines)
