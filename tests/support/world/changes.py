"""What the second version of the base changes: about one source package in eight is rebuilt, one
package is renamed, one dropped, one begins to conflict with a layer, and one layerable package
joins the base.

Pure choice; `debian.py` carries it out.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from tests.support.world.model import Deb, Plan
from tests.support.world.relations import parse_terms

PERCENT = 13
FORCED = frozenset({"bash", "curl", "glibc", "jq", "ncurses", "openssl"})
# A layer that stays as it is must exist too; a second kernel would double the time to build.
NEVER = frozenset({"htop", "linux", "linux-signed-amd64", "tmux"})

DROPPED = "nano"
RENAMED = ("jq", "jq-ng")
JOINED = "tree"
NEW_CONFLICT = {"curl": ("Conflicts: mc",)}


@dataclass(frozen=True)
class Changes:
    rebuilt: frozenset[str]
    base: tuple[str, ...]

    def tags(self, names: Iterable[str]) -> dict[str, str]:
        """The release tag of each package in the second version."""
        return {name: "w2" if name in self.rebuilt else "w1" for name in names}


def plan_changes(plan: Plan) -> Changes:
    sources = {deb.source for deb in plan.debs.values()}
    rebuilt = {source for source in sources if _is_rebuilt(source)}
    # Whoever asks for exactly the old build has to be built again, and so with it its source.
    while more := _exact_dependants(plan.debs, rebuilt) - rebuilt:
        rebuilt |= more
    base = {*plan.base, JOINED, RENAMED[1]} - {DROPPED, RENAMED[0]}
    names = frozenset(deb.name for deb in plan.debs.values() if deb.source in rebuilt)
    return Changes(names - {RENAMED[0]}, tuple(sorted(base)))


def _is_rebuilt(source: str) -> bool:
    lot = int(hashlib.md5(source.encode(), usedforsecurity=False).hexdigest(), 16) % 100
    return (lot < PERCENT or source in FORCED) and source not in NEVER


def _exact_dependants(debs: Mapping[str, Deb], rebuilt: set[str]) -> set[str]:
    names = {deb.name for deb in debs.values() if deb.source in rebuilt}
    return {deb.source for deb in debs.values() if _needs_exactly(deb, names)}


def _needs_exactly(deb: Deb, names: set[str]) -> bool:
    return any(
        operator == "=" and name in names
        for field in ("Depends", "Pre-Depends")
        for group in parse_terms(deb.control.get(field, ""))
        for name, _, operator in group
    )
