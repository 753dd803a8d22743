"""Scriptlets and triggers as a header has them, and rpm's names for them.

Which of them run, and how, is policy and stands in `scriptrules`; running them is
`stages.scripts`.
"""

from dataclasses import dataclass


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
