"""The verbs `kargs` and `initramfs`: how a state's kernel is started.

An initramfs of one's own is a request like any other. Arguments belong to a deployment and not to
a commit: changing them deploys the same commit with the same requests once more, and every later
state takes them over.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from pkglayer.engine import pipeline, space, upkeep
from pkglayer.engine.deploying import deploy
from pkglayer.engine.pipeline import Outcome
from pkglayer.engine.session import Session
from pkglayer.engine.verbs import readable, unchanged
from pkglayer.model.kargs import KargChanges, change_kargs, parse_kargs
from pkglayer.model.request import INITRAMFS, Want
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
    readable(session.sysroot.newest)
    before = read_kargs(session)
    after = change_kargs(before, changes)
    if editor:
        after = _edited(after)
    if after == before or session.options.dry_run:
        return Kargs(before, after)
    deploy_again(session, after)
    return Kargs(before, after, changed=True)


def deploy_again(session: Session, kargs: Sequence[str]) -> None:
    """The next boot's commit and requests once more, with these arguments."""
    newest = session.sysroot.newest
    space.check_deploy(session, newest.checksum)
    deploy(session, newest.checksum, newest.origin, kargs=kargs)
    upkeep.sweep(session)


def _edited(words: Sequence[str]) -> tuple[str, ...]:
    """One argument a line in the editor; lines with a hash are not taken."""
    text = "# One kernel argument a line. Save and leave to deploy them.\n" + "\n".join(words)
    lines = edit(text + "\n", ".kargs").splitlines()
    return parse_kargs("\n".join(line for line in lines if not line.lstrip().startswith("#")))


def set_initramfs(session: Session, *, enable: bool, args: Sequence[str] = ()) -> Outcome:
    """Have every state's initramfs made anew by its own dracut, or use the base's again."""
    newest = readable(session.sysroot.newest)
    request = session.request_of(newest)
    others = [w for w in request.wants if w.kind != INITRAMFS]
    mine = [Want(INITRAMFS, kind=INITRAMFS, args=tuple(args))] if enable else []
    wanted = request.with_wants([*others, *mine])
    if wanted == request:
        return unchanged(newest, request)
    return pipeline.apply(session, newest.base, wanted)


def initramfs_args(session: Session) -> tuple[str, ...] | None:
    """The dracut options asked for in the next boot; None where the base's initramfs is used."""
    wants = session.request_of(session.sysroot.newest).wants
    return next((w.args for w in wants if w.kind == INITRAMFS), None)
