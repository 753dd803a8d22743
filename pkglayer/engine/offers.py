"""What is on offer: search and info over base, repositories and what is imported."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

from pkglayer.engine import solving
from pkglayer.engine.session import Session, base_files
from pkglayer.log import printable, to_size
from pkglayer.model.errors import ResolveError
from pkglayer.model.offer import Details
from pkglayer.system import rpmdb, sack, sackinfo


@contextmanager
def _loaded(session: Session, filelists: bool = False) -> Iterator[sack.Sack]:
    base = session.sysroot.newest.base
    with (
        base_files(session, base) as tree,
        solving.cached_heads(session, ()) as heads,
    ):
        yield sack.load_sack(
            tree,
            rpmdb.find_dbpath(tree),
            solving.load_repositories(session, tree),
            cached=heads,
            cachedir=session.cachedir / "solv" / base.commit,
            filelists=filelists,
        )


def search(session: Session, terms: Sequence[str]) -> list[Details]:
    """Packages with all the words in name or summary; one row a name, best match first."""
    with _loaded(session) as loaded:
        return sackinfo.search(loaded, terms)


def info(session: Session, specs: Sequence[str]) -> list[Details]:
    """The newest package each SPEC names; raises ResolveError for one that names none."""
    found: list[Details] = []
    with _loaded(session, any(s.startswith("/") for s in specs)) as loaded:
        for spec in specs:
            offers = loaded.find(spec, everything=True)
            if not offers:
                raise ResolveError(f"nothing is called '{printable(spec)}'",
                                   hint=f"try: pkglayer search {printable(spec)}")  # fmt: skip
            found += [sackinfo.details(loaded, o) for o in offers]
    return found


def details_json(details: Details) -> dict[str, Any]:
    """One package as JSON values."""
    row = asdict(details)
    row["package"]["nevra"] = str(details.package.nevra)
    return row


def details_text(details: Details) -> str:
    """One package for people, a field a line."""
    p = details.package
    rows = {
        "Name": p.nevra.name,
        "Version": p.nevra.evr,
        "Arch": p.nevra.arch,
        "From": "the base" if details.installed else p.repo,
        "Size": f"{to_size(p.install_size)} ({to_size(p.download_size)} to download)",
        "Summary": details.summary,
        "URL": details.url,
        "License": details.license,
        "Source": details.source,
    }
    lines = [f"{key:8} : {printable(value)}" for key, value in rows.items() if value]
    lines += [f"  {printable(line)}" for line in details.description.splitlines()]
    return "\n".join(lines)
