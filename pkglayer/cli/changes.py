"""Verbs that make a new state: install, uninstall, upgrade, rebase, deploy, reconcile."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pkglayer.cli.common import Common, print_json, print_text, verb

if TYPE_CHECKING:
    from pkglayer.engine.pipeline import Outcome
    from pkglayer.engine.session import Session

Specs = Annotated[
    list[str],
    typer.Argument(
        metavar="SPEC...",
        help="Name, NEVRA, glob, capability, /path, 'name >= version', @group or ./file.rpm.",
        show_default=False,
    ),
]
Request = Annotated[str, typer.Argument(metavar="SPEC", help="A request made by command.")]


def register(app: typer.Typer) -> None:
    """Add the verbs of this module, in the order that --help lists them."""
    change = verb(app, changes=True, resolves=True)
    for function in (
        install, uninstall, upgrade, pin_version, unpin_version, rebase, deploy, reconcile,
    ):  # fmt: skip
        change(function)


def install(
    common: Common,
    specs: Specs,
    recommends: Annotated[
        bool, typer.Option("--recommends/--no-recommends", help="Weak dependencies, too.")
    ] = True,
    allow_inactive: Annotated[
        bool, typer.Option(help="Record a request that the base satisfies by itself.")
    ] = False,
    on_conflict: Annotated[
        str,
        typer.Option(
            metavar="POLICY",
            help="When a new base does not fit: fail, hold (the base waits) or skip.",
        ),
    ] = "",
    exclude: Annotated[
        list[str] | None,
        typer.Option(metavar="GLOB", help="Packages that must not come along."),
    ] = None,
    no_gpg_check: Annotated[
        list[str] | None,
        typer.Option(metavar="FILE", help="Take this local RPM without a trusted signature."),
    ] = None,
    allow_base_updates: Annotated[
        bool,
        typer.Option(help="Let the fewest newer base packages in that it needs, for a time."),
    ] = False,
    follow: Annotated[
        bool,
        typer.Option("--follow", help="Let local RPMs move to newer ones of their vendor or key."),
    ] = False,
) -> None:
    """Request packages: resolve, build the layered state, make it the next boot.

    The running state stays as it is. Example: pkglayer install htop 'perl(JSON)' ./tool.rpm
    """
    from pkglayer.engine import verbs

    with common.changing(tuple(no_gpg_check or ())) as session:
        outcome = verbs.install(
            session, specs, recommends=recommends, allow_inactive=allow_inactive,
            on_conflict=on_conflict, exclude=exclude or (), base_updates=allow_base_updates,
            follow=follow,
        )  # fmt: skip
        show(common, session, outcome)


def uninstall(
    common: Common,
    specs: Annotated[
        list[str] | None,
        typer.Argument(metavar="SPEC...", help="Requests to drop.", show_default=False),
    ] = None,
    all_requests: Annotated[
        bool, typer.Option("--all", help="Drop every request made by command.")
    ] = False,
) -> None:
    """Drop requests, and the packages that only they needed.

    Needs no network when nothing left needs a repository. Example: pkglayer uninstall htop
    """
    from pkglayer.engine import verbs
    from pkglayer.model.errors import UsageError

    if bool(specs) == all_requests:
        raise UsageError("name the requests to drop, or give --all",
                         hint="pkglayer status lists them")  # fmt: skip
    with common.changing() as session:
        show(common, session, verbs.uninstall(session, specs or [], all_requests=all_requests))


def upgrade(
    common: Common,
    check: Annotated[
        bool, typer.Option("--check", help="Only look: exit code 77 when nothing is new.")
    ] = False,
    preview: Annotated[
        bool,
        typer.Option("--preview", help="Resolve on the new base without fetching all of it."),
    ] = False,
    allow_downgrade: Annotated[
        bool, typer.Option(help="Follow the branch to an older base, too.")
    ] = False,
    allow_base_updates: Annotated[
        bool, typer.Option(help="Let requests bring the fewest newer base packages they need.")
    ] = False,
) -> None:
    """Follow the branch to its newest base and reapply every request on it.

    Layered packages move to their newest versions. Example: pkglayer upgrade --preview
    """
    from pkglayer.engine import verbs

    only_plans = common.dry_run or preview or check
    with common.changing(only_plans=only_plans) as session:
        outcome = verbs.upgrade(
            session, allow_downgrade=allow_downgrade, preview=only_plans,
            base_updates=allow_base_updates,
        )  # fmt: skip
        show(common, session, outcome)
        if check and not outcome.differs:
            raise typer.Exit(77)


def rebase(
    common: Common,
    refspec: Annotated[str, typer.Argument(metavar="REFSPEC", help="[REMOTE:]BRANCH")],
) -> None:
    """Move to another branch or remote; the requests stay.

    Example: pkglayer rebase fedora:fedora/44/x86_64/silverblue
    """
    from pkglayer.engine import verbs

    with common.changing() as session:
        show(common, session, verbs.rebase(session, refspec))


def deploy(
    common: Common,
    which: Annotated[str, typer.Argument(metavar="CHECKSUM|VERSION", help="A base commit.")],
) -> None:
    """Go to a particular base commit of the branch, with the same requests on it.

    Example: pkglayer deploy 43.20261101.0
    """
    from pkglayer.engine import verbs

    with common.changing(only_plans=False) as session:
        show(common, session, verbs.deploy(session, which))


def reconcile(common: Common) -> None:
    """Bring the newest deployment in line with what was requested, whoever wrote it.

    The systemd path unit calls it after every deployment; it ends at once when nothing is to
    do. Example: pkglayer reconcile
    """
    from pkglayer.engine import verbs
    from pkglayer.engine.notices import lost_notices

    with common.changing() as session:
        for text in lost_notices(session):
            session.progress.note(text)
        done = verbs.reconcile(session)
        if done.outcome is not None:
            session.progress.note(f"reconciling: {done.reason}")
            show(common, session, done.outcome)
        elif common.as_json:
            print_json({"changed": False, "reason": ""})


def pin_version(
    common: Common,
    spec: Request,
    version: Annotated[
        str, typer.Argument(metavar="[VERSION]", help="A glob; else the one layered now.")
    ] = "layered",
) -> None:
    """Keep a request at a version, whatever upgrades bring.

    Example: pkglayer pin-version nginx '1.24*'
    """
    from pkglayer.engine import verbs

    with common.changing() as session:
        show(common, session, verbs.pin_version(session, spec, version))


def unpin_version(common: Common, spec: Request) -> None:
    """Let a request have any version again. Example: pkglayer unpin-version nginx"""
    from pkglayer.engine import verbs

    with common.changing() as session:
        show(common, session, verbs.pin_version(session, spec, ""))


def show(
    common: Common, session: "Session", outcome: "Outcome", more: Mapping[str, Any] | None = None
) -> None:
    """Print what a change did or would do; `more` goes into the data for programs."""
    from pkglayer.cli import renderplan
    from pkglayer.engine import states
    from pkglayer.model.space import rooms_json
    from pkglayer.system.rpmevr import evr_compare

    if outcome.held:
        _show_held(common, outcome, more or {})
        return
    previous, bases = outcome.previous, (outcome.before.base.commit, outcome.plan.base.commit)
    base_diff = states.diff_bases(session, *bases) if bases[0] != bases[1] else None
    if common.as_json:
        data = renderplan.plan_json(outcome.plan, previous, evr_compare)
        data |= {"commit": outcome.commit, "changed": outcome.changed, "reused": outcome.reused}
        data["base_diff"] = renderplan.diff_json(base_diff) if base_diff else None
        data["space"] = rooms_json(outcome.rooms)
        data["kept_etc"] = list(session.kept)
        print_json({**data, **(more or {})})
        return
    text = renderplan.render_plan(outcome.plan, previous, evr_compare, rooms=outcome.rooms)
    print_text(text)
    if base_diff is not None:
        typer.echo(f"The base itself: {renderplan.diff_summary(base_diff)}.")
    if common.dry_run or not outcome.commit:
        typer.echo("Nothing was changed: this was a dry run.")
    elif not outcome.changed:
        typer.echo("No change: the next boot is that state already.")
    else:
        print_kept(session)
        how = "deployed again" if outcome.reused else "built and deployed"
        typer.echo(f"State {outcome.commit[:12]} {how}. It is the next boot: reboot to use it,")
        typer.echo("or pkglayer rollback to stay with what was before.")


def print_kept(session: "Session") -> None:
    """A line for each file of /etc that is not as the new state brings it."""
    from pkglayer.log import printable

    for path in session.kept:
        typer.echo(printable(f"{path} stays as edited here; the new default is /usr{path}"))


def _show_held(common: Common, outcome: "Outcome", more: Mapping[str, Any]) -> None:
    """The base waits: said loudly, and a failure, when it does so for longer than allowed."""
    held = outcome.held
    assert held is not None
    if outcome.overdue:
        held.message = f"for longer than max-hold allows, {held.message}"
        raise held
    if common.as_json:
        from pkglayer.model.explain import trouble_json

        rows = [trouble_json(t) for t in held.troubles]
        print_json({"held": rows, "changed": False, "commit": outcome.commit, **more})
        return
    print_text(f"No change: {held.message}.\nIt is tried again each time. {held.hint}")
