"""The order in which rpm runs scriptlets and triggers when packages are installed, as a value.

`plan_sequence` follows librpm 4.18 (transaction.c, psm.c, rpmtriggers.c) for a transaction that
only adds packages: which scripts run, in which order, with which arguments and input. It is pure,
so the whole sequence is known, and can be shown and checked, before anything runs. Versions in
trigger conditions are compared by a function that the caller brings.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from pkglayer.model.package import FileEntry, Nevra
from pkglayer.model.scriptlet import Scriptlet, Trigger

PRIORITY_BOUND = 10_000
"""File triggers at or above it run before %post, those below it after."""

SENSE_BITS = {
    "triggerin": 1 << 16,
    "triggerun": 1 << 17,
    "triggerpostun": 1 << 18,
    "triggerprein": 1 << 25,
}
"""rpm's RPMSENSE_TRIGGER* flags, which mark what sets a trigger off."""


@dataclass(frozen=True)
class Member:
    """A package as the sequence sees it: one of the base that matters, or one that is added.

    `number` is its place in the database (for packages that are added: after all others, in
    installation order); `files` are absolute paths in header order, of the base's packages only
    those below a prefix that somebody asks for; `provides` are (name, flags, EVR) of its own name;
    `blob` is the header for scripts that quote it, empty where none does.
    """

    nevra: Nevra
    number: int
    scriptlets: tuple[Scriptlet, ...] = ()
    triggers: tuple[Trigger, ...] = ()
    files: tuple[str, ...] = ()
    provides: tuple[tuple[str, int, str], ...] = ()
    prefixes: tuple[str, ...] = ()
    blob: bytes = field(default=b"", repr=False)


@dataclass(frozen=True)
class Unpack:
    """The files of the added package at `index` appear now."""

    index: int


@dataclass(frozen=True)
class Run:
    """One script runs now.

    `arguments` follow the script's path; `stdin` are the file names that set a file trigger off;
    `cause` is the package that set it off, the owner itself for its own scriptlets.
    """

    owner: Member
    kind: str
    script: Scriptlet
    arguments: tuple[int, ...] = ()
    stdin: tuple[str, ...] = ()
    cause: str = ""


Step = Unpack | Run
Condition = tuple[str, int, str]
Satisfies = Callable[[Member, Condition], bool]
"""Whether one of a package's `provides` of its own name meets a condition."""


def plan_sequence(
    base: Sequence[Member], added: Sequence[Member], satisfies: Satisfies
) -> tuple[Step, ...]:
    """Everything that happens when `added` is installed, in this order, on `base`."""
    return tuple(_Planner(base, added, satisfies).steps())


def needed_prefixes(added: Sequence[Member]) -> tuple[str, ...]:
    """The path prefixes below which an added package asks for everybody's files."""
    kinds = ("filetriggerin", "transfiletriggerin")
    return tuple(
        sorted({c[0] for m in added for t in m.triggers if t.kind in kinds for c in t.conditions})
    )


def needed_names(added: Sequence[Member]) -> frozenset[str]:
    """The names of packages of the base that matter: same names, and those of conditions."""
    wanted = {c[0] for m in added for t in m.triggers if _is_plain(t) for c in t.conditions}
    return frozenset(wanted | {m.nevra.name for m in added})


def file_names(files: Sequence[FileEntry]) -> tuple[str, ...]:
    """Paths in the order that librpm walks them."""
    return tuple(f.path for f in files)


def _is_plain(trigger: Trigger) -> bool:
    return trigger.kind.startswith("trigger")


