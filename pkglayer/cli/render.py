"""The text and JSON of `status`, from values to strings; printing is the caller's.

Nothing here reads the machine. All text that comes from packages, origins or people is escaped, so
that no name can move the cursor. Plans and differences are in `renderplan`.
"""

import textwrap
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from pkglayer.log import printable, to_size
from pkglayer.model.deployment import Deployment
from pkglayer.model.errors import StateError
from pkglayer.model.package import Package
from pkglayer.model.plan import Base, Override
from pkglayer.model.record import ScriptRun
from pkglayer.model.request import ORIGIN_GROUP, SOURCE_PREFIX, Request, Want, from_origin

KIND_WORDS = {
    "local": " (local RPM)",
    "override-replace": " (in place of the base's)",
    "override-remove": " (removed from the base)",
    "initramfs": " (made anew)",
}
WIDTH = 100
_LABEL = 12
_INDENT = "    "


def render_status(
    deployments: Sequence[Deployment],
    *,
    notices: Iterable[str] = (),
    verbose: bool = False,
    width: int = 0,
) -> str:
    """All states, the next boot first; with `verbose` every layered package and note.

    `notices` are whole sentences about the machine as it is, shown at the end. Values are folded
    at `width` columns, at most and without one at WIDTH.
    """
    width = min(width or WIDTH, WIDTH)
    parts = ["\n".join(_render_state(d, verbose, width)) for d in deployments]
    parts += [printable(text) for text in notices]
    return "\n\n".join(parts or ["There is no state."]) + "\n"


def status_json(
    deployments: Sequence[Deployment], *, notices: Iterable[str] = ()
) -> dict[str, Any]:
    """Everything there is to know of all states, as JSON values."""
    return {
        "version": 1,
        "stateroot": deployments[0].osname if deployments else None,
        "booted": next((d.index for d in deployments if d.booted), None),
        "deployments": [_state_json(d) for d in deployments],
        "notices": list(notices),
    }


def wants_of(deployment: Deployment) -> tuple[tuple[Want, ...], str]:
    """What is wanted in a state, and what is wrong with the answer ("" for nothing)."""
    group = deployment.origin.get(ORIGIN_GROUP, {})
    try:
        asked, trouble = from_origin(deployment.refspec, group), ""
    except StateError as e:
        asked, trouble = Request(deployment.refspec), e.message
    if deployment.record is None:
        return asked.wants, trouble
    built = deployment.record.plan.request
    if group and not trouble and set(asked.wants) != set(built.commanded):
        trouble = (
            "the origin has other requests than this state was built from; "
            "pkglayer reconcile builds them"
        )
    return built.wants, trouble


def source_text(want: Want) -> str:
    """Where a request came from, in words."""
    if want.source.startswith(SOURCE_PREFIX):
        return f"by layer {want.source.removeprefix(SOURCE_PREFIX)}"
    return f"by {want.source}"


def base_text(base: Base) -> str:
    """A base in one line: refspec, version, date."""
    parts = [base.refspec or "(no refspec)"]
    parts += [f"version {base.version}"] if base.version else []
    parts += [f"of {time_text(base.timestamp)}"] if base.timestamp else []
    return printable(", ".join(parts))


def time_text(seconds: int) -> str:
    """Seconds since 1970 as people read them, in UTC so that logs of two machines compare."""
    try:
        return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")
    except (OverflowError, ValueError, OSError):
        return f"{seconds} s since 1970"


def count(number: int, thing: str) -> str:
    """`1 package`, `2 packages`."""
    return f"{number} {thing}{'' if number == 1 else 's'}"


def columns(rows: Sequence[Sequence[str]], indent: str = "  ") -> list[str]:
    """Rows as aligned columns, two spaces apart; the last column is as wide as it is."""
    widths = [max(map(len, cells)) for cells in zip(*rows, strict=True)]
    return [
        (indent + "  ".join(map(str.ljust, row, widths))).rstrip()
        for row in rows
    ]  # fmt: skip


def _render_state(d: Deployment, verbose: bool, width: int) -> list[str]:
    mark = "*" if d.booted else " "
    title = f"{mark} {d.index}  {', '.join(_labels(d))}"
    return [title, *(line for row in _fields(d, verbose) for line in _folded(*row, width))]


def _fields(d: Deployment, verbose: bool) -> list[tuple[str, str]]:
    lines = [("Base", base_text(d.base)), ("Base commit", d.base.commit)]
    if d.checksum != d.base.commit:
        lines.append(("Commit", d.checksum))
    wants, trouble = wants_of(d)
    lines += _requests(wants, applied=d.record is not None)
    lines += _record_fields(d, verbose)
    for problem in dict.fromkeys(filter(None, (d.problem, trouble))):
        lines.append(("Problem", printable(problem)))
    return lines


def _labels(d: Deployment) -> list[str]:
    labels = [d.role_words] if d.role else []
    if d.index == 0 and d.role == "booted":
        labels = ["booted", "next boot"]
    labels += ["staged"] if d.staged else []
    labels += ["pinned"] if d.pinned else []
    return labels or ["kept"]


def _requests(wants: Sequence[Want], applied: bool) -> list[tuple[str, str]]:
    by_source: dict[str, list[str]] = {}
    for want in wants:
        words = KIND_WORDS.get(want.kind, "")
        if want.no_gpg_check:
            words = words.removesuffix(")") + ", signature not checked)"
        name = printable(want.spec) + words
        by_source.setdefault(printable(source_text(want)), []).append(name)
    label = "Requested" if applied else "Not applied"
    return [
        (label if number == 0 else "", f"{', '.join(names)} ({source})")
        for number, (source, names) in enumerate(sorted(by_source.items()))
    ]


