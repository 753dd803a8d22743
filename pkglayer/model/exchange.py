"""The order in which rpm runs scriptlets and triggers when packages of the base go or give way.

Extends `model.sequence`, which only adds packages, by rpm 4.18's order for removals, measured with
rpm itself: own file triggers, others' file triggers, package triggers, %preun, the files go,
%postun, and the triggers after it. Pure, as the other.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pkglayer.model.sequence import (
    Member,
    Planner,
    Run,
    Satisfies,
    Step,
    by_priority,
    file_run,
    matching_dirs,
    of_class,
)

Vanishing = Mapping[Member, tuple[str, ...]]
"""The files of a removed package that no other package has: those that really go."""


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
        self.after: list[Run] = []

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
        yield from self.after
        yield from self.own_transaction_triggers()

    def _before_transaction(self) -> Iterator[Run]:
        """Everybody's %transfiletriggerun on what goes, then those of what goes on everything."""
        kind, gone = "transfiletriggerun", list(self.vanishing)
        found = [(o, t) for o in self.members for t in o.triggers if t.kind == kind]
        for owner, trigger in sorted(found, key=lambda f: -f[1].priority):
            if owner not in self.vanishing:
                yield from file_run(owner, trigger, matching_dirs(trigger, gone), None)
        for member in gone:
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
        """Its own %triggerun on packages that are there."""
        done: list[object] = []
        for source in tuple(self.members):
            found = self.match(member, source, "triggerun")
            if found is not None and source is not member and found not in done:
                done.append(found)
                arguments = (left, self.count(source.nevra.name))
                yield Run(member, found.kind, found.script, arguments, cause=str(source.nevra))

    def _others_triggers(self, member: Member, kind: str, left: int) -> Iterator[Run]:
        for owner in tuple(self.members):
            found = self.match(owner, member, kind)
            if found is not None and owner is not member:
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
        """%transfiletriggerpostun of those that are there; it gets no file names."""
        ran = {(r.owner, r.script) for r in self.after}
        for owner in self.members:
            for trigger in owner.triggers:
                prefixes = tuple(c[0] for c in trigger.conditions)
                if (
                    trigger.kind == "transfiletriggerpostun"
                    and (owner, trigger.script) not in ran
                    and any(p.startswith(prefixes) for p in member.files)
                ):
                    self.after.append(Run(owner, trigger.kind, trigger.script, (0,)))
