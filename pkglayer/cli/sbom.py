"""The verb sbom: the bill of materials of a state."""

from typing import Annotated

import typer

from pkglayer.cli.common import Common, verb

State = Annotated[
    str,
    typer.Argument(metavar="[STATE]", help="Index, booted, pending, rollback, base or a commit."),
]


def register(app: typer.Typer) -> None:
    """Add the verb of this module."""
    verb(app)(sbom)


def sbom(common: Common, state: State = "") -> None:
    """Print the bill of materials of a state, as CycloneDX JSON.

    Example: pkglayer sbom booted > system.cdx.json
    """
    from pkglayer.engine.sbom import make_bill
    from pkglayer.model.errors import PkglayerError

    try:
        from pkglayer.system.sbom import to_cyclonedx
    except ImportError as e:
        raise PkglayerError(
            f"this verb needs the library cyclonedx-python-lib: {e}",
            hint="pkglayer install 'python3dist(cyclonedx-python-lib)', "
            "or where pkglayer is from pip: pip install cyclonedx-python-lib",
        ) from e
    with common.reading() as session:
        typer.echo(to_cyclonedx(make_bill(session, state)), nl=False)
