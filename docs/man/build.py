"""Builds the manual pages: `python docs/man/build.py DIRECTORY`.

Names, synopses and options come from the command line itself, so that they cannot be forgotten or
wrong; the prose of each page is `VERB.md` beside this file, and settings, layer keys and exit codes
come from the tables the program reads.
"""

import inspect
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

HERE = Path(__file__).parent
# Run as a script, this finds the project that it lies in, installed or not.
sys.path.insert(0, str(HERE.parents[1]))

from docs.man.roff import escape, inline, to_roff  # noqa: E402
from pkglayer import __version__  # noqa: E402
from pkglayer.cli.app import make_app  # noqa: E402
from pkglayer.model import errors, exchange, layer, masks, pathmap, scriptrules, settings  # noqa: E402

COMMON_PANEL = "Common options"


@dataclass(frozen=True)
class Page:
    """A page's name without section (`pkglayer-install`) and its roff source."""

    name: str
    section: int
    text: str


def build_pages() -> Iterator[Page]:
    """All pages: the program's, one for each verb or group of verbs, settings, exactness."""
    command: Any = typer.main.get_command(make_app())
    verbs: Mapping[str, Any] = command.commands
    yield Page("pkglayer", 1, _main_page(command, verbs))
    for name, verb in verbs.items():
        yield Page(f"pkglayer-{name}", 1, _verb_page(name, verb))
    yield Page("pkglayer.toml", 5, _settings_page())
    yield Page("pkglayer-exactness", 7, _exactness_page())


def first_sentence(help_text: str) -> str:
    """What a verb does, in one line without its final stop."""
    paragraph = " ".join(help_text.strip().split("\n\n")[0].split())
    return paragraph.partition(". Example:")[0].rstrip(".")


def _main_page(command: Any, verbs: Mapping[str, Any]) -> str:
    rows = [
        f".TP\n.BR pkglayer\\-{escape(name)} (1)\n{escape(first_sentence(verb.help or ''))}\n"
        for name, verb in verbs.items()
    ]
    return "".join([
        _head("pkglayer", 1, "layer RPM packages on an immutable OSTree base"),
        ".SH SYNOPSIS\n.B pkglayer\n.RI [ options ]\n.I verb\n.RI [ arguments ]\n",
        ".SH DESCRIPTION\n",
        to_roff(_prose("pkglayer")[0]),
        ".SH VERBS\n",
        *rows,
        ".SH OPTIONS\n",
        *(_option(p) for p in command.params),
        to_roff(_prose("pkglayer")[1]),
        ".SH EXIT STATUS\n",
        *_exit_codes(),
        ".SH SEE ALSO\n.BR pkglayer.toml (5),\n.BR ostree (1),\n.BR rpm (8),\n.BR dnf (8)\n",
    ])  # fmt: skip


def _verb_page(name: str, verb: Any) -> str:
    subverbs: Mapping[str, Any] = getattr(verb, "commands", {})
    before, after = _prose(name)
    parts = [_head(f"pkglayer-{name}", 1, first_sentence(verb.help or "")), ".SH SYNOPSIS\n"]
    listed = subverbs or {"": verb}
    parts += [_synopsis(f"{name} {sub}".strip(), one) for sub, one in listed.items()]
    parts += [".SH DESCRIPTION\n", to_roff(before)]
    for sub, one in subverbs.items():
        parts += [f".SS pkglayer {escape(name)} {escape(sub)}\n", _description(one)]
        parts += [_option(p) for p in _own(one)]
    if not subverbs and _own(verb):
        parts += [".SH OPTIONS\n", *(_option(p) for p in _own(verb))]
    common = {p.name: p for one in listed.values() for p in one.params if _is_common(p)}
    parts += [".SH COMMON OPTIONS\n", *(_option(p) for p in common.values())]
    if name == "layer":
        parts += [".SH FORMAT\n", *(_key(k.name, _layer_default(k), k.meaning) for k in layer.KEYS)]
    parts += [to_roff(after), ".SH EXIT STATUS\n0 on success; otherwise as listed in\n"]
    parts += [".BR pkglayer (1).\n", ".SH SEE ALSO\n.BR pkglayer (1)\n"]
    return "".join(parts)


def _settings_page() -> str:
    before, after = _prose("pkglayer.toml")
    parts = [
        _head("pkglayer.toml", 5, "settings of pkglayer"),
        ".SH DESCRIPTION\n",
        to_roff(before),
    ]
    defaults = settings.Settings()
    for table in dict.fromkeys(key.table for key in settings.KEYS):
        parts.append(f".SH SETTINGS IN [{escape(table)}]\n")
        for key in settings.KEYS:
            if key.table == table:
                parts.append(_key(key.name, _toml(getattr(defaults, key.field)), f"{key.purpose}."))
    parts += [to_roff(after), ".SH SEE ALSO\n.BR pkglayer (1)\n"]
    return "".join(parts)


