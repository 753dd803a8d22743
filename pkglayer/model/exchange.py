"""The order in which rpm runs scriptlets and triggers when packages of the base go or give way.

Extends `model.sequence`, which only adds packages, by rpm 4.18's order for removals, measured with
rpm itself: own file triggers, others' file triggers, package triggers, %preun, the files go,
%postun, and the triggers after it. Pure, as the other.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from pkglayer.model.scriptlet import Trigger
from pkglayer.model.sequence import (
    Member,
    Planner,
    Run,
    Satisfies,
    Step,
    by_priority,
    entries,
    file_run,
    matching_dirs,
    of_class,
)

Vanishing = Mapping[Member, tuple[str, ...]]
"""The files of a removed package that no other package has: those that really go."""

WHEN: tuple[tuple[str, str, str], ...] = (
    ("pretrans", "of what comes, before all else; $1 is 2 where it replaces the base's package",
     "it may prepare what the old package still is"),
    ("transfiletriggerun", "of those that stay, then of what goes, before any comes or goes",
     "it sees the files that will go"),
    ("filetriggerun", "of what goes and of all others, around %preun; from priority 10000 before",
     "it gets the files that go: those that no other package has"),
    ("triggerun", "of what goes, then of all others, itself among them, before %preun",
     "$2 counts what will be left of the package"),
    ("preun", "of what goes; $1 is 1 where it is replaced, 0 where it is removed",
     "the tree has the package still, and a program that is stopped here does not run anyway"),
    ("postun", "of what goes, when its files are gone; $1 as for %preun",
     "the tree must not keep what only this package knows of: links, caches, entries"),
    ("filetriggerpostun", "of all that are left, after %postun; priorities from 10000 before it",
     "caches are made again without the files"),
    ("triggerpostun", "of all, the package that goes among them, after %postun",
     "others undo what they did for the package"),
    ("posttrans", "of what comes, when everything that goes is gone; $1 as for %pretrans",
     "it sees the tree as it will be"),
    ("transfiletriggerpostun", "of those that are left, at the end, once each, by priority",
     "caches are made again once for all packages"),
)  # fmt: skip
"""What runs when packages of the base go or give way, beside the scripts of what comes: section,
when, and why it runs in a tree that is built and not changed."""


@dataclass(frozen=True)
class Erase:
    """The files of the removed package `member` go now."""

    member: Member


def plan_exchange(
    base: Sequence[Member],
    added: Sequence[Member],
    order: Sequence[Member],
    vanishing: Vanishing,
    satisfies: Satisfies,
) -> tuple[Step | Erase, ...]:
    """Everything that happens when `added` come and the keys of `vanishing` (of `base`) go.

    `order` has all of both, as librpm orders them.
    """
    return tuple(_Exchange(base, added, order, vanishing, satisfies).all_steps())


class _Exchange(Planner):
    def __init__(
        self,
        base: Sequence[Member],
        added: Sequence[Member],
        order: Sequence[Member],
        vanishing: Vanishing,
        satisfies: Satisfies,
    ) -> None:
        super().__init__(base, added, satisfies)
        self.order = order
        self.vanishing = vanishing
        self.there = {m.nevra.name: self.count(m.nevra.name) for m in added}
        self.after: dict[tuple[Member, int], Trigger] = {}

    def all_steps(self) -> Iterator[Step | Erase]:
        for member in self.added:
            yield from self.scriptlet(member, "pretrans", self.there[member.nevra.name] + 1)
        yield from self._before_transaction()
        for member in self.order:
            if member in self.vanishing:
                yield from self._remove(member)
            else:
                yield from self.install(self.added.index(member), member)
        for member in self.added:
            yield from self.scriptlet(member, "posttrans", self.there[member.nevra.name] + 1)
        yield from self.base_transaction_triggers()
        yield from self._after_transaction()
        yield from self.own_transaction_triggers()

    def _before_transaction(self) -> Iterator[Run]:
        """Everybody's %transfiletriggerun on what goes, then those of what goes on everything."""
        kind, gone = "transfiletriggerun", sorted(self.vanishing, key=lambda m: m.number)
        found = [(o, t) for o in self.members for t in o.triggers if t.kind == kind]
        for owner, trigger in sorted(found, key=lambda f: -f[1].priority):
            if owner not in self.vanishing:
                yield from file_run(owner, trigger, matching_dirs(trigger, gone), None)
        for member in (m for m in self.order if m in self.vanishing):
            for trigger in by_priority([t for t in member.triggers if t.kind == kind]):
                yield from file_run(member, trigger, matching_dirs(trigger, self.members), None)

    def _remove(self, member: Member) -> Iterator[Step | Erase]:
        name = member.nevra.name
        left = self.count(name) - 1
        yield from self._file_triggers_un(member, "filetriggerun", upper=True, own=True)
        yield from self._own_triggers(member, left)
        yield from self._others_triggers(member, "triggerun", left)
        yield from self.scriptlet(member, "preun", left)
        yield from self._file_triggers_un(member, "filetriggerun", upper=False, own=True)
        yield Erase(member)
        yield from self._file_triggers_un(member, "filetriggerpostun", upper=True)
        yield from self.scriptlet(member, "postun", left)
        yield from self._others_triggers(member, "triggerpostun", left)
        yield from self._file_triggers_un(member, "filetriggerpostun", upper=False)
        self.members.remove(member)
        self._note_after(member)

    def _own_triggers(self, member: Member, left: int) -> Iterator[Run]:
        """Its own %triggerun on packages that are there, in the order of its conditions."""
        done: list[Trigger] = []
        for condition, trigger in entries(member):
            if not any(trigger is d for d in done):
                for run in self.set_off_by(member, condition[0], "triggerun", done):
                    yield replace(run, arguments=(left, run.arguments[1]))

    def _others_triggers(self, member: Member, kind: str, left: int) -> Iterator[Run]:
        for owner in tuple(self.members):
            found = self.match(owner, member, kind)
            if found is not None:
                arguments = (self.count(owner.nevra.name), left)
                yield Run(owner, kind, found.script, arguments, cause=str(member.nevra))

    def _file_triggers_un(
        self, member: Member, kind: str, *, upper: bool, own: bool = False
    ) -> Iterator[Run]:
        """Its own file triggers on everything (`own`), then everybody's on the files that go."""
        if own:
            for trigger in by_priority(of_class(member, kind, upper)):
                yield from file_run(member, trigger, matching_dirs(trigger, self.members), member)
        files = self.vanishing[member]
        found = [(o, t) for o in self.members for t in of_class(o, kind, upper)]
        for owner, trigger in sorted(found, key=lambda f: -f[1].priority):
            hits = tuple(p for c in trigger.conditions for p in files if p.startswith(c[0]))
            yield from file_run(owner, trigger, hits, member)

    def _note_after(self, member: Member) -> None:
        """%transfiletriggerpostun that this sets off; it gets no file names."""
        for owner in self.members:
            for place, trigger in enumerate(owner.triggers):
                prefixes = tuple(c[0] for c in trigger.conditions)
                if trigger.kind == "transfiletriggerpostun" and any(
                    p.startswith(prefixes) for p in member.files
                ):
                    self.after[owner, place] = trigger

    def _after_transaction(self) -> Iterator[Run]:
        """Each once, of those that are still there, by priority over all packages."""
        there = [(o, t) for (o, _), t in self.after.items() if o in self.members]
        there.sort(key=lambda found: (-found[1].priority, found[0].number))
        for owner, trigger in there:
            yield Run(owner, trigger.kind, trigger.script, (0,))
