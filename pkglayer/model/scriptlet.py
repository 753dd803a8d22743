"""Scriptlets and triggers as a header has them, and rpm's names for them.

Which of them run, how and under which limits is policy and stands in the table of this module;
running them is `stages.scripts`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase


@dataclass(frozen=True)
class Scriptlet:
    """One scriptlet.

    `kind` is rpm's section name without the percent sign (`pretrans`, `pre`, `post`, `posttrans`,
    `preun`, `postun`); `program` the interpreter and its arguments (`("/bin/sh",)`, `("<lua>",)`);
    `body` is empty for a bare `-p program`; `flags` are RPMSCRIPT_FLAG_* bits (1 expand macros,
    2 query format, 4 critical).
    """

    kind: str
    program: tuple[str, ...]
    body: str = ""
    flags: int = 0


@dataclass(frozen=True)
class Trigger:
    """One trigger script with all conditions that set it off.

    `kind`: `triggerprein`, `triggerin`, `triggerun`, `triggerpostun`, `filetriggerin`,
    `filetriggerun`, `filetriggerpostun`, `transfiletriggerin`, `transfiletriggerun`,
    `transfiletriggerpostun`. `conditions` are (name, sense flags, EVR) for package triggers and
    (path prefix, 0, "") for file triggers. `priority` orders file triggers, higher first.
    `positions` are the conditions' places in the header, where those of all triggers are mixed.
    """

    kind: str
    script: Scriptlet
    conditions: tuple[tuple[str, int, str], ...]
    priority: int = 1_000_000
    positions: tuple[int, ...] = ()


@dataclass(frozen=True)
class Limits:
    """What one scriptlet may use. Sizes in bytes, times in seconds.

    `memory` counts all its processes together where control groups work, each process's data
    otherwise; `disk` is by how much the file system may fill while it runs; `output` is how much it
    may print, of which 64 KiB are kept; `scratch` is the size of /tmp, /run and /var/tmp each.
    """

    seconds: float = 600.0
    memory: int = 4 << 30
    processes: int = 1024
    open_files: int = 4096
    file_size: int = 4 << 30
    disk: int = 8 << 30
    output: int = 32 << 20
    scratch: int = 2 << 30


EXPAND, QFORMAT, CRITICAL = 1, 2, 4
"""RPMSCRIPT_FLAG_*: expand macros in the body, then header tags; a failure stops the package."""

RUN, SKIP, REPLACE = "run", "skip", "replace"
SECTIONS = (
    *("pretrans", "pre", "post", "posttrans", "preun", "postun"),
    *("triggerprein", "triggerin", "triggerun", "triggerpostun"),
    *("filetriggerin", "filetriggerun", "filetriggerpostun"),
    *("transfiletriggerin", "transfiletriggerun", "transfiletriggerpostun"),
)
"""All that a package can have, by rpm's names."""


@dataclass(frozen=True)
class Rule:
    """One row of the policy: globs over package name and section, what to do, and why.

    A replacement's `body` is run by /bin/sh with the same arguments. `seconds` is what it may take,
    0 for what the settings allow all. `source` says who wrote the row: `settings`, `layer:NAME`, or
    nothing for our own.
    """

    package: str
    kind: str
    action: str
    reason: str
    body: str = ""
    seconds: int = 0
    source: str = ""


RULES: tuple[Rule, ...] = (
    Rule("kernel*", "preun", SKIP, "libostree removes kernels and their boot entries itself"),
    Rule("linux-image-*", "preun", SKIP, "libostree removes kernels and their boot entries itself"),
    Rule("kernel*", "post*", SKIP, "libostree installs kernels and their boot entries itself"),
    Rule(
        "linux-image-*", "post*", SKIP, "libostree installs kernels and their boot entries itself"
    ),
    Rule("grub2-*", "post*", SKIP, "the boot loader belongs to the machine, not to a tree"),
    Rule("shim-*", "post*", SKIP, "the boot loader belongs to the machine, not to a tree"),
    Rule("*", "*", RUN, "scriptlets run as rpm runs them, in a sandbox"),
)
"""The first row that matches counts."""


def find_policy(package: str, kind: str, rules: Sequence[Rule] = RULES) -> Rule:
    """The row for a section of a package, by the package's name."""
    return next(r for r in rules if fnmatchcase(package, r.package) and fnmatchcase(kind, r.kind))


def is_fatal(kind: str, post_failure: str) -> bool:
    """Whether a failure ends the whole change: rpm's own rule, stricter where settings say so."""
    return kind in ("pretrans", "pre") or post_failure == "abort"
