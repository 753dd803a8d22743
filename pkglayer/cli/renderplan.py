"""The text and JSON of plans and of package differences, from values to strings.

Nothing here reads the machine or compares versions by itself: the comparison is passed in.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, TypeVar

from pkglayer.cli.render import (
    KIND_WORDS,
    base_text,
    columns,
    count,
    override_text,
    package_json,
    signer_rows,
    source_text,
    time_text,
)
from pkglayer.log import printable, to_size
from pkglayer.model.package import Nevra, Package
from pkglayer.model.pkgdiff import (
    Change,
    ChangelogEntry,
    Compare,
    PackageDiff,
    diff_packages,
)
from pkglayer.model.plan import Override, Plan
from pkglayer.model.record import Note
from pkglayer.model.request import Want
from pkglayer.model.space import Room, render_rooms

News = Mapping[Nevra, Sequence[ChangelogEntry]]
Item = TypeVar("Item")


def render_plan(
    plan: Plan, previous: Plan | None, compare: Compare, *, notes: Iterable[Note] = (),
    rooms: Iterable[Room] = (),
) -> str:  # fmt: skip
    """What the next state would be, against the state before it (None: a bare base).

    `notes` are what people must see before they agree: setuid files, paths that move, masks;
    `rooms` the file systems with what it takes there.
    """
    before = previous.packages if previous else ()
    diff = diff_packages([p.nevra for p in before], [p.nevra for p in plan.packages], compare)
    of = {p.nevra: p for p in (*before, *plan.packages)}
    lines = [*_base_lines(plan, previous), *_request_lines(plan, previous)]
    lines += _section("Adding", diff.added, lambda n: (str(n), *_facts(of[n])))
    lines += _section("Upgrading", diff.upgraded, lambda c: (*_change(c), *_facts(of[c.new])))
    lines += _section("Downgrading", diff.downgraded, lambda c: (*_change(c), *_facts(of[c.new])))
    lines += _section("Removing", diff.removed, lambda n: (str(n),))
    lines += _listing(
        "Base packages overridden", ((o.kind, override_text(o)) for o in plan.overrides)
    )
    lines += _listing(
        "No longer overridden",
        ((override_text(o), "the base's own will do") for o in ended_updates(plan, previous)),
    )
    lines += _listing("Inactive", ((i.want.spec, i.reason) for i in plan.inactive))
    lines += _listing("Skipped", ((s.want.spec, s.why) for s in plan.skipped))
    lines += _listing("Fallen back on", ((f.nevra, f"{f.how}: {f.why}") for f in plan.fallbacks))
    come = [of[n] for n in (*diff.added, *(c.new for c in (*diff.upgraded, *diff.downgraded)))]
    lines += _listing("Signed by", signer_rows(come))
    lines += _listing("Followed", ((f.local, f"now {f.nevra}: {f.why}") for f in plan.followed))
    lines += _listing("Not known yet", ((u.nevra, u.what) for u in plan.unseen))
    lines += _listing("Note", ((f"{n.package}: {n.what}", n.why) for n in notes))
    if not diff:
        lines.append("No package of the layer changes.")
    lines.append(_sizes(plan, sum(p.download_size for p in come)))
    lines += [printable(line) for line in render_rooms(rooms)]
    return "\n".join(lines) + "\n"


def plan_json(plan: Plan, previous: Plan | None, compare: Compare) -> dict[str, Any]:
    """A plan and how it differs from the state before it, as JSON values."""
    before = previous.packages if previous else ()
    diff = diff_packages([p.nevra for p in before], [p.nevra for p in plan.packages], compare)
    return {
        "version": 1,
        "base": asdict(plan.base),
        "previous_base": asdict(previous.base) if previous else None,
        "requests": [asdict(want) for want in plan.request.wants],
        "packages": [package_json(p) for p in plan.packages],
        "overrides": [asdict(o) for o in plan.overrides],
        "ended_updates": [asdict(o) for o in ended_updates(plan, previous)],
        "inactive": [asdict(i) for i in plan.inactive],
        "skipped": [asdict(s) for s in plan.skipped],
        "fallbacks": [asdict(f) for f in plan.fallbacks],
        "followed": [asdict(f) for f in plan.followed],
        "unseen": [asdict(u) for u in plan.unseen],
        "install_size": plan.install_size,
        "changes": diff_json(diff),
    }


def ended_updates(plan: Plan, previous: Plan | None) -> list[Override]:
    """Temporary updates of base packages that the state before has and the plan does not need."""
    now = {Nevra.parse(o.old).name for o in plan.overrides}
    before = previous.overrides if previous else ()
    return [o for o in before if o.kind == "update" and Nevra.parse(o.old).name not in now]


def render_diff(diff: PackageDiff, news: News | None = None) -> str:
    """A package difference; with `news` (changelog entries) below the package they are of."""
    if not diff:
        return "No package differs.\n"
    lines = [
        *_changes("Upgraded", diff.upgraded, news or {}, lambda c: c.new),
        *_changes("Downgraded", diff.downgraded, news or {}, lambda c: c.old),
        *_section("Added", diff.added, lambda n: (str(n),)),
        *_section("Removed", diff.removed, lambda n: (str(n),)),
    ]
    return "\n".join(lines) + "\n"


def diff_summary(diff: PackageDiff) -> str:
    """A difference in numbers, for where the whole list would be too much."""
    parts = {
        "upgraded": diff.upgraded,
        "downgraded": diff.downgraded,
        "added": diff.added,
        "removed": diff.removed,
    }
    return ", ".join(f"{len(v)} packages {k}" for k, v in parts.items() if v) or "same packages"


def diff_json(diff: PackageDiff, news: News | None = None) -> dict[str, Any]:
    """A package difference as JSON values; changelog entries by NEVRA where `news` is given."""

    def change(c: Change) -> dict[str, Any]:
        return {"name": c.new.name, "from": nevra_json(c.old), "to": nevra_json(c.new)}

    data: dict[str, Any] = {
        "added": [nevra_json(n) for n in diff.added],
        "removed": [nevra_json(n) for n in diff.removed],
        "upgraded": [change(c) for c in diff.upgraded],
        "downgraded": [change(c) for c in diff.downgraded],
    }
    if news is not None:
        data["changelogs"] = {str(n): [asdict(e) for e in entries] for n, entries in news.items()}
    return data


def nevra_json(nevra: Nevra) -> dict[str, Any]:
    """A NEVRA whole and in parts."""
    return {"nevra": str(nevra), **asdict(nevra)}


def _sizes(plan: Plan, download: int) -> str:
    layer = f"has {count(len(plan.packages), 'package')}, {to_size(plan.install_size)}"
    fetch = f"{to_size(download)} to download at most" if download else "nothing to download"
    return f"The layer {layer if plan.packages else 'is empty'}; {fetch}."


def _base_lines(plan: Plan, previous: Plan | None) -> list[str]:
    lines = [f"Base  {base_text(plan.base)}", f"      {plan.base.commit}"]
    if previous and previous.base.commit != plan.base.commit:
        lines.append(f"from  {base_text(previous.base)}")
    return lines


def _request_lines(plan: Plan, previous: Plan | None) -> list[str]:
    old = {(w.spec, w.source): w for w in previous.request.wants} if previous else {}
    new = {(w.spec, w.source): w for w in plan.request.wants}
    lines = [f"  + {_want_text(want)}" for key, want in new.items() if key not in old]
    lines += [f"  - {_want_text(want)}" for key, want in old.items() if key not in new]
    return ["Requests", *lines] if lines else []


def _want_text(want: Want) -> str:
    unchecked = ", signature not checked" if want.no_gpg_check else ""
    return printable(
        f"{want.spec}{KIND_WORDS.get(want.kind, '')}  ({source_text(want)}{unchecked})"
    )


def _section(title: str, items: Sequence[Item], row: Callable[[Item], Sequence[str]]) -> list[str]:
    if not items:
        return []
    rows = [[printable(cell) for cell in row(item)] for item in items]
    return [f"{title} {count(len(items), 'package')}", *columns(rows)]


def _listing(title: str, pairs: Iterable[tuple[str, str]]) -> list[str]:
    lines = [f"  {printable(name)}: {printable(why)}" for name, why in pairs]
    return [title, *lines] if lines else []


def _change(change: Change) -> tuple[str, str]:
    return f"{change.new.name}.{change.new.arch}", f"{change.old.evr} -> {change.new.evr}"


def _facts(package: Package) -> tuple[str, str, str]:
    return package.repo, to_size(package.install_size), _reason(package)


def _reason(package: Package) -> str:
    specs = ", ".join(package.requests[:3]) + (", ..." if len(package.requests) > 3 else "")
    words = {
        "user": "requested",
        "group": f"in {specs}" if specs else "in a group",
        "dependency": f"needed by {specs}" if specs else "needed",
        "weak-dependency": f"recommended by {specs}" if specs else "recommended",
    }
    return words.get(package.reason, package.reason)


def _changes(
    title: str, changes: Sequence[Change], news: News, of: Callable[[Change], Nevra]
) -> list[str]:
    lines = _section(title, changes, _change)
    if not news or not lines:
        return lines
    out = lines[:1]
    for line, change in zip(lines[1:], changes, strict=True):
        out.append(line)
        for entry in news.get(of(change), ()):
            out.append(printable(f"    {time_text(entry.time)[:10]} {entry.author}"))
            out += [printable(f"      {text}") for text in entry.text.splitlines()]
    return out
