"""Scriptlets and triggers as a header has them, and rpm's names for them.

Which of them run, how and under which limits is policy and stands in the table of this module;
running them is `stages.scripts`.
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
    """

    kind: str
    script: Scriptlet
    conditions: tuple[tuple[str, int, str], ...]
    priority: int = 1_000_000
