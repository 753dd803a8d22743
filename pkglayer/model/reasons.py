"""Why a package is in the solution: pure walks over who needs whom.

The graph comes from `system.sack`; `stages.resolve` writes the answers into the plan.
"""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

Node = TypeVar("Node", bound=Hashable)


@dataclass(frozen=True)
class Root(Generic[Node]):
    """What one request chose directly; `weak` tells whether it may pull in weak dependencies."""

    spec: str
    nodes: tuple[Node, ...]
    group: bool = False
    weak: bool = True


@dataclass(frozen=True)
class Reason:
    """`kind` is `user`, `group`, `dependency` or `weak-dependency`; `requests` are sorted specs."""

    kind: str
    requests: tuple[str, ...] = ()


def reach(
    start: Iterable[Node],
    hard: Mapping[Node, set[Node]],
    weak: Mapping[Node, set[Node]] | None = None,
) -> set[Node]:
    """Everything that is there because of `start`, itself included."""
    seen: set[Node] = set()
    todo = list(start)
    while todo:
        node = todo.pop()
        if node not in seen:
            seen.add(node)
            todo.extend(hard.get(node, ()))
            todo.extend(weak.get(node, ()) if weak else ())
    return seen


def find_reasons(
    nodes: Iterable[Node],
    roots: Sequence[Root[Node]],
    hard: Mapping[Node, set[Node]],
    weak: Mapping[Node, set[Node]],
) -> dict[Node, Reason]:
    """The reason of every node; one that nothing leads to is weak and has no requests."""
    reached = {
        root.spec: reach(root.nodes, hard, weak if root.weak else None)
        for root in sorted(roots, key=lambda r: r.spec)
    }
    asked = {n for r in roots if not r.group for n in r.nodes}
    grouped = {n for r in roots if r.group for n in r.nodes}
    needed = reach(asked | grouped, hard)
    suggested = {n for targets in weak.values() for n in targets}
    reasons = {}
    for node in nodes:
        specs = tuple(spec for spec, there in reached.items() if node in there)
        if node in asked:
            kind = "user"
        elif node in grouped:
            kind = "group"
        elif node in needed or (specs and node not in suggested):
            kind = "dependency"
        else:
            kind = "weak-dependency"
        reasons[node] = Reason(kind, specs)
    return reasons
