"""What all verbs share: their common options, the session they run in, and how results leave.

`verb` registers a function as a command and adds the options of its kind; the function gets them as
one `Common` and never sees how they were spelled. Results go to stdout, everything else to stderr.
"""

import inspect
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from pkglayer.engine.session import Session
    from pkglayer.log import Progress, Seconds


def _option(kind: Any, *names: str, help: str, metavar: str | None = None) -> Any:
    """An option in the panel that all verbs share."""
    panel = "Common options"
    return Annotated[kind, typer.Option(*names, help=help, metavar=metavar, rich_help_panel=panel)]


MAX_COMMENT = 1000
"""Characters: the history is read in lists."""

Globs = list[str] | None
READ_OPTIONS: dict[str, Any] = {
    "sysroot": _option(Path, "--sysroot", metavar="DIR", help="Root of the OSTree system."),
    "stateroot": _option(str, "--stateroot", metavar="NAME", help="Where there are several."),
    "as_json": _option(bool, "--json", help="Print data for programs."),
    "debug": _option(bool, "--debug", help="Show every step and every command."),
}
CHANGE_OPTIONS: dict[str, Any] = {
    "dry_run": _option(bool, "-n", "--dry-run", help="Show what would happen and stop."),
    "comment": _option(str, "--comment", metavar="TEXT", help="Why, for the history."),
    "wait": _option(bool, "--wait", help="Wait while somebody else changes the system."),
    "quiet": _option(bool, "-q", "--quiet", help="No progress."),
    "timings": _option(bool, "--timings", help="Show how long each phase took."),
    "keep_workdir": _option(bool, "--keep-workdir", help="Keep the work directory to look into."),
}
RESOLVE_OPTIONS: dict[str, Any] = {
    "enablerepo": _option(Globs, "--enablerepo", metavar="GLOB", help="Use these, too."),
    "disablerepo": _option(Globs, "--disablerepo", metavar="GLOB", help="Do not use these."),
    "offline": _option(bool, "-C", "--offline", help="Use only what is cached and imported."),
    "refresh": _option(bool, "--refresh", help="Ask the repositories for new metadata now."),
    "releasever": _option(str, "--releasever", metavar="VERSION", help="Not the base's own."),
    "idempotent": _option(bool, "--idempotent", help="Nothing to do is success."),
}
POLICY_OPTIONS: dict[str, Any] = {
    "skip_broken": _option(bool, "--skip-broken", help="This once, go on without what is broken."),
    "unattended": _option(
        bool | None, "--unattended/--attended", help="Nobody is there; by default: no terminal is."
    ),
}
_DEFAULTS: Mapping[str, Any] = {
    "sysroot": Path("/"), "stateroot": "", "releasever": "", "unattended": None,
    "comment": "",
}  # fmt: skip


@dataclass(frozen=True)
class Common:
    """The common options of one run, in groups as the verb has them."""

    values: Mapping[str, Any]

    @property
    def as_json(self) -> bool:
        return bool(self.values.get("as_json"))

    @property
    def dry_run(self) -> bool:
        return bool(self.values.get("dry_run"))

    @contextmanager
    def reading(self, no_gpg_check: tuple[str, ...] = ()) -> "Iterator[Session]":
        """A session that changes nothing."""
        from pkglayer.engine.session import reading

        with reading(*self._where(), self._options(no_gpg_check), self._progress()) as session:
            yield session

    @contextmanager
    def changing(
        self, no_gpg_check: tuple[str, ...] = (), *, only_plans: bool | None = None
    ) -> "Iterator[Session]":
        """A session that may change the system; libraries that print do so to stderr.

        Where the verb `only_plans`, by default in a dry run, it needs no root.
        """
        from pkglayer.engine.changing import changing, rehearsing

        plans = self.dry_run if only_plans is None else only_plans
        begin = rehearsing if plans and os.geteuid() != 0 else changing
        with (
            _reader_gone_is_told(),
            _library_output_to_stderr(),
            begin(*self._where(), self._options(no_gpg_check), self._progress()) as session,
        ):
            yield session
        if self.values.get("timings"):
            self._print_timings(session.timings.table())

    def _print_timings(self, table: Mapping[str, "Seconds"]) -> None:
        """To stderr, since stdout has the result: a line a phase, or one line of JSON."""
        if self.as_json:
            wall = {phase: round(seconds.wall, 4) for phase, seconds in table.items()}
            cpu = {phase: round(seconds.cpu, 4) for phase, seconds in table.items()}
            typer.echo(json.dumps({"timings": wall, "cpu": cpu}), err=True)
            return
        for phase, seconds in table.items():
            typer.echo(f"{phase:10} {seconds.wall:8.3f} s {seconds.cpu:8.3f} s CPU", err=True)

    def _where(self) -> tuple[Path, str]:
        return Path(self.values["sysroot"]).absolute(), self.values["stateroot"]

    def _options(self, no_gpg_check: tuple[str, ...]) -> Any:
        from pkglayer.engine.session import Options

        v = self.values
        return Options(
            dry_run=self.dry_run,
            offline=v.get("offline", False),
            refresh=v.get("refresh", False),
            wait=v.get("wait", False),
            idempotent=v.get("idempotent", False),
            enable_repos=tuple(v.get("enablerepo") or ()),
            disable_repos=tuple(v.get("disablerepo") or ()),
            no_gpg_check=no_gpg_check,
            releasever=v.get("releasever", ""),
            keep_workdir=v.get("keep_workdir", False),
            skip_broken=v.get("skip_broken", False),
            unattended=_is_unattended(v.get("unattended")),
            comment=_checked_comment(v.get("comment", "")),
            command=("pkglayer", *sys.argv[1:]),
        )

    def _progress(self) -> "Progress":
        from pkglayer.log import Lines, Quiet

        return Quiet() if self.values.get("quiet") else Lines(sys.stderr)


