"""The package database as a %pre finds it in rpm: without its own package and what comes after.

The state's database is finished before any script runs (docs/decisions/0003), so that scriptlets
may ask it. One that rpm runs before its package is installed, and that asks, gets a database made
for it: the base's, with what rpm would have put in and taken out until then.
"""

import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pkglayer.model.header import Imported
from pkglayer.model.package import Nevra
from pkglayer.model.scriptlet import Scriptlet
from pkglayer.system import rpmdb
from pkglayer.system.overlayroot import Root
from pkglayer.system.rpmremoved import Removal

_ASKS = re.compile(r"\b(rpm|rpmquery|dnf|yum)\b")
_EARLY = ("pretrans", "pre")


@dataclass(frozen=True)
class Earlier:
    """What databases of earlier moments are made from: `packages` in installation order."""

    root: Root
    dbpath: str
    epoch: int
    packages: Sequence[Imported]
    removal: Removal | None = None

    def make(self, script: Scriptlet, nevra: Nevra) -> tuple[tuple[Path, str], ...]:
        """A directory with the database for a scriptlet of the package `nevra`, and its place in
        the tree; nothing for a scriptlet that does not ask, or runs later."""
        if script.kind not in _EARLY or not _ASKS.search(script.body):
            return ()
        where = Path(tempfile.mkdtemp(prefix="rpmdb-", dir=self.root.work))
        self.root.repo.export(self.root.base, self.dbpath, where)
        done = self._done(nevra) if script.kind == "pre" else []
        if done:
            heads = [p.head for p in self.packages]
            gone = [r.member.number for r in self.removal.packages] if self.removal else []
            rpmdb.change_packages(
                where, self.dbpath, heads, self.epoch, gone, order=done, judged=True
            )
        return ((where / self.dbpath, f"/{self.dbpath}"),)

    def _done(self, nevra: Nevra) -> list[tuple[str, int]]:
        """What of the transaction came before the package."""
        own = next(n for n, p in enumerate(self.packages) if p.header.nevra == nevra)
        order = self.removal.order if self.removal else ()
        order = order or tuple(("+", n) for n in range(len(self.packages)))
        return list(order[: order.index(("+", own))])
