"""The table of differences that a layer may have from what rpm makes, each with its reason.

Rows that follow from the product's own tables (paths, masks) are made from these. `find_row` gives
the row for a difference; one without a row is a fault. docs/exactness.md shows the table.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from pkglayer.model.masks import BYTECODE, DROP, JOURNAL, MASKED, SHADOW, normalise
from pkglayer.model.pathmap import FACTORY, RULES
from pkglayer.model.record import RECORD_PATH
from pkglayer.stages.commit import TMPFILES_PATH, VOLATILE
from pkglayer.stages.record import SYSUSERS_PATH
from tests.oracle.compare import Difference

Check = Callable[[Difference], bool]


def _always(_: Difference) -> bool:
    return True


@dataclass(frozen=True)
class Row:
    """Applies to differences of one of `aspects` whose path matches one of `patterns` (`*` also
    crosses directories) and for which `check` holds."""

    name: str
    aspects: tuple[str, ...]
    patterns: tuple[str, ...]
    reason: str
    check: Check = _always

    def applies(self, difference: Difference) -> bool:
        return (
            difference.aspect in self.aspects
            and any(fnmatchcase(difference.path, p) for p in self.patterns)
            and self.check(difference)
        )


def find_row(difference: Difference) -> Row | None:
    """The first row that explains it."""
    return next((row for row in ROWS if row.applies(difference)), None)


# --- rows from the table of paths --------------------------------------------------------------


def _path_rows() -> Iterator[Row]:
    for rule in RULES:
        name = f"path: {rule.prefix}"
        if rule.action in ("link", "link-files") or rule.prefix == "boot/":
            yield Row(name, ("moved",), (f"{rule.prefix}*",), rule.reason)
            yield Row(name, ("extra",), (rule.to.rstrip("/"), f"{rule.to}*"), rule.reason, _is_dir)
        elif rule.action == "factory":
            patterns = (f"{rule.to}*", rule.to.rstrip("/"), FACTORY.rstrip("/"))
            yield Row(name, ("extra",), patterns, rule.reason)


def _is_dir(difference: Difference) -> bool:
    return difference.ours.startswith("directory ")


# --- rows from the table of masks --------------------------------------------------------------

_EVERY_ASPECT = ("missing", "content", "type", "mode", "owner", "target")


def _mask_rows() -> Iterator[Row]:
    checks: dict[str, Check] = {SHADOW: _is_same_shadow, BYTECODE: _is_same_bytecode}
    for mask in MASKED:
        path = mask.pattern.replace("usr/etc/", "etc/")
        if mask.action in (DROP, JOURNAL):
            yield Row(f"mask: {path}", _EVERY_ASPECT, (path,), mask.reason)
        else:
            yield Row(f"mask: {path}", ("content",), (path,), mask.reason, checks[mask.action])


def _is_same_shadow(difference: Difference) -> bool:
    ours, its = _texts(difference)
    return normalise(SHADOW, its, ours) == ours


def _is_same_bytecode(difference: Difference) -> bool:
    ours, its = _texts(difference)
    return normalise(BYTECODE, its, None) == normalise(BYTECODE, ours, None)


def _texts(difference: Difference) -> tuple[bytes, bytes]:
    assert difference.our_place and difference.rpm_place
    return difference.our_place.read_bytes(), difference.rpm_place.read_bytes()


def _volatile_row() -> Row:
    patterns = tuple(f"var/{directory}*" for directory in VOLATILE)
    reason = "a log or cache that a scriptlet wrote belongs to the build, not to the machine"
    return Row("volatile", ("missing",), patterns, reason, lambda d: not d.rpm.startswith("dir"))


_IDS = {"passwd": (2, 3), "group": (2,), "shadow": (2,), "gshadow": ()}
"""Fields of the account files that are numbers, or the day of the password."""


def _is_same_but_for_ids(difference: Difference) -> bool:
    """The same accounts, and one whose number or place differs comes from a sysusers.d file."""
    assert difference.our_place
    name = difference.our_place.name
    ours, its = _texts(difference)
    if name == "shadow":
        its = normalise(SHADOW, its, ours)
    changed = {*ours.splitlines()} ^ {*its.splitlines()}
    moved = {a for a, b in zip(ours.splitlines(), its.splitlines(), strict=False) if a != b}
    names = {line.split(b":")[0].decode() for line in changed | moved}
    same = _without_ids(ours, _IDS[name]) == _without_ids(its, _IDS[name])
    return same and bool(names & _sysusers_names(difference.our_place.parents[1]))


def _without_ids(text: bytes, ids: tuple[int, ...]) -> list[list[bytes]]:
    rows = (line.split(b":") for line in text.splitlines())
    return sorted([f for i, f in enumerate(fields) if i not in ids] for fields in rows)


def _sysusers_names(tree: Path) -> set[str]:
    files = (tree / "usr/lib/sysusers.d").glob("*.conf")
    rows = [
        line.split() for f in files if f.name != Path(SYSUSERS_PATH).name
        for line in f.read_text().splitlines()
    ]  # fmt: skip
    return {row[1] for row in rows if len(row) > 1 and row[0] in ("u", "g")}


_LOCKED = {b"!", b"*", b"!*", b"!!", b""}


def _is_same_made_at_boot(difference: Difference) -> bool:
    """The same lines in another order, or an unusable password written in another way."""
    ours, its = _texts(difference)
    return _as_made(ours) == _as_made(its)


def _as_made(text: bytes) -> list[list[bytes]]:
    rows = [line.split(b":") for line in text.splitlines()]
    for fields in rows:
        if fields[1] in _LOCKED:
            fields[1] = b"!"
            fields[2:3] = fields[2:3] if len(fields) == 4 else [b""]
    return sorted(rows)


def _is_without_passwords(difference: Difference) -> bool:
    """Lines that only rpm's file has are of accounts in /usr/lib, and have no password."""
    assert difference.our_place
    ours, its = _texts(difference)
    more = [line.split(b":") for line in its.splitlines() if line not in ours.splitlines()]
    files = [difference.our_place.parents[1] / f"usr/lib/{name}" for name in ("passwd", "group")]
    lines = [line for file in files if file.exists() for line in file.read_bytes().splitlines()]
    accounts = {line.split(b":")[0] for line in lines}
    return all(fields[0] in accounts and fields[1] in _LOCKED for fields in more)


