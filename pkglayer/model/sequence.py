"""The order in which rpm runs scriptlets and triggers when packages are installed, as a value.

`plan_sequence` follows librpm 4.18 (transaction.c, psm.c, rpmtriggers.c) for a transaction that
only adds packages: which scripts run, in which order, with which arguments and input. It is pure,
so the whole sequence is known, and can be shown and checked, before anything runs. Versions in
trigger conditions are compared by a function that the caller brings.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from pkglayer.model.package import Nevra
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

    @property
    def environment(self) -> dict[str, str]:
        """What scripts of a relocatable package are told: where its prefixes are."""
        names = {f"RPM_INSTALL_PREFIX{n}": prefix for n, prefix in enumerate(self.prefixes)}
        return {"RPM_INSTALL_PREFIX": self.prefixes[0], **names} if names else {}


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
    return tuple(Planner(base, added, satisfies).steps())


def needed_prefixes(added: Sequence[Member]) -> tuple[str, ...]:
    """The path prefixes below which a package asks for everybody's files."""
    kinds = ("filetriggerin", "transfiletriggerin", "filetriggerun", "transfiletriggerun")
    return tuple(
        sorted({c[0] for m in added for t in m.triggers if t.kind in kinds for c in t.conditions})
    )


def needed_names(added: Sequence[Member]) -> frozenset[str]:
    """The names of packages of the base that matter: same names, and those of conditions."""
    wanted = {c[0] for m in added for t in m.triggers if _is_plain(t) for c in t.conditions}
    return frozenset(wanted | {m.nevra.name for m in added})


def _is_plain(trigger: Trigger) -> bool:
    return trigger.kind.startswith("trigger")


class Planner:
    """The database as it fills; `members` are what is installed so far, by number."""

    def __init__(self, base: Sequence[Member], added: Sequence[Member], satisfies: Satisfies):
        self.members = sorted(base, key=lambda m: m.number)
        self.added = added
        self.satisfies = satisfies

    def steps(self) -> Iterator[Step]:
        for member in self.added:
            yield from self.scriptlet(member, "pretrans", self.count(member.nevra.name) + 1)
        for index, member in enumerate(self.added):
            yield from self.install(index, member)
        for member in self.added:
            yield from self.scriptlet(member, "posttrans", self.count(member.nevra.name))
        yield from self.base_transaction_triggers()
        yield from self.own_transaction_triggers()

    def install(self, index: int, member: Member) -> Iterator[Step]:
        yield from self._package_triggers(member, "triggerprein")
        yield from self.scriptlet(member, "pre", self.count(member.nevra.name) + 1)
        yield Unpack(index)
        self.members.append(member)
        yield from self._file_triggers(member, upper=True)
        yield from self.scriptlet(member, "post", self.count(member.nevra.name))
        yield from self._package_triggers(member, "triggerin")
        yield from self._file_triggers(member, upper=False)

    def count(self, name: str) -> int:
        return sum(1 for m in self.members if m.nevra.name == name)

    def scriptlet(self, member: Member, kind: str, argument: int) -> Iterator[Run]:
        for script in member.scriptlets:
            if script.kind == kind:
                yield Run(member, kind, script, (argument,), cause=str(member.nevra))

    # --- triggers on packages --------------------------------------------------------------

    def _package_triggers(self, member: Member, kind: str) -> Iterator[Run]:
        """First others' triggers that this package sets off, then its own that others set off."""
        name = member.nevra.name
        for owner in tuple(self.members):
            if (trigger := self.match(owner, member, kind)) is not None:
                yield self._trigger_run(owner, trigger, member, self.count(name))
        done: list[Trigger] = []
        for condition, trigger in entries(member):
            if not any(trigger is d for d in done):
                yield from self.set_off_by(member, condition[0], kind, done)

    def set_off_by(
        self, owner: Member, name: str, kind: str, done: list[Trigger]
    ) -> Iterator[Run]:
        """Triggers of `owner` that packages of a name set off, but for those that ran before."""
        sources = [m for m in self.members if m.nevra.name == name]
        for source in sources:
            found = self.match(owner, source, kind)
            if found is not None and not any(found is d for d in done):
                yield self._trigger_run(owner, found, source, len(sources))
                done.append(found)

    def match(self, owner: Member, source: Member, kind: str) -> Trigger | None:
        """The first trigger of `owner` that `source` sets off; one pair runs one script at most."""
        for condition, trigger in entries(owner):
            if (
                trigger.kind == kind
                and condition[0] == source.nevra.name
                and self.satisfies(source, condition)
            ):
                return trigger
        return None

    def _trigger_run(self, owner: Member, trigger: Trigger, source: Member, count: int) -> Run:
        arguments = (self.count(owner.nevra.name), count)
        return Run(owner, trigger.kind, trigger.script, arguments, cause=str(source.nevra))

    # --- triggers on files -----------------------------------------------------------------

    def _file_triggers(self, member: Member, *, upper: bool) -> Iterator[Run]:
        """Everybody's file triggers on this package's files, then its own on all others'."""
        found = [
            (owner, trigger)
            for owner in self.members
            for trigger in of_class(owner, "filetriggerin", upper)
        ]
        for owner, trigger in sorted(found, key=lambda f: -f[1].priority):
            yield from file_run(owner, trigger, _matching(trigger, [member]), member)
        others = self.members[:-1]
        for trigger in by_priority(of_class(member, "filetriggerin", upper)):
            yield from file_run(member, trigger, matching_dirs(trigger, others), member)

    def base_transaction_triggers(self) -> Iterator[Run]:
        """The base's on all that was added, by priority."""
        new = {id(m) for m in self.added}
        added = [m for m in self.members if id(m) in new]
        base = [m for m in self.members if id(m) not in new]
        found = [(o, t) for o in base for t in o.triggers if t.kind == "transfiletriggerin"]
        for owner, trigger in sorted(found, key=lambda f: -f[1].priority):
            yield from file_run(owner, trigger, matching_dirs(trigger, added), None)

    def own_transaction_triggers(self) -> Iterator[Run]:
        """Each added package's own on everything, its own files among it."""
        for member in self.added:
            own = [t for t in member.triggers if t.kind == "transfiletriggerin"]
            for trigger in by_priority(own):
                yield from file_run(member, trigger, matching_dirs(trigger, self.members), None)


def entries(owner: Member) -> list[tuple[Condition, Trigger]]:
    """All conditions on packages in the header's order, which goes across triggers."""
    entries = [
        (place, condition, trigger)
        for trigger in owner.triggers
        if _is_plain(trigger)
        for place, condition in zip(trigger.positions, trigger.conditions, strict=True)
    ]
    return [(condition, trigger) for _, condition, trigger in sorted(entries, key=lambda e: e[0])]


def of_class(owner: Member, kind: str, upper: bool) -> list[Trigger]:
    return [t for t in owner.triggers if t.kind == kind and (t.priority >= PRIORITY_BOUND) == upper]


def by_priority(triggers: Sequence[Trigger]) -> list[Trigger]:
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


def matching_dirs(trigger: Trigger, members: Sequence[Member]) -> tuple[str, ...]:
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


def file_run(
    owner: Member, trigger: Trigger, files: tuple[str, ...], cause: Member | None
) -> Iterator[Run]:
    if files:
        named = str(cause.nevra) if cause else ""
        yield Run(owner, trigger.kind, trigger.script, (0,), files, named)
