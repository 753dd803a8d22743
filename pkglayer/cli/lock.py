"""Verbs about locks: lock, apply, verify."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pkglayer.cli.common import Common, print_json, verb
from pkglayer.log import printable

if TYPE_CHECKING:
    from pkglayer.engine.locking import Verified
    from pkglayer.model.lock import Lock

State = Annotated[
    str, typer.Argument(metavar="[STATE]", help="Index, booted, pending, rollback or a commit.")
]


def register(app: typer.Typer) -> None:
    """Add the verbs of this module."""
    verb(app)(lock)
    verb(app, changes=True, resolves=True)(apply)
    verb(app, changes=True)(verify)


def lock(common: Common, state: State = "") -> None:
    """Print all that determines a state, as TOML. Example: pkglayer lock > layer.lock"""
    from dataclasses import asdict

    from pkglayer.engine import locking
    from pkglayer.model.lock import to_toml

    with common.reading() as session:
        made = locking.make_lock(session, state)
    if common.as_json:
        print_json({"version": 1, **asdict(made)})
    else:
        typer.echo(to_toml(made), nl=False)


def apply(
    common: Common,
    lock: Annotated[Path, typer.Argument(metavar="LOCK", help="A file that lock wrote.")],
    rpms: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Take packages from here, offline.")
    ] = None,
) -> None:
    """Build exactly the state of a lock and make it the next boot.

    Example: pkglayer apply layer.lock --rpms ./packages
    """
    from pkglayer.cli.changes import show
    from pkglayer.engine import locking

    parsed = read_lock(lock)
    with common.changing(only_plans=False) as session:
        show(common, session, locking.apply_lock(session, parsed, rpms))


def verify(common: Common, state: State = "") -> None:
    """Check a state's signature, build it again and compare the commits.

    Example: pkglayer verify booted
    """
    from dataclasses import asdict

    from pkglayer.engine import locking
    from pkglayer.model.errors import SignatureError

    with common.changing(only_plans=False) as session:
        done = locking.verify(session, state)
    signature = done.signature
    if common.as_json:
        print_json({"commit": done.commit, "rebuilt": done.rebuilt, "same": done.same,
                    "differences": list(done.differences),
                    "signature": {**asdict(signature), "status": signature.status,
                                  "good": signature.good}})  # fmt: skip
    else:
        typer.echo(f"Signature: {signature.sentence}.")
        typer.echo(_comparison(done))
    if not signature.good:
        raise typer.Exit(SignatureError.exit_code)
    if not done.same:
        raise typer.Exit(1)


def _comparison(done: "Verified") -> str:
    if done.same:
        return f"The same commit came out: {done.commit}"
    lines = [f"{done.commit} came out as {done.rebuilt}; other are:", *done.differences]
    return "\n".join(map(printable, lines))


def read_lock(path: Path) -> "Lock":
    """The lock in a file; raises UsageError when it cannot be read, ConfigError when it is none."""
    from pkglayer.model.errors import UsageError
    from pkglayer.model.lock import parse_lock

    try:
        return parse_lock(path.read_text(), str(path))
    except (OSError, UnicodeDecodeError) as e:
        why = getattr(e, "strerror", None) or e
        raise UsageError(f"{path} cannot be read: {why}", hint="give a file that lock wrote") from e
