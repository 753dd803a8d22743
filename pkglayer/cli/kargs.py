"""The verb `kargs`: kernel arguments, listed and changed."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from pkglayer.cli.common import Common, print_json, verb

if TYPE_CHECKING:
    from pkglayer.engine.kernel import Kargs
    from pkglayer.engine.session import Session


Many = list[str] | None


def _option(flag: str, text: str) -> Any:
    return typer.Option(flag, metavar="KEY[=VALUE]", help=text)


def register(app: typer.Typer) -> None:
    """Add the verb of this module."""
    verb(app, changes=True)(kargs)


def kargs(
    common: Common,
    append: Annotated[Many, _option("--append", "Add an argument.")] = None,
    append_if_missing: Annotated[
        Many, _option("--append-if-missing", "Add it unless it is there.")
    ] = None,
    delete: Annotated[Many, _option("--delete", "Take an argument away.")] = None,
    delete_if_present: Annotated[
        Many, _option("--delete-if-present", "Take it away if it is there.")
    ] = None,
    replace: Annotated[
        Many, _option("--replace", "Another value for a key; KEY=OLD=NEW if it is there twice.")
    ] = None,
    editor: Annotated[
        bool, typer.Option("--editor", help="Change them in $EDITOR, one a line.")
    ] = False,
    state: Annotated[
        str, typer.Option(metavar="STATE", help="List those of this state: index or role.")
    ] = "",
) -> None:
    """List the kernel arguments of the next boot, or change them in a new state.

    Example: pkglayer kargs --append=mitigations=auto --delete=quiet
    """
    from pkglayer.engine import kernel
    from pkglayer.model.errors import UsageError
    from pkglayer.model.kargs import KargChanges

    changes = KargChanges(
        delete=tuple(delete or ()),
        delete_if_present=tuple(delete_if_present or ()),
        replace=tuple(replace or ()),
        append=tuple(append or ()),
        append_if_missing=tuple(append_if_missing or ()),
    )
    if not (changes or editor):
        _list(common, state)
        return
    if state:
        raise UsageError("only the next boot's arguments can be changed", hint="omit --state")
    with common.changing() as session:
        done = kernel.change(session, changes, editor=editor)
        _show(common, session, done)


def _list(common: Common, state: str) -> None:
    from pkglayer.engine import kernel

    with common.reading() as session:
        words = kernel.read_kargs(session, state)
    if common.as_json:
        print_json({"version": 1, "kargs": list(words)})
    else:
        typer.echo(" ".join(words))


def _show(common: Common, session: "Session", done: "Kargs") -> None:
    from pkglayer.cli.changes import print_kept
    from pkglayer.model.kargs import diff_kargs

    gone, come = diff_kargs(done.before, done.after)
    if common.as_json:
        print_json({"version": 1, "before": list(done.before), "kargs": list(done.after),
                    "changed": done.changed, "kept_etc": list(session.kept)})  # fmt: skip
        return
    for sign, words in (("-", gone), ("+", come)):
        for word in words:
            typer.echo(f"{sign} {word}")
    if done.before == done.after:
        typer.echo("No change: the next boot has these arguments already.")
    elif not done.changed:
        typer.echo("Nothing was changed: this was a dry run.")
    else:
        print_kept(session)
        typer.echo("The next boot has the new arguments: reboot to use them,")
        typer.echo("or pkglayer rollback to stay with what was before.")
