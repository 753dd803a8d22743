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
    from pkglayer.log import Progress

Panel = dict[str, Any]
_COMMON: Panel = {"rich_help_panel": "Common options"}

READ_OPTIONS: dict[str, Any] = {
    "sysroot": Annotated[Path, typer.Option("--sysroot", metavar="DIR", help="The physical root of the OSTree system.", **_COMMON)],
    "stateroot": Annotated[str, typer.Option("--stateroot", metavar="NAME", help="The stateroot (osname), where there is more than one.", **_COMMON)],
    "as_json": Annotated[bool, typer.Option("--json", help="Print data for programs.", **_COMMON)],
    "debug": Annotated[bool, typer.Option("--debug", help="Show every step and every command.", **_COMMON)],
}  # fmt: skip
CHANGE_OPTIONS: dict[str, Any] = {
    "dry_run": Annotated[bool, typer.Option("-n", "--dry-run", help="Show what would happen and stop.", **_COMMON)],
    "wait": Annotated[bool, typer.Option("--wait", help="Wait while somebody else changes the system.", **_COMMON)],
    "quiet": Annotated[bool, typer.Option("-q", "--quiet", help="No progress.", **_COMMON)],
    "timings": Annotated[bool, typer.Option("--timings", help="Show how long each phase took.", **_COMMON)],
    "keep_workdir": Annotated[bool, typer.Option("--keep-workdir", help="Keep the work directory, to look into.", **_COMMON)],
}  # fmt: skip
RESOLVE_OPTIONS: dict[str, Any] = {
    "enablerepo": Annotated[list[str] | None, typer.Option("--enablerepo", metavar="GLOB", help="Use these repositories, too.", **_COMMON)],
    "disablerepo": Annotated[list[str] | None, typer.Option("--disablerepo", metavar="GLOB", help="Do not use these repositories.", **_COMMON)],
    "offline": Annotated[bool, typer.Option("-C", "--offline", help="Use only what is cached and imported.", **_COMMON)],
    "refresh": Annotated[bool, typer.Option("--refresh", help="Ask the repositories for new metadata now.", **_COMMON)],
    "releasever": Annotated[str, typer.Option("--releasever", metavar="VERSION", help="Instead of the base's own version.", **_COMMON)],
    "idempotent": Annotated[bool, typer.Option("--idempotent", help="Nothing to do is success.", **_COMMON)],
}  # fmt: skip
_DEFAULTS: Mapping[str, Any] = {"sysroot": Path("/"), "stateroot": "", "releasever": ""}


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
    def changing(self, no_gpg_check: tuple[str, ...] = ()) -> "Iterator[Session]":
        """A session that may change the system; libraries that print do so to stderr."""
        from pkglayer.engine.session import changing

        with (
            _library_output_to_stderr(),
            changing(*self._where(), self._options(no_gpg_check), self._progress()) as session,
        ):
            yield session
            if self.values.get("timings"):
                for phase, seconds in session.timings.phases.items():
                    print(f"{phase:10} {seconds:8.3f} s", file=sys.stderr)

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
            command=tuple(["pkglayer", *sys.argv[1:]]),
        )

    def _progress(self) -> "Progress":
        from pkglayer.log import Lines, Quiet

        return Quiet() if self.values.get("quiet") else Lines(sys.stderr)


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


def print_json(data: Any) -> None:
    """Data for programs, on stdout: keys in order, one final newline."""
    print(json.dumps(data, indent=2, sort_keys=True, ensure_ascii=True))


def _set_up_log(debug: bool) -> None:
    import logging

    level = logging.DEBUG if debug else logging.WARNING
    logging.basicConfig(level=level, format="%(levelname)s: %(message)s", stream=sys.stderr)
    logging.getLogger("pkglayer").setLevel(level)


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
        sys.stdout.flush()
        sys.stdout.close()
        sys.stdout = stdout
        os.dup2(kept, 1)
        os.close(kept)
