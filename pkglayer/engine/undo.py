"""The verb `undo`: one change of the history taken back, while base and newer requests stay.

The history says what a change asked for in another way; the origin says what is asked for now. What
results is a request like any other and goes through the pipeline.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from pkglayer.engine import kernel, pipeline
from pkglayer.engine.changing import history_path, wish_of
from pkglayer.engine.pipeline import Outcome
from pkglayer.engine.session import Session
from pkglayer.engine.verbs import readable
from pkglayer.log import printable
from pkglayer.model.deployment import Deployment
from pkglayer.model.errors import StateError, UsageError
from pkglayer.model.history import HistoryEntry
from pkglayer.model.names import quoted
from pkglayer.model.plan import Plan
from pkglayer.model.request import REMOVE, REPLACE, SOURCE_PREFIX, Want
from pkglayer.model.wish import (
    BASE,
    KARG,
    LOCAL,
    OVERRIDE,
    REQUEST,
    Difference,
    Thing,
    WayBack,
    Wish,
    from_json,
    plan_way_back,
    taken_back,
)
from pkglayer.stages.importer import HEADER_REF
from pkglayer.system.history import History


@dataclass(frozen=True)
class Undone:
    """The change that was taken back, what that meant for each thing it was about, by whom things
    that are `over` were taken back already, and the outcome: None where nothing was to do."""

    entry: HistoryEntry
    way: WayBack
    since: dict[Thing, HistoryEntry]
    outcome: Outcome | None = None


def undo(session: Session, number: int) -> Undone:
    """Take the change `number` back: all of it that commands asked for, or nothing.

    Raises UsageError when there is nothing that could be taken back, when a younger change was
    about the same things, or when no command asked for them; StateError when the history does not
    know what was asked for, or a local RPM is not kept any more.
    """
    newest = readable(session.sysroot.newest)
    history = History(history_path(session.sysroot))
    entry = history.find(number)
    since = _last_changes(history.read(), number)
    way = plan_way_back(_changes_of(entry), wish_of(session), since)
    _refuse_younger(way, since)
    _refuse_others(way, entry)
    if not way.undone:
        return Undone(entry, way, since)
    _check_files(session, way.undone)
    session.takes_back = entry.number
    session.remarks.append(f"takes back change {entry.number}: {entry.command}")
    wish = taken_back(wish_of(session), way.undone)
    return Undone(entry, way, since, _make(session, newest, wish))


def _make(session: Session, newest: Deployment, wish: Wish) -> Outcome:
    """The next boot's base with this wish; the same commit again for other arguments alone."""
    request = session.request_of(newest)
    wanted = request.with_wants(w for w in wish.wants if w.source == "command")
    if wanted.wants != request.wants:
        kargs = wish.kargs if wish.kargs != wish_of(session).kargs else None
        return pipeline.apply(session, newest.base, wanted, kargs=kargs)
    plan = newest.record.plan if newest.record else Plan(newest.base, request)
    if session.options.dry_run:
        return Outcome(plan, newest)
    kernel.deploy_again(session, wish.kargs)
    return Outcome(plan, newest, newest.checksum, changed=True, reused=True)


def _last_changes(entries: Iterable[HistoryEntry], number: int) -> dict[Thing, HistoryEntry]:
    """The youngest change of each thing since `number`, the youngest entry being the first.

    A change that was taken back and the taking back of it are none: all is as it was before them.
    """
    found: dict[Thing, HistoryEntry] = {}
    cancelled: set[int] = set()
    for entry in entries:
        if entry.number <= number or entry.number in cancelled:
            continue
        if entry.takes_back > number:
            cancelled.add(entry.takes_back)
            continue
        for row in from_json(entry.changes) if entry.changes else ():
            found.setdefault(row.thing, entry)
    return found


def _changes_of(entry: HistoryEntry) -> tuple[Difference, ...]:
    shown = f"change {entry.number} ({printable(entry.command)})"
    if entry.outcome == "failed":
        raise UsageError(f"{shown} failed: nothing to take back", hint="see: pkglayer history")
    if not entry.changes:
        raise StateError(
            f"the history does not know what {shown} asked for: it is from an older pkglayer",
            hint="pkglayer status lists what is asked for; drop or add it by hand",
        )
    if not (rows := from_json(entry.changes)):
        raise UsageError(
            f"{shown} asked for nothing in another way",
            hint="see: pkglayer history; to go back a whole state: pkglayer rollback",
        )
    return rows


def _refuse_younger(way: WayBack, since: dict[Thing, HistoryEntry]) -> None:
    """Raise what younger changes are in the way, all of them in one error."""
    if not way.touched:
        return
    lines = [_touched(row, since.get(row.thing)) for row in way.touched]
    younger = {since[r.thing].number for r in way.touched if r.thing in since}
    ways = [f"pkglayer undo {number}" for number in sorted(younger, reverse=True)]
    ways += [command for row in way.touched if (command := _by_hand(row))]
    raise UsageError(
        "; ".join(lines),
        hint="take the younger change back first, or say what you want now: "
        + "; or ".join(dict.fromkeys(ways)),
        data={"changed_later": sorted(younger), "ways": ways},
    )


def _refuse_others(way: WayBack, entry: HistoryEntry) -> None:
    """Raise when no command asked for any of it."""
    if way.undone or way.over:
        return
    ways = list(dict.fromkeys(_elsewhere(row) for row in way.stays))
    raise UsageError(
        f"change {entry.number} ({printable(entry.command)}) is about "
        f"{', '.join(row.label for row in way.stays)}, which no command asks for",
        hint="; or ".join(ways),
        data={"ways": ways},
    )


def _touched(row: Difference, later: HistoryEntry | None) -> str:
    by = f"change {later.number} ({printable(later.command)})" if later else "other means"
    return f"{row.label} is asked for in another way since, by {by}"


def _by_hand(row: Difference) -> str:
    """The command that drops what the change had asked for."""
    name = quoted(row.name)
    commands = {
        REQUEST: f"pkglayer uninstall {name}", LOCAL: f"pkglayer uninstall {name}",
        OVERRIDE: f"pkglayer override reset {name}", KARG: "pkglayer kargs --editor",
    }  # fmt: skip
    return commands.get(row.kind, "pkglayer initramfs --disable") if not row.before else ""


def _elsewhere(row: Difference) -> str:
    """How to go back where no command asked for it."""
    if row.kind == BASE:
        refspec, commit, _ = row.before
        moved = refspec != row.after[0]
        return f"pkglayer rebase {refspec}" if moved else f"pkglayer deploy {commit}"
    name = row.kind.removeprefix(SOURCE_PREFIX)
    file = f"/etc/pkglayer/layers.d/{name}.toml"
    return f"edit {file} (one there masks the base's), then: pkglayer layer apply"


def _check_files(session: Session, undone: Iterable[Difference]) -> None:
    """Raise StateError for local RPMs to ask for again that are not kept any more."""
    wants = [w for row in undone for w in row.before if isinstance(w, Want) and w.header_checksum]
    gone = [w for w in wants if not session.repo.resolve(HEADER_REF + w.header_checksum)]
    if not gone:
        return
    verbs = {REPLACE: "override replace", REMOVE: "override remove"}
    ways = [f"pkglayer {verbs.get(w.kind, 'install')} ./{w.spec}.rpm" for w in gone]
    raise StateError(
        f"{', '.join(w.spec for w in gone)} came as a file that no state keeps any more",
        hint="bring it again: " + "; ".join(ways),
        data={"missing": [w.spec for w in gone], "ways": ways},
    )
