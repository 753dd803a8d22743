"""What is on offer: search and info over base, repositories and what is imported."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

from pkglayer.engine import solving
from pkglayer.engine.session import Session, base_files
from pkglayer.log import printable, to_size
from pkglayer.model.errors import ResolveError
from pkglayer.model.names import quoted
from pkglayer.model.offer import Details
from pkglayer.model.request import Request
from pkglayer.system import sack, sackinfo


@contextmanager
def _loaded(session: Session, filelists: bool = False) -> Iterator[sack.Sack]:
    newest = session.sysroot.newest
    with (
        base_files(session, newest.base) as tree,
        solving.cached_heads(session, ()) as heads,
    ):
        repositories = solving.load_repositories(session, tree)
        nothing = Request(newest.refspec)
        yield solving.load_sack(session, nothing, tree, repositories, heads, filelists)


def _layered(session: Session) -> frozenset[str]:
    """The header checksums of what the next boot has layered."""
    record = session.sysroot.newest.record
    return frozenset(p.header_checksum for p in record.plan.packages) if record else frozenset()


def search(session: Session, terms: Sequence[str]) -> list[Details]:
    """Packages with all the words in name, summary or description; one row a name and
    architecture, best match first."""
    with _loaded(session) as loaded:
        return sackinfo.search(loaded, terms, _layered(session))


def info(session: Session, specs: Sequence[str]) -> list[Details]:
    """What base and layer have of each SPEC, and the newest on offer.

    Raises ResolveError naming every SPEC that means nothing.
    """
    with _loaded(session, any(s.startswith(("/", "*/")) for s in specs)) as loaded:
        found = {spec: loaded.find(spec, everything=True) for spec in specs}
        if unknown := [spec for spec, offers in found.items() if not offers]:
            raise ResolveError(
                "; ".join(f"nothing is called '{printable(spec)}'" for spec in unknown),
                hint=f"try: pkglayer search {quoted(unknown[0])}",
                data={"unknown": unknown},
            )
        offers = sorted({o for some in found.values() for o in some})
        return sackinfo.describe(loaded, offers, _layered(session))


def details_json(details: Details) -> dict[str, Any]:
    """One package as JSON values."""
    row = asdict(details)
    row["package"]["nevra"] = str(details.package.nevra)
    row["present"] = details.present
    return row


def details_text(details: Details) -> str:
    """One package for people, a field a line."""
    p = details.package
    rows = {
        "Name": p.nevra.name,
        "Version": p.nevra.evr,
        "Arch": p.nevra.arch,
        "From": ", ".join("the base" if where == "base" else where for where in details.places),
        "Size": f"{to_size(p.install_size)} ({to_size(p.download_size)} to download)",
        "Summary": details.summary,
        "URL": details.url,
        "License": details.license,
        "Source": details.source,
    }
    lines = [f"{key:8} : {printable(value)}" for key, value in rows.items() if value]
    lines += [f"  {printable(line)}" for line in details.description.splitlines()]
    return "\n".join(lines)