class _Planner:
    """The database as it fills; `members` are what is installed so far, by number."""

    def __init__(self, base: Sequence[Member], added: Sequence[Member], satisfies: Satisfies):
        self.members = sorted(base, key=lambda m: m.number)
        self.base_count = len(self.members)
        self.added = added
        self.satisfies = satisfies

    def steps(self) -> Iterator[Step]:
        for member in self.added:
            yield from self._scriptlet(member, "pretrans", self._count(member.nevra.name) + 1)
        for index, member in enumerate(self.added):
            yield from self._install(index, member)
        for member in self.added:
            yield from self._scriptlet(member, "posttrans", self._count(member.nevra.name))
        yield from self._transaction_triggers()

    def _install(self, index: int, member: Member) -> Iterator[Step]:
        yield from self._package_triggers(member, "triggerprein")
        yield from self._scriptlet(member, "pre", self._count(member.nevra.name) + 1)
        yield Unpack(index)
        self.members.append(member)
        yield from self._file_triggers(member, upper=True)
        yield from self._scriptlet(member, "post", self._count(member.nevra.name))
        yield from self._package_triggers(member, "triggerin")
        yield from self._file_triggers(member, upper=False)

    def _count(self, name: str) -> int:
        return sum(1 for m in self.members if m.nevra.name == name)

    def _scriptlet(self, member: Member, kind: str, argument: int) -> Iterator[Run]:
        for script in member.scriptlets:
            if script.kind == kind:
                yield Run(member, kind, script, (argument,), cause=str(member.nevra))

    # --- triggers on packages --------------------------------------------------------------

    def _package_triggers(self, member: Member, kind: str) -> Iterator[Run]:
        """First others' triggers that this package sets off, then its own that others set off."""
        name = member.nevra.name
        for owner in tuple(self.members):
            if (trigger := self._match(owner, member, kind)) is not None:
                yield self._trigger_run(owner, trigger, member, self._count(name))
        done: list[Trigger] = []
        for condition, trigger in _entries(member):
            if not any(trigger is d for d in done):
                yield from self._set_off_by(member, condition[0], kind, done)

    def _set_off_by(
        self, owner: Member, name: str, kind: str, done: list[Trigger]
    ) -> Iterator[Run]:
        sources = [m for m in self.members if m.nevra.name == name]
        for source in sources:
            found = self._match(owner, source, kind)
            if found is not None and not any(found is d for d in done):
                yield self._trigger_run(owner, found, source, len(sources))
                done.append(found)

    def _match(self, owner: Member, source: Member, kind: str) -> Trigger | None:
        """The first trigger of `owner` that `source` sets off; one pair runs one script at most."""
        for condition, trigger in _entries(owner):
            if (
                trigger.kind == kind
                and condition[0] == source.nevra.name
                and self.satisfies(source, condition)
            ):
                return trigger
        return None

    def _trigger_run(self, owner: Member, trigger: Trigger, source: Member, count: int) -> Run:
        arguments = (self._count(owner.nevra.name), count)
        return Run(owner, trigger.kind, trigger.script, arguments, cause=str(source.nevra))

    # --- triggers on files -----------------------------------------------------------------

    def _file_triggers(self, member: Member, *, upper: bool) -> Iterator[Run]:
        """Everybody's file triggers on this package's files, then its own on all others'."""
        found = [
            (owner, trigger)
            for owner in self.members
            for trigger in _of_class(owner, "filetriggerin", upper)
        ]
        for owner, trigger in sorted(found, key=lambda f: -f[1].priority):
            yield from _file_run(owner, trigger, _matching(trigger, [member]), member)
        others = self.members[:-1]
        for trigger in _by_priority(_of_class(member, "filetriggerin", upper)):
            yield from _file_run(member, trigger, _matching_dirs(trigger, others), member)

    def _transaction_triggers(self) -> Iterator[Run]:
        """The base's on all that was added, by priority; then each added package's own on all."""
        base, added = self.members[: self.base_count], self.members[self.base_count :]
        found = [(o, t) for o in base for t in o.triggers if t.kind == "transfiletriggerin"]
        for owner, trigger in sorted(found, key=lambda f: -f[1].priority):
            yield from _file_run(owner, trigger, _matching_dirs(trigger, added), None)
        for member in added:
            own = [t for t in member.triggers if t.kind == "transfiletriggerin"]
            for trigger in _by_priority(own):
                yield from _file_run(member, trigger, _matching_dirs(trigger, self.members), None)


def _entries(owner: Member) -> list[tuple[Condition, Trigger]]:
    """All conditions on packages in the header's order, which goes across triggers."""
    entries = [
        (place, condition, trigger)
        for trigger in owner.triggers
        if _is_plain(trigger)
        for place, condition in zip(trigger.positions, trigger.conditions, strict=True)
    ]
    return [(condition, trigger) for _, condition, trigger in sorted(entries, key=lambda e: e[0])]


def _of_class(owner: Member, kind: str, upper: bool) -> list[Trigger]:
    return [t for t in owner.triggers if t.kind == kind and (t.priority >= PRIORITY_BOUND) == upper]


def _by_priority(triggers: Sequence[Trigger]) -> list[Trigger]:
    return sorted(triggers, key=lambda t: -t.priority)


def _matching(trigger: Trigger, members: Sequence[Member]) -> tuple[str, ...]:
    """Files that begin with a prefix, prefix by prefix; `/usr/lib` also is one of `/usr/lib64`."""
    return tuple(
        path
        for prefix, _, _ in trigger.conditions
        for member in members
        for path in member.files
        if path.startswith(prefix)
    )


def _matching_dirs(trigger: Trigger, members: Sequence[Member]) -> tuple[str, ...]:
    """The same over a database: librpm finds packages there by the names of their directories."""
    return tuple(
        path
        for prefix, _, _ in trigger.conditions
        for member in members
        if any(_directory(path).startswith(prefix) for path in member.files)
        for path in member.files
        if path.startswith(prefix)
    )


def _directory(path: str) -> str:
    return path[: path.rindex("/") + 1]


def _file_run(
    owner: Member, trigger: Trigger, files: tuple[str, ...], cause: Member | None
) -> Iterator[Run]:
    if files:
        named = str(cause.nevra) if cause else ""
        yield Run(owner, trigger.kind, trigger.script, (0,), files, named)
