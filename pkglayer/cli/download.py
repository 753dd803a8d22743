"""The verb download: RPM files for a machine without a network."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pkglayer.cli.common import Common, print_json, verb

if TYPE_CHECKING:
    from pkglayer.engine.download import Downloaded


def register(app: typer.Typer) -> None:
    """Add the verb of this module."""
    verb(app, resolves=True)(download)


def download(
    common: Common,
    to: Annotated[Path, typer.Option("--to", metavar="DIR", help="Where the files go.")],
    specs: Annotated[
        list[str] | None,
        typer.Argument(metavar="SPEC...", help="As install takes them.", show_default=False),
    ] = None,
    lock: Annotated[
        Path | None, typer.Option("--lock", metavar="LOCK", help="The packages of a lock instead.")
    ] = None,
    recommends: Annotated[
        bool, typer.Option("--recommends/--no-recommends", help="Weak dependencies, too.")
    ] = True,
    dry_run: Annotated[
        bool, typer.Option("-n", "--dry-run", help="Show what would be fetched and stop.")
    ] = False,
) -> None:
    """Fetch the RPM files that requests or a lock need, for a machine without a network.

    What is there already and right is not fetched again. Example: pkglayer download htop --to ./usb
    """
    from pkglayer.cli.lock import read_lock
    from pkglayer.engine import download as engine
    from pkglayer.model.errors import UsageError

    if bool(specs) == bool(lock):
        raise UsageError("name requests, or a lock with --lock", hint="see: pkglayer download -h")
    parsed = read_lock(lock) if lock else None
    with common.reading() as session:
        if parsed:
            done = engine.download_lock(session, parsed, to, dry_run=dry_run)
        else:
            done = engine.download(session, specs or [], to, recommends=recommends, dry_run=dry_run)
    if common.as_json:
        print_json(downloaded_json(done, to, dry_run))
    else:
        typer.echo(render_downloaded(done, to, dry_run), nl=False)


def render_downloaded(done: "Downloaded", to: Path, dry_run: bool) -> str:
    """A line for each file, the keys, and the sums."""
    from pkglayer.cli.render import columns, count
    from pkglayer.log import printable, to_size

    come = "to fetch" if dry_run else "fetched"
    rows = [
        (
            printable(i.path.name),
            printable(i.package.repo),
            to_size(i.package.download_size),
            "there already" if i.there else come,
        )
        for i in done.items
    ]
    lines = columns(rows, indent="") if rows else []
    lines += [printable(f"{i.want.spec}: {i.reason}") for i in done.inactive]
    lines.append(
        f"{count(len(done.items), 'package')}, {to_size(done.size)} in {printable(str(to))}; "
        f"{to_size(done.fetched)} {come}."
    )
    for key in done.keys:
        lines.append(f"Signed by keys/{key.name}: trust it where it is not known yet, by a copy in")
        lines.append("/etc/pki/rpm-gpg of that machine.")
    return "\n".join(lines) + "\n"


def downloaded_json(done: "Downloaded", to: Path, dry_run: bool) -> dict[str, Any]:
    """The same as JSON values; sizes in bytes."""
    from dataclasses import asdict

    return {
        "version": 1,
        "directory": str(to),
        "dry_run": dry_run,
        "size": done.size,
        "fetched": done.fetched,
        "keys": [f"keys/{key.name}" for key in done.keys],
        "inactive": [asdict(i) for i in done.inactive],
        "packages": [
            {
                "nevra": str(i.package.nevra),
                "file": i.path.name,
                "repo": i.package.repo,
                "checksum": i.package.checksum,
                "size": i.package.download_size,
                "there": i.there,
            }
            for i in done.items
        ],
    }
