"""What differs between the package sets of two states: added, removed, upgraded, downgraded, news.

Pure: versions are compared by a function that is passed in (librpm's, in practice).
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cmp_to_key

from pkglayer.model.package import Nevra

Compare = Callable[[Nevra, Nevra], int]


@dataclass(frozen=True)
class Change:
    """One package in two versions."""

    old: Nevra
    new: Nevra


@dataclass(frozen=True)
class PackageDiff:
    """The difference of two package sets, each part sorted by name."""

    added: tuple[Nevra, ...] = ()
    removed: tuple[Nevra, ...] = ()
    upgraded: tuple[Change, ...] = ()
    downgraded: tuple[Change, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.upgraded or self.downgraded)


@dataclass(frozen=True)
class ChangelogEntry:
    """One entry of a package's changelog; `time` is in seconds since 1970 (UTC)."""

    time: int
    author: str
    text: str


def diff_packages(old: Iterable[Nevra], new: Iterable[Nevra], compare: Compare) -> PackageDiff:
    """Compare two package sets; `compare(a, b)` is below 0 where a's version is the older one.

    A package that is there in one version before and in one after has changed. Where several
    versions stand side by side (kernels), each is added or removed for itself, and so is a package
    whose architecture changed, unless it moved to or from `noarch`.
    """
    before, after = set(old), set(new)
    gone, come = before - after, after - before
    changes = [
        *_pair(gone, come, lambda n: (n.name, n.arch)),
        *_pair(gone, come, lambda n: n.name, lambda c: "noarch" in (c.old.arch, c.new.arch)),
    ]
    signs = [(compare(c.old, c.new), c) for c in sorted(changes, key=lambda c: c.new)]
    # The same version in another architecture is neither up nor down.
    same = [c for sign, c in signs if sign == 0]

    def by_name(a: Nevra, b: Nevra) -> int:
        if a.name != b.name:
            return -1 if a.name < b.name else 1
        return compare(a, b) or (a.arch > b.arch) - (a.arch < b.arch)

    order = cmp_to_key(by_name)
    return PackageDiff(
        added=tuple(sorted([*come, *(c.new for c in same)], key=order)),
        removed=tuple(sorted([*gone, *(c.old for c in same)], key=order)),
        upgraded=tuple(c for sign, c in signs if sign < 0),
        downgraded=tuple(c for sign, c in signs if sign > 0),
    )


def _pair(
    gone: set[Nevra],
    come: set[Nevra],
    key: Callable[[Nevra], object],
    accept: Callable[[Change], bool] = lambda change: True,
) -> list[Change]:
    """Take out of both sets the packages that correspond one to one under `key`."""
    sides: dict[object, tuple[list[Nevra], list[Nevra]]] = defaultdict(lambda: ([], []))
    for nevra in gone:
        sides[key(nevra)][0].append(nevra)
    for nevra in come:
        sides[key(nevra)][1].append(nevra)
    pairs = [Change(a[0], b[0]) for a, b in sides.values() if len(a) == len(b) == 1]
    pairs = [change for change in pairs if accept(change)]
    gone -= {change.old for change in pairs}
    come -= {change.new for change in pairs}
    return pairs


def diff_changelogs(
    diff: PackageDiff,
    old: Mapping[Nevra, Sequence[ChangelogEntry]],
    new: Mapping[Nevra, Sequence[ChangelogEntry]],
) -> dict[Nevra, tuple[ChangelogEntry, ...]]:
    """For each changed package (its newer version) the entries that the older one does not have.

    Newest first. Entries are compared as a whole: packagers correct old ones now and then.
    """
    newer = [(c.new, new.get(c.new, ()), old.get(c.old, ())) for c in diff.upgraded]
    newer += [(c.old, old.get(c.old, ()), new.get(c.new, ())) for c in diff.downgraded]
    news: dict[Nevra, tuple[ChangelogEntry, ...]] = {}
    for nevra, has, had in newer:
        known = set(had)
        if entries := tuple(entry for entry in has if entry not in known):
            news[nevra] = entries
    return news


def matches(nevra: Nevra, pattern: str) -> bool:
    """Whether a shell-style pattern fits one of the forms in which a package can be written."""
    n = nevra
    forms = [
        n.name,
        f"{n.name}.{n.arch}",
        f"{n.name}-{n.version}",
        f"{n.name}-{n.version}-{n.release}",
        f"{n.name}-{n.version}-{n.release}.{n.arch}",
        f"{n.name}-{n.epoch}:{n.version}-{n.release}",
        f"{n.name}-{n.epoch}:{n.version}-{n.release}.{n.arch}",
    ]
    return any(fnmatchcase(form, pattern) for form in forms)
