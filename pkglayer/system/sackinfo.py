"""Looks packages up for people: search, details, and where a missing one would be.

`search(sack, terms, layered)`, `describe(sack, offers, layered)`, `find_elsewhere(sack, specs)`.
Choosing packages for a layer is for `stages.resolve`.
"""

import contextlib
from collections.abc import Iterable, Sequence, Set
from typing import Any

import hawkey

from pkglayer.model.offer import BASE, IMPORTED, IN_BASE, IN_LAYER, Details, Offer
from pkglayer.model.package import Nevra, Package
from pkglayer.system.sack import Sack, new_sack


def search(sack: Sack, terms: Sequence[str], layered: Set[str] = frozenset()) -> list[Details]:
    """Packages whose name, summary or description has every term (any case): the newest of each
    name and architecture, the best match first. `layered` are header checksums of the layer."""
    query = sack.query()
    for term in terms:
        hits = sack.query().filter(hawkey.ICASE, name__substr=term)
        for key in ("summary__substr", "description__substr"):
            hits = hits.union(sack.query().filter(hawkey.ICASE, **{key: term}))
        query = query.intersection(hits)
    found: dict[tuple[str, str], list[Offer]] = {}
    for offer in sack.offers(query):
        found.setdefault((offer.nevra.name, offer.nevra.arch), []).append(offer)
    rows = [details(sack, offers, layered) for offers in found.values()]
    return sorted(rows, key=lambda row: _match(row, terms))


def _match(row: Details, terms: Sequence[str]) -> tuple[int, str, str]:
    """How far a name is from what was looked for, then the name."""
    name, words = row.package.nevra.name, [t.casefold() for t in terms]
    folded = name.casefold()
    distance = 0 if folded in words else 1 if all(w in folded for w in words) else 2
    return distance, name, row.package.nevra.arch


def describe(sack: Sack, offers: Sequence[Offer], layered: Set[str]) -> list[Details]:
    """What base and layer have of these, and the newest on offer: one row a NEVRA."""
    rows: dict[tuple[str, str], dict[Nevra, list[Offer]]] = {}
    for offer in offers:
        versions = rows.setdefault((offer.nevra.name, offer.nevra.arch), {})
        versions.setdefault(offer.nevra, []).append(offer)
    found = []
    for versions in rows.values():
        newest = sack.newest([o for same in versions.values() for o in same]).nevra
        every = [details(sack, same, layered) for same in versions.values()]
        found += [row for row in every if row.present or row.package.nevra == newest]
    return found


def details(sack: Sack, offers: Sequence[Offer], layered: Set[str] = frozenset()) -> Details:
    """What headers or metadata say of the newest of these, and where all of them are."""
    newest = sack.newest(offers).nevra
    offer = min((o for o in offers if o.nevra == newest), key=lambda o: (o.installed, sack.rank(o)))
    obj = sack.objects[offer]
    package = (
        Package(offer.nevra, BASE, "", install_size=obj.installsize)
        if offer.installed
        else sack.package(offer)
    )
    there = {_place(sack, o, layered) for o in offers}
    first = [place for place in (IN_BASE, IN_LAYER) if place in there]
    places = (*first, *sorted(there - set(first)))
    return Details(
        package,
        IN_BASE in there,
        summary=obj.summary or "",
        description=obj.description or "",
        license=obj.license or "",
        url=obj.url or "",
        source=obj.sourcerpm or "",
        places=places,
    )


def _place(sack: Sack, offer: Offer, layered: Set[str]) -> str:
    if offer.installed:
        return IN_BASE
    if (head := sack.head(offer)) is not None:
        return IN_LAYER if head.header_checksum in layered else IMPORTED
    return offer.repo


def find_elsewhere(sack: Sack, specs: Iterable[str]) -> dict[str, list[str]]:
    """Which disabled repositories have a spec, as far as their metadata was ever downloaded."""
    usable = [r for r in sack.disabled if r.available]
    if not usable:
        return {spec: [] for spec in specs}
    other = new_sack(sack.cachedir, sack.root, sack.arch)
    for repository in usable:
        with contextlib.suppress(hawkey.Exception, OSError):
            other.load_repo(repository.link, build_cache=False, load_filelists=False)
    return {spec: sorted({p.reponame for p in _meaning(other, spec)}) for spec in specs}


def _meaning(sack: Any, spec: str) -> list[Any]:
    """Packages that a spec means, or that provide it where it is a requirement."""
    found: list[Any] = []
    with contextlib.suppress(hawkey.Exception):
        found = list(hawkey.Subject(spec).get_best_query(sack, with_src=False))
    with contextlib.suppress(hawkey.Exception):
        found = found or list(hawkey.Query(sack).filter(provides=spec))
    return found
