"""Package groups of repositories (comps.xml): what `@group` stands for.

`read_groups(repositories)` -> all groups and environments; `find_group(groups, spec)` picks one.
Which members can be installed is for `stages.resolve`.
"""

import bz2
import gzip
import lzma
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
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

    `conditional` are (package, other package that must be there for it).
    """

    id: str
    name: str = ""
    mandatory: tuple[str, ...] = ()
    default: tuple[str, ...] = ()
    conditional: tuple[tuple[str, str], ...] = ()


def find_group(groups: Sequence[Group], spec: str) -> Group | None:
    """The group that `@spec` means: by id, else by name in any case."""
    wanted = spec.removeprefix("@")
    by_id = [g for g in groups if g.id == wanted]
    by_name = [g for g in groups if g.name.casefold() == wanted.casefold()]
    return next(iter([*by_id, *by_name]), None)


def read_groups(repositories: Iterable[Repository]) -> list[Group]:
    """Groups of all repositories; of one id in several, the members are joined.

    Raises RepositoryError naming the repository whose file cannot be read.
    """
    found: dict[str, Group] = {}
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
            found[group.id] = _join(found.get(group.id, Group(group.id)), [group])
    return list(found.values())


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
    """Groups and environments of one file; raises ValueError or ParseError for a bad one."""
    if b"<!ENTITY" in data:
        raise ValueError("it defines entities")
    top = ElementTree.XML(data)
    groups = {g.id: g for g in map(_group, top.iter("group"))}
    environments = []
    for element in top.iter("environment"):
        ids = [e.text or "" for e in element.iterfind("grouplist/groupid")]
        shell = Group(_text(element, "id"), _text(element, "name"))
        environments.append(_join(shell, [groups[i] for i in ids if i in groups]))
    return [g for g in (*groups.values(), *environments) if g.id]


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


def _join(first: Group, others: Iterable[Group]) -> Group:
    groups = [first, *others]
    return Group(
        first.id,
        first.name or next((g.name for g in groups if g.name), ""),
        tuple(dict.fromkeys(n for g in groups for n in g.mandatory)),
        tuple(dict.fromkeys(n for g in groups for n in g.default)),
        tuple(dict.fromkeys(c for g in groups for c in g.conditional)),
    )
