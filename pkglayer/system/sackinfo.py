"""Looks packages up for people: search, details, and where a missing one would be.

`search(sack, terms)`, `details(sack, offer)`, `find_elsewhere(sack, specs)`. Choosing
packages for a layer is for `stages.resolve`.
"""

import contextlib
from collections.abc import Iterable, Sequence
from typing import Any

import hawkey

from pkglayer.model.offer import BASE, Details, Offer
from pkglayer.model.package import Package
from pkglayer.system.sack import Sack, new_sack


def search(sack: Sack, terms: Sequence[str]) -> list[Details]:
    """Newest packages whose name, summary or description has every term (any case)."""
    query = sack.query().latest()
    for term in terms:
        hits = sack.query().filter(hawkey.ICASE, name__substr=term)
        for key in ("summary__substr", "description__substr"):
            hits = hits.union(sack.query().filter(hawkey.ICASE, **{key: term}))
        query = query.intersection(hits)
    return [details(sack, o) for o in sack.offers(query)]


def details(sack: Sack, offer: Offer) -> Details:
    """What headers or metadata say of one package."""
    obj = sack.objects[offer]
    package = (
        Package(offer.nevra, BASE, "", install_size=obj.installsize)
        if offer.installed
        else sack.package(offer)
    )
    texts = (obj.summary, obj.description, obj.license, obj.url, obj.sourcerpm)
    return Details(package, offer.installed, *(t or "" for t in texts))


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
