"""The verb `sbom`: the bill of materials of a state, deployed or only a commit."""

from dataclasses import replace

from pkglayer.engine.session import Session, base_files
from pkglayer.engine.states import find_state
from pkglayer.model.bill import Bill, Entry, Installed
from pkglayer.model.plan import Base
from pkglayer.model.record import RECORD_PATH, Record, from_json
from pkglayer.system import rpmquery
from pkglayer.system.config import read_os_release
from pkglayer.system.rpmhome import find_dbpath


def make_bill(session: Session, which: str = "") -> Bill:
    """Every package of a state with what its header and the state's record say of it.

    Raises UsageError for a word that names no state, StateError where database or record cannot be
    read.
    """
    target = find_state(session, which)
    text = session.repo.read_file(target.commit, RECORD_PATH)
    record = from_json(text.decode()) if text else None
    base = record.plan.base if record else _bare(session, target.commit)
    with base_files(session, replace(base, commit=target.commit)) as tree:
        installed = rpmquery.read_installed(tree, find_dbpath(tree))
        release = read_os_release(tree)
    return Bill(
        target.commit,
        base,
        record.digest if record else "",
        release.get("ID", ""),
        release.get("VERSION_ID", ""),
        _entries(installed, record),
    )


def _bare(session: Session, commit: str) -> Base:
    found = session.repo.read_commit(commit)
    refspecs = [d.refspec for d in session.sysroot.deployments if d.base.commit == commit]
    return Base(next(iter(refspecs), ""), commit, found.version, found.timestamp)


def _entries(installed: tuple[Installed, ...], record: Record | None) -> tuple[Entry, ...]:
    if record is None:
        return tuple(map(Entry, installed))
    layered = {p.nevra: p for p in record.plan.packages}
    sources: dict[str, set[str]] = {}
    for want in record.plan.request.wants:
        sources.setdefault(want.spec, set()).add(want.source)
    rows = []
    for row in installed:
        package = layered.get(row.nevra)
        specs = package.requests if package else ()
        who = {source for spec in specs for source in sources.get(spec, ())}
        rows.append(Entry(row, package, tuple(sorted(who))))
    return tuple(rows)
