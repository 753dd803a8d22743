"""Debian's dependency fields, said in RPM's words.

The two systems compare versions alike but for details; where they would disagree about a package
of this world, Debian's answer wins and the range is dropped. Packages outside the world are named
in weak dependencies only.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import apt_pkg  # type: ignore[import-not-found,import-untyped,unused-ignore]  # Debian only
import rpm

from tests.support.world.model import Deb

apt_pkg.init_system()  # the order of versions belongs to it

_OPERATORS = {"=": "=", ">=": ">=", "<=": "<=", "<<": "<", ">>": ">", "<": "<", ">": ">"}
_TO_DEBIAN = {"<": "<<", ">": ">>"}

Term = tuple[str, str, str]  # name, version, operator


class Evr(NamedTuple):
    """Epoch, version and release; the release is empty where a range names none."""

    epoch: str
    version: str
    release: str

    def __str__(self) -> str:
        epoch = f"{self.epoch}:" if self.epoch != "0" else ""
        release = f"-{self.release}" if self.release else ""
        return f"{epoch}{self.version}{release}"


def to_evr(version: str) -> Evr:
    """A Debian version as rpm spells it: a hyphen in the upstream part becomes a dot."""
    epoch, _, rest = version.rpartition(":")
    upstream, hyphen, revision = rest.rpartition("-")
    if not hyphen:
        upstream, revision = rest, ""
    return Evr(epoch or "0", upstream.replace("-", "."), revision)


def parse_terms(field: str) -> Iterator[list[Term]]:
    """The alternatives of each relation of a field, without architecture qualifiers."""
    for group in apt_pkg.parse_depends(field, True):
        yield [(name.split(":")[0], version, operator) for name, version, operator in group]


@dataclass(frozen=True)
class Universe:
    """All packages of one version of the world, with the release tag each is built with."""

    versions: Mapping[str, str]
    providers: Mapping[str, tuple[str, ...]]
    """Virtual name -> the versions it is provided in, empty for an unversioned Provides."""
    tags: Mapping[str, str]

    @classmethod
    def of(cls, debs: Iterable[Deb], tags: Mapping[str, str]) -> "Universe":
        versions = {}
        providers: dict[str, tuple[str, ...]] = {}
        for deb in debs:
            versions[deb.name] = deb.version
            for ((name, version, _),) in parse_terms(deb.control.get("Provides", "")):
                providers[name] = (*providers.get(name, ()), version)
        return cls(versions, providers, tags)

    def built_evr(self, name: str) -> Evr:
        """What the RPM of a package of this world is called."""
        evr = to_evr(self.versions[name])
        return evr._replace(release=f"{evr.release or '0'}.{self.tags[name]}")

    def requires(self, field: str, *, weak: bool = False) -> list[str]:
        """A Depends, Recommends or Suggests field; hard ones name what the world has."""
        dependencies = []
        for group in parse_terms(field):
            terms = [
                self._wanted(term)
                for term in group
                if weak or term[0] in self.versions or term[0] in self.providers
            ]
            terms = list(dict.fromkeys(terms))
            if terms:
                dependencies.append(terms[0] if len(terms) == 1 else f"({' or '.join(terms)})")
        return dependencies

    def conflicts(self, field: str, own_name: str) -> list[str]:
        """A Conflicts or Breaks field."""
        terms = (group[0] for group in parse_terms(field))
        found = (self._unwanted(term) for term in terms if term[0] != own_name)
        return [conflict for conflict in found if conflict]

    def obsoletes(self, control: Mapping[str, str], own_name: str) -> list[str]:
        """Replaces together with Conflicts or Breaks means that a package took another's place.

        Only for names that are gone: an obsoleted package of this world could not be installed.
        """
        against = {
            group[0][0]
            for field in ("Conflicts", "Breaks")
            for group in parse_terms(control.get(field, ""))
        }
        taken = [group[0] for group in parse_terms(control.get("Replaces", ""))]
        known = self.versions.keys() | self.providers.keys() | {own_name}
        return [_range(term) for term in taken if term[0] in against and term[0] not in known]

    def _wanted(self, term: Term) -> str:
        name, version, operator = term
        if name not in self.versions or not operator:
            return _range(term)
        have = self.versions[name]
        if operator == "=" and apt_pkg.version_compare(have, version) == 0:
            return f"{name} = {self.built_evr(name)}"
        debian, rpm_says = self._is_met(term)
        # Met in Debian but not in rpm's order: without the range rpm agrees.
        return name if debian and not rpm_says else _range(term)

    def _unwanted(self, term: Term) -> str | None:
        name, _, operator = term
        if not operator:
            return name
        # An unversioned Provides meets every range in rpm and none in Debian.
        if "" in self.providers.get(name, ()):
            return None
        if name in self.versions:
            debian, rpm_says = self._is_met(term)
            if rpm_says and not debian:
                return None
        return _range(term)

    def _is_met(self, term: Term) -> tuple[bool, bool]:
        """Whether the world's own package is in the range, by Debian's and by rpm's order."""
        name, version, operator = term
        operator = _OPERATORS[operator]
        debian_operator = _TO_DEBIAN.get(operator, operator)
        debian = apt_pkg.check_dep(self.versions[name], debian_operator, version)
        have, want = self.built_evr(name), to_evr(version)
        if not want.release:
            have = have._replace(release="")
        order = rpm.labelCompare(tuple(have), tuple(want))
        met = {"=": order == 0, "<": order < 0, ">": order > 0}
        return bool(debian), any(met[sign] for sign in operator)


def provides(control: Mapping[str, str]) -> list[str]:
    """A Provides field; the package's own name rpmbuild adds."""
    return [_range(group[0]) for group in parse_terms(control.get("Provides", ""))]


def _range(term: Term) -> str:
    name, version, operator = term
    return f"{name} {_OPERATORS[operator]} {to_evr(version)}" if operator else name
