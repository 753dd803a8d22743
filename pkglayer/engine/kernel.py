"""The verb `kargs`: the kernel arguments of a state, seen and changed.

Arguments belong to a deployment and not to a commit: changing them deploys the same commit with the
same requests once more. libostree carries them along to every later state.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from pkglayer.engine import upkeep
from pkglayer.engine.session import Session
from pkglayer.engine.verbs import readable
from pkglayer.model.kargs import KargChanges, change_kargs, parse_kargs
from pkglayer.system.editor import edit


@dataclass(frozen=True)
class Kargs:
    """Kernel arguments before and after; `changed` when a state with the new ones was deployed."""

    before: tuple[str, ...]
    after: tuple[str, ...]
    changed: bool = False


def read_kargs(session: Session, which: str = "") -> tuple[str, ...]:
    """The arguments of the next boot, or of the deployment that a word names."""
    sysroot = session.sysroot
    found = upkeep.find_deployment(sysroot.deployments, which) if which else sysroot.newest
    return parse_kargs(sysroot.read_options(found))


def change(session: Session, changes: KargChanges, *, editor: bool = False) -> Kargs:
    """Deploy the next boot's commit again with other arguments; nothing for the same ones.

    With `editor` a person has the last word. Raises UsageError for a change that cannot be made;
    all are made or none.
    """
    newest = readable(session.sysroot.newest)
    before = read_kargs(session)
    after = change_kargs(before, changes)
    if editor:
        after = _edited(after)
    if after == before or session.options.dry_run:
        return Kargs(before, after)
    session.progress.start("Deploying")
    with session.timings.phase("deploy"):
        session.sysroot.deploy(newest.checksum, newest.origin, kargs=after)
    session.progress.done()
    upkeep.sweep(session)
    return Kargs(before, after, changed=True)


def _edited(words: Sequence[str]) -> tuple[str, ...]:
    """One argument a line in the editor; lines with a hash are not taken."""
    text = "# One kernel argument a line. Save and leave to deploy them.\n" + "\n".join(words)
    lines = edit(text + "\n", ".kargs").splitlines()
    return parse_kargs("\n".join(line for line in lines if not line.lstrip().startswith("#")))
