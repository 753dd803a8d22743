"""Verbs about declared layers: layer list, show, apply."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pkglayer.cli.common import Common, print_json, verb

if TYPE_CHECKING:
    from pkglayer.engine.session import Session
    from pkglayer.model.deployment import Deployment
    from pkglayer.model.layer import Layer


def register(app: typer.Typer) -> None:
    """Add the verbs of this module as the group `layer`."""
    layer = typer.Typer(
        no_args_is_help=True, help="Packages that files declare instead of commands."
    )
    app.add_typer(layer, name="layer")
    verb(layer, "list")(list_layers)
    verb(layer, "show")(show_layer)
    verb(layer, "apply", changes=True, resolves=True)(apply)


def list_layers(
    common: Common,
    presets: Annotated[
        bool, typer.Option("--presets", help="The ready-made ones that could be used.")
    ] = False,
) -> None:
    """List the layers in force, and whether the next boot has them already.

    Example: pkglayer layer list --presets
    """
    with common.reading() as session:
        newest = session.sysroot.newest
        with declared(session) as layers:
            rows = read_presets() if presets else layers
    if common.as_json:
        data = [_layer_json(layer, None if presets else newest) for layer in rows]
        print_json({"version": 1, "layers": data})
    else:
        typer.echo(render_layers(rows, None if presets else newest), nl=False)


def show_layer(
    common: Common,
    name: Annotated[str, typer.Argument(metavar="NAME", help="A layer in force or a preset.")],
) -> None:
    """Show one layer: what it asks for, and what came of it in the next boot.

    Example: pkglayer layer show editors
    """
    from pkglayer.model.errors import UsageError

    with common.reading() as session:
        newest = session.sysroot.newest
        with declared(session) as layers:
            known = {**{p.name: p for p in read_presets()}, **{v.name: v for v in layers}}
    if name not in known:
        raise UsageError(
            f"there is no layer '{name}'",
            hint="known are: " + (", ".join(sorted(known)) or "none"),
        )
    in_force = known[name] in layers
    if common.as_json:
        print_json({"version": 1, **_layer_json(known[name], newest if in_force else None)})
    else:
        typer.echo(render_layer(known[name], newest if in_force else None), nl=False)


def apply(common: Common) -> None:
    """Bring the next boot in line with the layer files; requests by command stay.

    Example: pkglayer layer apply --dry-run
    """
    from pkglayer.cli.changes import show
    from pkglayer.engine import verbs

    with common.changing() as session:
        show(common, session, verbs.apply_layers(session))


@contextmanager
def declared(session: "Session") -> "Iterator[tuple[Layer, ...]]":
    """The layers in force on the base of the next boot."""
    from pkglayer.engine.session import base_files
    from pkglayer.system.layerfiles import read_layers

    with base_files(session, session.sysroot.newest.base) as tree:
        yield read_layers(tree / "usr", session.etc)


def read_presets() -> "tuple[Layer, ...]":
    """The presets that came with this program: beside it in a checkout, else where it installed."""
    from pkglayer.system import layerfiles

    checkout = Path(__file__).parents[2] / "layers"
    installed = Path(sys.prefix, layerfiles.PRESETS_DIR)
    for directory in (checkout, installed, Path("/usr", layerfiles.PRESETS_DIR)):
        if presets := layerfiles.read_presets(directory):
            return presets
    return ()


def render_layers(layers: "Sequence[Layer]", newest: "Deployment | None") -> str:
    """A line for each layer, in columns: name, whether it is applied, size, description, file."""
    from pkglayer.cli.render import columns, count
    from pkglayer.log import printable

    if not layers:
        return (
            "No layer is declared. Ready-made ones: pkglayer layer list --presets; "
            "how to write one: man pkglayer-layer\n"
        )
    rows = [
        (
            layer.name,
            *(
                []
                if newest is None
                else ["applied" if is_applied(layer, newest) else "not applied"]
            ),
            count(len(layer.packages), "request"),
            printable(layer.description or "-"),
            layer.filename,
        )
        for layer in layers
    ]
    return "\n".join(columns(rows, indent="")) + "\n"


def render_layer(layer: "Layer", newest: "Deployment | None") -> str:
    """One layer with, for each request, what the next boot has for it."""
    from pkglayer.cli.render import columns
    from pkglayer.log import printable

    weak = "come along" if layer.recommends else "are left out"
    lines = [f"{layer.name}: {printable(layer.description or '(no description)')}"]
    lines += [f"  file: {layer.filename}", f"  weak dependencies {weak}", "  requests:"]
    rows = [(spec, state_of(layer, spec, newest)) for spec in layer.packages]
    shown = [(printable(spec), printable(state)) for spec, state in rows]
    return "\n".join([*lines, *columns(shown, indent="    ")]) + "\n"


def is_applied(layer: "Layer", newest: "Deployment") -> bool:
    """Whether the state was built from exactly what the layer says now."""
    from pkglayer.model.layer import to_wants

    wants = newest.record.plan.request.wants if newest.record else ()
    return {w for w in wants if w.source == layer.source} == set(to_wants([layer]))


def state_of(layer: "Layer", spec: str, newest: "Deployment | None") -> str:
    """What became of a request of a layer in the next boot, in words."""
    if newest is None:
        return "not in force"
    plan = newest.record.plan if newest.record else None
    if plan is None or not any(
        w.spec == spec and w.source == layer.source for w in plan.request.wants
    ):
        return "not applied yet"
    for gone in plan.inactive:
        if gone.want.spec == spec and gone.want.source == layer.source:
            return f"inactive: the base has {gone.provider}"
    for skip in plan.skipped:
        if skip.want.spec == spec and skip.want.source == layer.source:
            return f"skipped: {skip.why}"
    asked = ("user", "group")
    names = [str(p.nevra) for p in plan.packages if spec in p.requests and p.reason in asked]
    return ", ".join(names) or "satisfied by other packages of the layer"


def _layer_json(layer: "Layer", newest: "Deployment | None") -> dict[str, Any]:
    data = {**asdict(layer), "in_force": newest is not None}
    if newest is not None:
        data["applied"] = is_applied(layer, newest)
        data["requests"] = {spec: state_of(layer, spec, newest) for spec in layer.packages}
    return data