def _exactness_page() -> str:
    before, after = _prose("exactness")
    paths = [(f"/{r.prefix}", r.action, f"{r.reason}{f'; /{r.to}' if r.to else ''}")
             for r in pathmap.RULES]  # fmt: skip
    masked = [(f"/{m.pattern}", m.action, m.reason) for m in masks.MASKED]
    scripts = [(f"%{r.kind} of {r.package}", r.action, r.reason) for r in scriptrules.RULES]
    return "".join([
        _head("pkglayer-exactness", 7, "what differs from packages that rpm installs, and why"),
        ".SH DESCRIPTION\n",
        to_roff(before),
        ".SH PATHS\n", *(_row(*row) for row in paths),
        ".SH SCRIPTLETS\n", *(_row(*row) for row in scripts),
        ".SH PACKAGES OF THE BASE THAT GO\n",
        *(_row(f"%{kind}", when, why) for kind, when, why in exchange.WHEN),
        ".SH WHAT SCRIPTLETS LEAVE\n", *(_row(*row) for row in masked),
        to_roff(after),
        ".SH SEE ALSO\n.BR pkglayer (1),\n.BR rpm (8),\n.BR tmpfiles.d (5)\n",
    ])  # fmt: skip


def _row(what: str, action: str, reason: str) -> str:
    return f".TP\n\\fB{escape(what)}\\fR ({escape(action)})\n{escape(reason)}\n"


def _head(name: str, section: int, what: str) -> str:
    """The title and the line that `apropos` reads. No date: two builds give the same page."""
    title = escape(name).upper()
    what = what[:1].lower() + what[1:]
    return (
        f'.TH {title} {section} "" "pkglayer {__version__}" "pkglayer manual"\n'
        f".SH NAME\n{escape(name)} \\- {escape(what)}\n"
    )


def _prose(name: str) -> tuple[str, str]:
    """The text of NAME.md: what comes before its first heading, and the rest."""
    text = (HERE / f"{name}.md").read_text()
    before, heading, after = text.partition("\n## ")
    return before, heading.lstrip() + after


def _synopsis(name: str, verb: Any) -> str:
    words = [f"\\fBpkglayer {escape(name)}\\fR", "[\\fIoptions\\fR]"]
    words += [f"\\fI{escape(_metavar(p))}\\fR" for p in verb.params if _is_argument(p)]
    return f".PP\n{' '.join(words)}\n"


def _description(verb: Any) -> str:
    paragraphs = [" ".join(p.split()) for p in (verb.help or "").strip().split("\n\n")]
    return "".join(f".PP\n{inline(p)}\n" for p in paragraphs)


def _option(parameter: Any) -> str:
    if _is_argument(parameter):
        names = f"\\fI{escape(_metavar(parameter))}\\fR"
    else:
        value = "" if parameter.is_flag else f" \\fI{escape(_metavar(parameter))}\\fR"
        spelled = [*parameter.opts, *parameter.secondary_opts]
        names = ", ".join(f"\\fB{escape(option)}\\fR" for option in spelled) + value
    return f".TP\n{names}\n{inline(parameter.help or 'See above.')}\n"


def _key(name: str, default: str, meaning: str) -> str:
    return f".TP\n\\fB{escape(name)}\\fR (default: {escape(default)})\n{inline(meaning)}\n"


def _own(verb: Any) -> list[Any]:
    shown = [p for p in verb.params if not _is_common(p) and not getattr(p, "hidden", False)]
    return [p for p in shown if not (_is_argument(p) and not p.help)]


def _is_common(parameter: Any) -> bool:
    return getattr(parameter, "rich_help_panel", None) == COMMON_PANEL


def _is_argument(parameter: Any) -> bool:
    return bool(parameter.param_type_name == "argument")


def _metavar(parameter: Any) -> str:
    return str(parameter.metavar or parameter.name.upper().replace("_", "-"))


def _exit_codes() -> Iterator[str]:
    yield ".TP\n.B 0\nSuccess.\n"
    classes = [c for _, c in inspect.getmembers(errors, inspect.isclass)]
    ours = [c for c in classes if issubclass(c, errors.PkglayerError)]
    for cls in sorted(ours, key=lambda c: c.exit_code):
        text = "Any other failure." if cls is errors.PkglayerError else inspect.getdoc(cls) or ""
        yield f".TP\n.B {cls.exit_code}\n{inline(' '.join(text.split()))}\n"
    yield ".TP\n.B 77\nWith \\fBupgrade \\-\\-check\\fR: nothing is new.\n"
    yield ".TP\n.B 128 + number\nEnded by that signal; the system is as before.\n"


def _layer_default(key: layer.Key) -> str:
    return "none" if key.name == "packages" else _toml(key.default)


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int) and value and value % (1 << 30) == 0:
        return f'"{value >> 30}G"'
    return f'"{value}"' if isinstance(value, str) else str(value)


def main() -> None:
    """Write all pages into the directory given, as NAME.SECTION."""
    out = Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    for page in build_pages():
        (out / f"{page.name}.{page.section}").write_text(page.text)


if __name__ == "__main__":
    main()