def _checked_comment(text: str) -> str:
    from pkglayer.model.errors import UsageError

    if len(text) > MAX_COMMENT:
        raise UsageError(f"the comment has {len(text)} characters", hint=f"at most {MAX_COMMENT}")
    return text


def _is_unattended(said: bool | None) -> bool:
    return said if said is not None else sys.stdin is None or not sys.stdin.isatty()


def verb(
    app: typer.Typer, name: str = "", *, changes: bool = False, resolves: bool = False
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register `function(common, ...)` as a command with the common options of its kind.

    `changes` adds those of verbs that change the system, `resolves` those of verbs that look at
    package repositories.
    """
    options = dict(READ_OPTIONS)
    options |= CHANGE_OPTIONS if changes else {}
    options |= RESOLVE_OPTIONS if resolves else {}
    options |= POLICY_OPTIONS if changes and resolves else {}

    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        own = list(inspect.signature(function, eval_str=True).parameters.values())[1:]

        def run(**given: Any) -> None:
            common = Common({key: given.pop(key) for key in options})
            _set_up_log(bool(common.values["debug"]))
            function(common, **given)

        added = [
            inspect.Parameter(
                key, inspect.Parameter.KEYWORD_ONLY, annotation=kind,
                default=_DEFAULTS.get(key, None if "list" in str(kind) else False),
            )
            for key, kind in options.items()
        ]  # fmt: skip
        keyword = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in own]
        run.__signature__ = inspect.Signature([*keyword, *added])  # type: ignore[attr-defined]
        run.__annotations__ = {p.name: p.annotation for p in (*keyword, *added)}
        run.__doc__ = function.__doc__
        run.__name__ = function.__name__
        app.command(name or function.__name__.replace("_", "-"))(run)
        return function

    return register


def print_text(text: str) -> None:
    """Text for people, on stdout: folded on a terminal, each line whole for other programs."""
    from pkglayer.log import folded, terminal_width

    typer.echo(folded(text.removesuffix("\n"), terminal_width(sys.stdout)))


def print_json(data: Any) -> None:
    """Data for programs, on stdout: keys in order, one final newline."""
    typer.echo(json.dumps(data, indent=2, sort_keys=True, ensure_ascii=True))


def _set_up_log(debug: bool) -> None:
    import logging

    from pkglayer.log import SafeFormatter

    level = logging.DEBUG if debug else logging.WARNING
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(SafeFormatter("%(levelname)s: %(message)s"))
    logging.basicConfig(level=level, handlers=[handler])
    logging.getLogger("pkglayer").setLevel(level)


@contextmanager
def _reader_gone_is_told() -> Iterator[None]:
    """That nobody reads the result of a change that is made is no failure, as it is to click."""
    from pkglayer.model.errors import PkglayerError
    from pkglayer.system import interrupts

    try:
        yield
    except BrokenPipeError as e:
        if interrupts.is_final():
            raise PkglayerError("nobody reads what there is to say of it") from e
        raise


@contextmanager
def _library_output_to_stderr() -> Iterator[None]:
    """libostree and librpm print to file descriptor 1; stdout is for results."""
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    stdout, sys.stdout = sys.stdout, os.fdopen(os.dup(kept), "w", encoding=sys.stdout.encoding)
    try:
        yield
    finally:
        results, sys.stdout = sys.stdout, stdout
        os.dup2(kept, 1)
        os.close(kept)
        results.close()  # says it when they cannot be written, and does not try again later