def _record_fields(d: Deployment, verbose: bool) -> list[tuple[str, str]]:
    if d.record is None:
        return []
    plan, lines = d.record.plan, []
    if plan.packages:
        lines.append(("Layered", _packages_text(plan.packages, verbose)))
    for number, row in enumerate(signer_rows(plan.packages) if verbose else ()):
        lines.append(("" if number else "Signed by", printable(": ".join(row))))
    for number, override in enumerate(plan.overrides):
        text = override_text(override)
        lines.append(("Overrides" if number == 0 else "", printable(text)))
    for number, gone in enumerate(plan.inactive):
        text = f"{gone.want.spec}: {gone.reason}"
        lines.append(("Inactive" if number == 0 else "", printable(text)))
    for number, skip in enumerate(plan.skipped):
        text = f"{skip.want.spec}: {skip.why}"
        lines.append(("Skipped" if number == 0 else "", printable(text)))
    for number, ruling in enumerate(d.record.rulings):
        lines.append(("Scriptlets" if number == 0 else "", printable(ruling.sentence)))
    failed = [s for s in d.record.scripts if s.exit_code]
    for number, script in enumerate(failed):
        text = f"%{script.kind} of {script.package} ended with exit code {script.exit_code}"
        lines.append(("Warning" if number == 0 else "", printable(text)))
    if verbose:
        for number, note in enumerate(d.record.notes):
            whose = f"{note.package}: " if note.package else ""
            text = printable(f"{whose}{note.what}: {note.why}")
            lines.append(("Note" if number == 0 else "", text))
    elif d.record.notes:
        lines.append(("Notes", f"{len(d.record.notes)} (pkglayer status --verbose shows them)"))
    return lines


def signer_rows(packages: Iterable[Package]) -> list[tuple[str, str]]:
    """Whose signature was seen on how many of these packages, by full fingerprint.

    Packages that are not here yet are left out: their signer is not known.
    """
    names: dict[str, list[str]] = {}
    for package in packages:
        if package.header_checksum:
            names.setdefault(package.key, []).append(str(package.nevra))
    rows = [(key, count(len(found), "package")) for key, found in sorted(names.items()) if key]
    return [*rows, *([("not checked", ", ".join(names[""]))] if "" in names else [])]


def render_runs(runs: Iterable[ScriptRun]) -> str:
    """Scriptlets in the order in which they ran, each with what it printed."""
    lines = []
    for run in runs:
        ended = f" ended with exit code {run.exit_code}" if run.exit_code else ""
        lines.append(printable(f"%{run.kind} of {run.package}{ended}"))
        lines += [_INDENT + printable(line) for line in run.output.splitlines()]
    return "".join(f"{line.rstrip()}\n" for line in lines)


def override_text(override: Override) -> str:
    """What is different about a base package, in one line."""
    if override.kind == "remove":
        return f"{override.old} removed"
    arrow = f"{override.old} -> {override.new}"
    if override.kind == "update":
        return f"{arrow} until the base has it (for {', '.join(override.requests)})"
    return arrow


def _packages_text(packages: Sequence[Package], verbose: bool) -> str:
    asked = [p for p in packages if p.reason in ("user", "group")]
    shown = packages if verbose or not asked else asked
    names = printable(", ".join(str(p.nevra) for p in shown))
    rest = len(packages) - len(shown)
    more = f" and {rest} they need" if rest else ""
    size = to_size(sum(p.install_size for p in packages))
    return f"{count(len(packages), 'package')}, {size}: {names}{more}"


def _folded(label: str, text: str, width: int) -> list[str]:
    """One labelled value, folded at spaces; long words such as checksums are never broken."""
    return textwrap.wrap(
        text,
        max(width, 40),
        initial_indent=_INDENT + label.ljust(_LABEL),
        subsequent_indent=_INDENT + " " * _LABEL,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _state_json(d: Deployment) -> dict[str, Any]:
    wants, trouble = wants_of(d)
    record = d.record
    return {
        "index": d.index,
        "stateroot": d.osname,
        "commit": d.checksum,
        "serial": d.serial,
        "root": d.root,
        "booted": d.booted,
        "staged": d.staged,
        "pinned": d.pinned,
        "role": d.role,
        "base": asdict(d.base),
        "layered": record is not None,
        "digest": record.digest if record else None,
        "requests": [asdict(want) for want in wants],
        "packages": [package_json(p) for p in record.plan.packages] if record else [],
        "overrides": [asdict(o) for o in record.plan.overrides] if record else [],
        "inactive": [asdict(i) for i in record.plan.inactive] if record else [],
        "skipped": [asdict(s) for s in record.plan.skipped] if record else [],
        "scripts": [asdict(s) for s in record.scripts] if record else [],
        "rulings": [asdict(r) for r in record.rulings] if record else [],
        "accounts": [asdict(a) for a in record.accounts] if record else [],
        "notes": [asdict(n) for n in record.notes] if record else [],
        "origin": d.origin,
        "problem": d.problem or trouble or None,
    }


def package_json(package: Package) -> dict[str, Any]:
    """A package as JSON values, its NEVRA both whole and in parts."""
    return {**asdict(package), **asdict(package.nevra), "nevra": str(package.nevra)}
