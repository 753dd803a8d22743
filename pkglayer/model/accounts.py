"""Users and groups of a tree: what its files say, what was added, how that outlives the /etc merge.

Pure functions over the texts of passwd(5), group(5) and shadow(5). Lines that make no sense are
kept and ignored, as the C library does. Which files a tree uses is `system.accountfiles`' matter.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

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
    """The line that an account of the state before needs in each of the four files.

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


def find_seeds(
    seed: Iterable[Account], packages: frozenset[str], known: Names
) -> tuple[tuple[Account, ...], tuple[tuple[Account, str], ...]]:
    """Accounts of the state before to make again, and those that cannot be, with the reason."""
    users = {u.uid: u.name for u in known.users.values()}
    groups = {g.gid: g.name for g in known.groups.values()}
    wanted: list[Account] = []
    refused: list[tuple[Account, str]] = []
    for account in seed:
        is_group = account.kind == "group"
        taken, names = (groups, known.groups) if is_group else (users, known.users)
        if account.kind == "member" or account.package not in packages or account.name in names:
            continue
        if account.uid in taken:
            refused.append((account, f"{account.uid} now belongs to {taken[account.uid]}"))
            continue
        taken[account.uid] = account.name
        wanted.append(account)
    return tuple(wanted), tuple(refused)


def split_added(base: str, text: str) -> tuple[str, str]:
    """A file of lines with names in front, cut into what has names of `base`, and the rest."""
    known = {line.split(":")[0] for line in base.splitlines()}
    kept = [line for line in text.splitlines(True) if line.split(":")[0].strip() in known]
    added = [line for line in text.splitlines(True) if line.split(":")[0].strip() not in known]
    return "".join(kept), "".join(added)
