"""What scriptlets leave behind that depends on time or machine: a table of what happens to it.

`find_mask(path)` tells the commit stage whether a changed path is dropped (the base's content, or
nothing, stays), is a journal (the same, but the base's goes where it was deleted) or is normalised
(`normalise` gives the content to commit). Paths are relative to the tree, with `usr/etc` for /etc,
and `var/` for what is left in /var.
"""

from dataclasses import dataclass
from fnmatch import fnmatchcase

DROP, JOURNAL, SHADOW, BYTECODE = "drop", "journal", "shadow", "bytecode"


@dataclass(frozen=True)
class Mask:
    """One row: a glob over the path (`*` also crosses directories), what to do, and why."""

    pattern: str
    action: str
    reason: str


MASKED: tuple[Mask, ...] = (
    Mask("usr/etc/machine-id", DROP, "identifies one machine; made at its first boot"),
    Mask("usr/etc/passwd-", DROP, "backup copy that account tools leave"),
    Mask("usr/etc/group-", DROP, "backup copy that account tools leave"),
    Mask("usr/etc/shadow-", DROP, "backup copy that account tools leave"),
    Mask("usr/etc/gshadow-", DROP, "backup copy that account tools leave"),
    Mask("usr/etc/subuid-", DROP, "backup copy that account tools leave"),
    Mask("usr/etc/subgid-", DROP, "backup copy that account tools leave"),
    Mask("usr/etc/.pwd.lock", DROP, "lock file of the account tools"),
    Mask("usr/etc/.updated", DROP, "time stamp of systemd-update-done"),
    Mask("usr/etc/resolv.conf", DROP, "belongs to the network of one machine"),
    Mask("usr/etc/mtab", DROP, "shows the mounts of one machine"),
    Mask("usr/lib/sysimage/rpm/.rpm.lock", JOURNAL, "lock file of rpm"),
    Mask("usr/share/rpm/.rpm.lock", JOURNAL, "lock file of rpm"),
    Mask("usr/lib/sysimage/rpm/rpmdb.sqlite-*", JOURNAL, "journal of a database that is closed"),
    Mask("usr/share/rpm/rpmdb.sqlite-*", JOURNAL, "journal of a database that is closed"),
    Mask("var/cache/ldconfig/aux-cache", DROP, "inode numbers and times of one file system"),
    Mask("var/cache/fontconfig/*", DROP, "times of directories; made again at need"),
    Mask("var/cache/man/*index.db", DROP, "times of manual pages; made again at need"),
    Mask("var/cache/debconf/*-old", DROP, "backup copy"),
    Mask(
        "var/lib/systemd/catalog/database", DROP, "made at boot by systemd-journal-catalog-update"
    ),
    Mask("var/lib/systemd/random-seed", DROP, "secret of one machine"),
    Mask("var/lib/dbus/machine-id", DROP, "identifies one machine"),
    Mask("var/log/*.log", DROP, "has the times at which the state was built"),
    Mask("var/log/[bw]tmp", DROP, "log-ins of one machine; made at boot"),
    Mask("var/log/lastlog", DROP, "log-ins of one machine; made at boot"),
    Mask("var/log/faillog", DROP, "log-ins of one machine; made at boot"),
    Mask("var/tmp/*", DROP, "temporary"),
    Mask("usr/etc/shadow", SHADOW, "has the day on which an account was made"),
    Mask("*.pyc", BYTECODE, "has the time of its source, which is 0 in a deployment"),
)


def find_mask(path: str) -> Mask | None:
    """The first row that applies to a path of the tree; None for the rest, which is committed."""
    return next((m for m in MASKED if fnmatchcase(path, m.pattern)), None)


def normalise(action: str, data: bytes, base: bytes | None) -> bytes:
    """The content to commit instead of `data`; `base` is what the base has there, if anything."""
    if action == SHADOW:
        return _shadow(data, base or b"")
    if action == BYTECODE:
        return _bytecode(data)
    return data


def _shadow(data: bytes, base: bytes) -> bytes:
    """Lines that the base does not have lose the day of the last password change (field 3).

    Accounts without a usable password get one form, whoever made them: the account tools of the
    base and we, when an account of the state before keeps its id, write that differently.
    """
    known = set(base.splitlines())
    lines = []
    for line in data.splitlines():
        fields = line.split(b":")
        if line not in known and len(fields) >= 3:
            fields[2] = b""
            if fields[1][:1] in (b"!", b"*") and b"$" not in fields[1]:
                fields = [fields[0], b"!*", *[b""] * 7]
        lines.append(b":".join(fields))
    return b"".join(line + b"\n" for line in lines)


def _bytecode(data: bytes) -> bytes:
    """A time-based .pyc (PEP 552: flags 0) says that its source is of time 0."""
    if len(data) < 16 or data[4:8] != bytes(4):
        return data
    return data[:8] + bytes(4) + data[12:]
