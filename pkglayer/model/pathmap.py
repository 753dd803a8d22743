"""Where a path of an RPM goes in an immutable tree: a table of rules with a reason each.

Pure: the caller resolves the symlinked directories of the base first, so that a path arrives as
what it really is (`/lib/x` as `usr/lib/x`, `/opt/x` as `var/opt/x` where the base links it).
"""

import re
import stat
from dataclasses import dataclass

from pkglayer.model.header import FileEntry

_CONTROL = re.compile("[\\x00-\\x1f\\x7f\\ud800-\\udfff]")
FACTORY = "usr/share/factory/"


@dataclass(frozen=True)
class Rule:
    """`prefix` is compared with the real path; `action` says what happens below it."""

    prefix: str
    action: str
    to: str
    reason: str


RULES = (
    Rule("etc/", "move", "usr/etc/", "OSTree keeps the defaults of /etc there"),
    Rule("var/opt/", "link", "usr/lib/opt/", "/opt is a link into /var: linked from there"),
    Rule("var/usrlocal/", "link-files", "usr/lib/usrlocal/",
         "/usr/local is a link into /var: its directories stay the machine's, files are linked"),
    Rule("var/", "factory", FACTORY + "var/",
         "/var is the machine's: copied there at boot when missing, never overwritten"),
    Rule("run/", "factory", FACTORY + "run/", "/run is empty at every boot: copied there"),
    Rule("boot/", "move", "usr/lib/ostree-boot/", "/boot is written by libostree, from the tree"),
    Rule("dev/", "refuse", "", "/dev is the kernel's"),
    Rule("proc/", "refuse", "", "/proc is the kernel's"),
    Rule("sys/", "refuse", "", "/sys is the kernel's"),
    Rule("tmp/", "refuse", "", "/tmp is emptied at boot"),
    Rule("sysroot/", "refuse", "", "/sysroot is the physical root of the OSTree system"),
    Rule("ostree/", "refuse", "", "/ostree is OSTree's own"),
    Rule("", "keep", "", "part of the immutable tree"),
)  # fmt: skip

_TOP = {r.prefix.rstrip("/") for r in RULES if r.prefix} | {"usr"}


@dataclass(frozen=True)
class Placement:
    """Where one entry goes: `path` in the tree ("" for nowhere), the tmpfiles.d lines that make it
    appear at its own path at boot, and the rule that decided."""

    path: str
    tmpfiles: tuple[str, ...]
    rule: Rule


def find_rule(real: str) -> Rule:
    """The first rule whose prefix the real path (relative, no symlink in it) has."""
    return next(r for r in RULES if real.startswith(r.prefix))


def place(real: str, entry: FileEntry) -> Placement:
    """Place one header entry whose real path is `real` (relative, symlinked directories resolved).

    A top-level directory itself (`/var`, `/proc`) belongs to the base and is placed nowhere.
    """
    is_dir = stat.S_ISDIR(entry.mode)
    if is_dir and real in _TOP:
        return Placement("", (), find_rule(real + "/"))
    rule = find_rule(real)
    below = real[len(rule.prefix) :]
    if rule.action == "factory":
        return Placement("" if is_dir else rule.to + below, _factory_lines(real, entry), rule)
    if rule.action == "link" or (rule.action == "link-files" and not is_dir):
        return Placement(rule.to + below, _link_lines(rule, real, below), rule)
    if rule.action == "link-files":
        return Placement("", _factory_lines(real, entry), rule)
    return Placement("" if rule.action == "refuse" else rule.to + below, (), rule)


def _factory_lines(real: str, entry: FileEntry) -> tuple[str, ...]:
    path = quote("/" + real)
    if stat.S_ISLNK(entry.mode):
        return (f"L {path} - - - - {to_argument(entry.linkto)}",)
    letter = "d" if stat.S_ISDIR(entry.mode) else "C"
    mode = f"{stat.S_IMODE(entry.mode):04o}"
    return (f"{letter} {path} {mode} {entry.user} {entry.group} - -",)


def _link_lines(rule: Rule, real: str, below: str) -> tuple[str, ...]:
    name = below if rule.action == "link-files" else below.partition("/")[0]
    link = rule.prefix + name
    up = "../" * link.count("/")
    return (f"L+ {quote('/' + link)} - - - - {to_argument(f'{up}{rule.to}{name}')}",)


def quote(path: str) -> str:
    r"""A path as tmpfiles.d(5) reads it: `%` doubled, quoted where it has white space or the like.

    Only controls and bytes that are no UTF-8 become escapes, which systemd before 253 does not
    know; it takes white space in quotes as it is.
    """
    text = to_argument(path.replace("\\", "\\\\").replace('"', '\\"'))
    return f'"{text}"' if text != path or any(c in path for c in " '") else text


def to_argument(target: str) -> str:
    """A link's target as the last field of such a line, which is read to its end and not unquoted.

    A line feed cannot be written there; escaped, the link is wrong but no line of its own.
    """
    text = target.replace("%", "%%")
    return "".join(_escape(c) if _CONTROL.fullmatch(c) else c for c in text)


def _escape(char: str) -> str:
    return "".join(f"\\x{b:02x}" for b in char.encode("utf-8", "surrogateescape"))


def parents(path: str) -> list[str]:
    """The directories above a relative path, the topmost first, without the root itself."""
    parts = path.split("/")[:-1]
    return ["/".join(parts[: n + 1]) for n in range(len(parts))]
