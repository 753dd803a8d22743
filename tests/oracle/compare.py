"""Compares two trees file by file and names each difference; `rows.py` says which have a reason.

pkglayer keeps some content elsewhere and links to it. `followed` shows that content at the path at
which programs see it, so that it is compared with rpm's like all other; every such move is a
difference itself.
"""

import posixpath
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pkglayer.model.pathmap import RULES
from tests.oracle.trees import Seen, Tree


@dataclass(frozen=True)
class Difference:
    """`aspect` is what differs: `extra` (only pkglayer has it), `missing` (only rpm), `moved`,
    `type`, `content`, `mode`, `owner`, `target`, `xattrs`, `links`; for the database and other
    programs' words `package`, `header`, `said`. `path` is a path or what else it is about; the two
    places are set where both have a file."""

    aspect: str
    path: str
    ours: str
    rpm: str
    our_place: Path | None = None
    rpm_place: Path | None = None


_LINKED = {r.prefix: r.to for r in RULES if r.action in ("link", "link-files")}
_MOVED = {r.prefix: r.to for r in RULES if r.action == "move" and r.prefix != "etc/"}


def compare_trees(ours: Tree, rpm: Tree) -> Iterator[Difference]:
    """All differences, by path. Neither tree may have its /etc below /usr."""
    shown, moves = followed(ours, rpm)
    yield from moves
    for path in sorted(shown.keys() | rpm.keys()):
        mine, its = shown.get(path), rpm.get(path)
        if mine is None and its is not None:
            yield Difference("missing", path, "", _describe(its), None, its.place)
        elif its is None and mine is not None:
            yield Difference("extra", path, _describe(mine), "", mine.place, None)
        elif mine is not None and its is not None:
            yield from _compare(path, mine, its)
    yield from _compare_links(shown, rpm)


def followed(ours: Tree, rpm: Tree) -> tuple[dict[str, Seen], list[Difference]]:
    """Our tree with content at the paths where it is seen, and the moves this took."""
    shown, moves = dict(ours), []
    for path, target in _find_moves(ours, rpm):
        if path in ours:
            its = _describe(rpm[path]) if path in rpm else "-"
            moves.append(Difference("moved", path, f"-> {target}", its))
        else:
            moves.append(Difference("moved", path, target, _describe(rpm[path])))
        for name in [n for n in shown if n == target or n.startswith(f"{target}/")]:
            shown[path + name.removeprefix(target)] = shown.pop(name)
    return shown, moves


def _find_moves(ours: Tree, rpm: Tree) -> Iterator[tuple[str, str]]:
    for path, seen in ours.items():
        for prefix, to in _LINKED.items():
            target = posixpath.normpath(posixpath.join(posixpath.dirname(path), seen.target))
            if path.startswith(prefix) and seen.kind == "link" and target.startswith(to):
                yield path, target
        for prefix, to in _MOVED.items():
            below = path.removeprefix(to)
            if below != path and below and "/" not in below and prefix + below in rpm:
                yield prefix + below, path


def _describe(seen: Seen) -> str:
    more = seen.target or seen.digest[:12]
    return f"{seen.kind} {seen.mode:04o} {seen.owner[0]}:{seen.owner[1]} {more}".rstrip()


def _compare(path: str, mine: Seen, its: Seen) -> Iterator[Difference]:
    if mine.kind != its.kind:
        yield Difference("type", path, _describe(mine), _describe(its), mine.place, its.place)
        return
    pairs: Mapping[str, tuple[object, object]] = {
        "content": (mine.digest, its.digest),
        "target": (mine.target, its.target),
        "mode": (f"{mine.mode:04o}", f"{its.mode:04o}"),
        "owner": (mine.owner, its.owner),
        "xattrs": (mine.xattrs, its.xattrs),
    }
    for aspect, (a, b) in pairs.items():
        if a != b:
            yield Difference(aspect, path, str(a), str(b), mine.place, its.place)


def _compare_links(ours: Tree, rpm: Tree) -> Iterator[Difference]:
    """Names that rpm made one file must be one file here; more may be one, see the rows."""
    sets: dict[int, list[str]] = defaultdict(list)
    for path, seen in rpm.items():
        if seen.kind == "file" and seen.names > 1:
            sets[seen.inode].append(path)
    for paths in sets.values():
        inodes = {ours[p].inode for p in paths if p in ours}
        if len(inodes) > 1:
            place = rpm[paths[0]].place
            told = f"{len(inodes)} files", f"one: {' '.join(paths)}"
            yield Difference("links", paths[0], *told, None, place)
