"""Package groups of repositories (comps.xml): what `@group` stands for.

`read_groups(repositories)` -> all groups and environments; `find_group(groups, spec)` picks one.
Which members can be installed is for `stages.resolve`.
"""

import bz2
import gzip
import lzma
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO
from xml.etree import ElementTree

from pkglayer.model.errors import RepositoryError
from pkglayer.system.rpmmd import Repository

MAX_BYTES = 64 * 1024**2
"""Unpacked; Fedora's file has about 2 MB."""

_UNPACKERS: dict[bytes, Callable[[BinaryIO], Any]] = {
    b"\x1f\x8b": lambda file: gzip.GzipFile(fileobj=file),
    b"\xfd7": lzma.LZMAFile,
    b"BZ": bz2.BZ2File,
}


@dataclass(frozen=True)
class Group:
    """A group, or an environment with the members of all its groups.

    `conditional` are (package, other package that must be there for it). Of an environment `groups`
    are the ids of its groups, `gone` those of them that there are not.
    """

    id: str
    name: str = ""
    mandatory: tuple[str, ...] = ()
    default: tuple[str, ...] = ()
    conditional: tuple[tuple[str, str], ...] = ()
    environment: bool = False
    groups: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()


def find_group(groups: Sequence[Group], spec: str) -> Group | None:
    """What `@spec` means: by id, else by name in any case; `@^spec` means environments alone.

    Of a group and an environment of one id or name it is the group.
    """
    wanted = spec.removeprefix("@").removeprefix("^")
    if spec.startswith("@^"):
        groups = [g for g in groups if g.environment]
    by_id = [g for g in groups if g.id == wanted]
    by_name = [g for g in groups if g.name.casefold() == wanted.casefold()]
    return next(iter([*by_id, *by_name]), None)


def read_groups(repositories: Iterable[Repository]) -> list[Group]:
    """Groups of all repositories, then environments; of one id in several, the members are joined.

    An environment may name groups of another repository. Raises RepositoryError naming the
    repository whose file cannot be read.
    """
    found: dict[tuple[bool, str], Group] = {}
    for repository in repositories:
        if not repository.comps:
            continue
        try:
            groups = parse_comps(_read(Path(repository.comps)))
        except (OSError, EOFError, ValueError, lzma.LZMAError, ElementTree.ParseError) as e:
            raise RepositoryError(
                f"the groups of repository {repository.id} cannot be read: {e}",
                hint="renew them with: pkglayer refresh-md",
            ) from e
        for group in groups:
            key = group.environment, group.id
            found[key] = _join([found[key], group] if key in found else [group])
    return fill_environments(list(found.values()))


def fill_environments(groups: Sequence[Group]) -> list[Group]:
    """The groups, then the environments with the members of their groups."""
    plain = {g.id: g for g in groups if not g.environment}
    return [*plain.values(), *(_fill(g, plain) for g in groups if g.environment)]


def _fill(environment: Group, plain: Mapping[str, Group]) -> Group:
    joined = _join([environment, *(plain[i] for i in environment.groups if i in plain)])
    return replace(joined, gone=tuple(i for i in environment.groups if i not in plain))


def _read(path: Path) -> bytes:
    with path.open("rb") as plain:
        unpack = _UNPACKERS.get(plain.read(2))
        plain.seek(0)
        stream = unpack(plain) if unpack else plain
        data: bytes = stream.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise ValueError(f"more than {MAX_BYTES} bytes")
    return data


def parse_comps(data: bytes) -> list[Group]:
    """Groups and environments of one file, these without members of their own.

    Raises ValueError or ParseError for a bad one.
    """
    if b"<!ENTITY" in data:
        raise ValueError("it defines entities")
    top = ElementTree.XML(data)
    groups = map(_group, top.iter("group"))
    environments = map(_environment, top.iter("environment"))
    return [g for g in (*groups, *environments) if g.id]


def _environment(element: ElementTree.Element) -> Group:
    ids = [(e.text or "").strip() for e in element.iterfind("grouplist/groupid")]
    known = tuple(i for i in ids if i)
    return Group(_text(element, "id"), _text(element, "name"), environment=True, groups=known)


def _group(element: ElementTree.Element) -> Group:
    rows = [
        (e.get("type", "mandatory"), (e.text or "").strip(), e.get("requires", ""))
        for e in element.iterfind("packagelist/packagereq")
    ]
    return Group(
        _text(element, "id"),
        _text(element, "name"),
        tuple(name for kind, name, _ in rows if kind == "mandatory" and name),
        tuple(name for kind, name, _ in rows if kind == "default" and name),
        tuple((name, other) for kind, name, other in rows if kind == "conditional" and name),
    )


def _text(element: ElementTree.Element, tag: str) -> str:
    """The untranslated text of a child."""
    plain = [c for c in element.iterfind(tag) if not c.attrib]
    return (plain[0].text or "").strip() if plain else ""


def _join(groups: Sequence[Group]) -> Group:
    return replace(
        groups[0],
        name=next((g.name for g in groups if g.name), ""),
        mandatory=tuple(dict.fromkeys(n for g in groups for n in g.mandatory)),
        default=tuple(dict.fromkeys(n for g in groups for n in g.default)),
        conditional=tuple(dict.fromkeys(c for g in groups for c in g.conditional)),
        groups=tuple(dict.fromkeys(i for g in groups for i in g.groups)),
    )