# --- rows of their own -------------------------------------------------------------------------

OWN: tuple[Row, ...] = (
    Row("record", ("extra",), (RECORD_PATH, RECORD_PATH.rpartition("/")[0]),
        "what the state is and how it came about"),
    Row("tmpfiles", ("extra",), (TMPFILES_PATH,), "brings content of /var and /opt at boot"),
    Row("sysusers", ("extra",), (SYSUSERS_PATH, SYSUSERS_PATH.rpartition("/")[0]),
        "accounts of the layer survive the merge of /etc with their ids"),
    Row("sysusers twice", ("said",),
        ("boot: /usr/lib/sysusers.d/*: Conflict with earlier configuration for *, ignoring line.",),
        "the layer's own file has the same accounts with their ids, and comes first"),
    Row("account numbers", ("content",),
        ("etc/passwd", "etc/group", "etc/shadow", "etc/gshadow"),
        "accounts of a package's sysusers.d are made before its files, as by rpm since 4.19, not "
        "by a trigger at the end: free numbers are given in another order",
        _is_same_but_for_ids),
    Row("accounts made at boot", ("content",),
        ("etc/passwd", "etc/group", "etc/shadow", "etc/gshadow"),
        "where /etc is the machine's own, the first boot makes the accounts of the layer, in its "
        "own order and with its own spelling of a password that nobody has", _is_same_made_at_boot),
    Row("told at boot", ("said",), ("boot: Creating user *", "boot: Creating group *"),
        "the same: systemd-sysusers says what it makes, as it does for every base"),
    Row("backups of the boot", ("extra",),
        ("etc/passwd-", "etc/group-", "etc/shadow-", "etc/gshadow-"),
        "the same: systemd-sysusers keeps a copy of each file that it changes"),
    Row("passwords of altfiles", ("content",), ("etc/shadow", "etc/gshadow"),
        "accounts in /usr/lib have no line for a password: none of the layer's has one",
        _is_without_passwords),
    Row("rpm --verify of links", ("said",),
        ("rpm --verify: ....L....  * /opt/*", "rpm --verify: ....L....  * /usr/local/*"),
        "what /opt and /usr/local have are links into the tree, and rpm wants the thing itself"),
    Row("rpm --verify of /boot", ("said",), ("rpm --verify: missing * /boot/*",),
        "/boot is written by libostree, from the tree"),
    Row("empty files", ("links",), ("*",),
        "OSTree gives each empty file an inode of its own: all of them are one object",
        lambda d: bool(d.rpm_place and d.rpm_place.stat().st_size == 0)),
    Row("database file", ("content", "missing"),
        ("usr/lib/sysimage/rpm/*", "usr/share/rpm/*"),
        "compared header by header: pages of the file depend on the order of writing"),
)  # fmt: skip

ROWS: tuple[Row, ...] = (*_path_rows(), *_mask_rows(), _volatile_row(), *OWN)
NOT_COMPARED: tuple[tuple[str, str], ...] = (
    ("modification times of files", "OSTree keeps none: every file of a deployment has time 0"),
    ("hard links that only pkglayer has", "the repository stores equal files once"),
    ("content of /proc, /sys and /dev", "the kernel's"),
)
"""What the oracle does not look at, and why."""
