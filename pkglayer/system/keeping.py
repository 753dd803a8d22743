"""What is layered already and stays what it is: what gives way to it, and which twin counts.

`Keeping` answers with offers to hide; the solver never sees that something is being kept.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

from pkglayer.model.fitting import most_fitting
from pkglayer.model.offer import CACHE, LOCAL, Offer
from pkglayer.model.package import Package
from pkglayer.system.sack import Sack


@dataclass(frozen=True)
class Keeping:
    """`packages` are those of the state before; `hidden` offers are out of the question."""

    sack: Sack
    packages: Sequence[Package]
    hidden: frozenset[Offer]

    def locks(self, before: Sequence[Package], fits: Callable[[set[Offer]], bool]) -> set[Offer]:
        """Offers to hide so that as many as possible of the packages `before` stay what they are.

        `fits(hidden)` tells whether the request can be met without these. Imported packages that
        are not kept give way to what repositories have of them: libsolv by itself would prefer
        them to any repository.
        """
        rivals = {str(p.nevra): r for p in before if (r := self._rivals(p))}
        kept = {p.header_checksum for p in before}
        for offer, head in self.sack.cached():
            if head.header_checksum in kept or head.package.repo == LOCAL:
                continue
            if older := self._superseded(offer):
                rivals[f"@{offer.nevra}"] = older

        def without(names: Sequence[str]) -> set[Offer]:
            return set().union(*(rivals[name] for name in names))

        if not rivals or not fits(set()):
            return set()
        return without(most_fitting((), sorted(rivals), lambda names: fits(without(names))))

    def worse_twins(self, chosen: Sequence[Offer], hidden: set[Offer]) -> set[Offer]:
        """Chosen offers whose NEVRA is to be had from a better place."""
        worse = set()
        for offer in chosen:
            twins = [
                t
                for t in self.sack.same(offer.nevra)
                if t not in hidden and not self.sack.is_excluded(t)
            ]
            if min(twins, key=self._twin_rank) != offer:
                worse.add(offer)
        return worse

    def _twin_rank(self, offer: Offer) -> tuple[int, int, Offer]:
        """Of one NEVRA: what is layered now, then local files, then the better repository."""
        head = self.sack.head(offer)
        if head and any(p.header_checksum == head.header_checksum for p in self.packages):
            return (0, *self.sack.rank(offer))
        if head and head.package.repo == LOCAL:
            return (1, *self.sack.rank(offer))
        return (2, *self.sack.rank(offer))

    def _superseded(self, cached: Offer) -> set[Offer]:
        """An import and all that is older, if a repository has a newer one, or one that takes its
        place: an upgrade goes back behind what is layered only where nothing else fits."""
        others = [o for o in self._named(cached) if o.repo != CACHE and o.nevra != cached.nevra]
        older = {o for o in others if self.sack.newest([o, cached]) == cached}
        if len(older) == len(others) and not self._successors([cached]):
            return set()
        return {cached, *older}

    def _rivals(self, package: Package) -> set[Offer]:
        """Everything else of that name and architecture, and what would take its place under
        another name, if the package itself is to be had."""
        named = self._named(package)
        same = [o for o in named if o.nevra == package.nevra]
        exact = [o for o in same if self._is_same_file(o, package)] or same
        return {*named, *self._successors(exact)} - set(exact) if exact else set()

    def _named(self, like: Offer | Package) -> list[Offer]:
        found = self.sack.available([like.nevra.name])
        return [o for o in self._usable(found) if o.nevra.arch == like.nevra.arch]

    def _successors(self, offers: Sequence[Offer]) -> list[Offer]:
        if not self._any_successor:
            return []
        names = {o.nevra.name for o in offers}
        found = self._usable(self.sack.obsoleters(offers, everything=True))
        return [o for o in found if o.nevra.name not in names]

    @cached_property
    def _any_successor(self) -> bool:
        """Asked once for all of them, since hardly ever there is one."""
        names = {o.nevra.name for o, _ in self.sack.cached()}
        names |= {p.nevra.name for p in self.packages}
        there = self.sack.available(sorted(names)) if names else []
        return bool(there and self.sack.obsoleters(there, everything=True))

    def _usable(self, offers: Sequence[Offer]) -> list[Offer]:
        return [o for o in offers if o not in self.hidden and not self.sack.is_excluded(o)]

    def _is_same_file(self, offer: Offer, package: Package) -> bool:
        if offer.repo == CACHE:
            head = self.sack.head(offer)
            return head is not None and head.header_checksum == package.header_checksum
        return self.sack.package(offer).checksum == package.checksum
