"""Which arguments of `rpm` are plain queries, so that a state can be asked anything and changed by
nothing.

Everything not in the table is refused: rpm installs, erases, runs commands and expands macros by
options too, and what it expands can start programs.
"""

from collections.abc import Sequence

from pkglayer.model.errors import UsageError

_SELECT = """
    --all --file --path --group --pkgid --hdrid --triggeredby --whatconflicts --whatrequires
    --whatobsoletes --whatprovides --whatrecommends --whatsuggests --whatsupplements --whatenhances
"""
_SHOW = """
    --info --list --state --dump --queryformat --qf --changelog --changes --last --dupes --xml
    --configfiles --docfiles --licensefiles --artifactfiles --noghost --noconfig --noartifact
    --scripts --triggers --triggerscripts --filetriggers --filetriggerscripts
    --provides --requires --conflicts --obsoletes --recommends --suggests --supplements --enhances
    --filesbypkg --fileclass --filecolor --fileprovide --filerequire --filecaps
    --query --quiet --verbose
"""
_VERIFY = "--verify --nofiledigest --nofiles --nodeps --nodigest --nosignature"

LONG_OPTIONS = frozenset(f"{_SELECT} {_SHOW} {_VERIFY}".split())
SHORT_OPTIONS = frozenset("aAcdfgilLPqRsvV")
"""`-p` is missing on purpose: it reads package files and URLs, which are no part of a state."""

_FORMAT_OPTIONS = ("--queryformat", "--qf")
_FILE_OPTIONS = ("--file", "--path", "--verify")


def plan_query(args: Sequence[str]) -> list[str]:
    """The arguments for `rpm`, query mode included; raises UsageError for what is not a query."""
    if not args:
        raise UsageError(
            "no query was given", hint="for example: pkglayer db query booted -- -qi bash"
        )
    rest = iter(args)
    for arg in rest:
        _check(arg)
        if arg in _FORMAT_OPTIONS:
            next(rest, None)  # its value may be any text
    if reads_every_file(args):
        # A package's %verifyscript would run on the host, in no sandbox.
        return ["--noscript", *args]
    return ["-q", *args]


def looks_at_files(args: Sequence[str]) -> bool:
    """Whether the query needs the state's files beside its database."""
    return any(_has(args, long, short) for long, short in zip(_FILE_OPTIONS, "ffV", strict=True))


def reads_every_file(args: Sequence[str]) -> bool:
    """Whether the query compares the state's files with its database."""
    return _has(args, "--verify", "V")


def _check(arg: str) -> None:
    if not arg.startswith("-"):
        # rpm expands macros in a file name that is not absolute, and a macro can run a program.
        if "%" in arg and not arg.startswith("/"):
            raise UsageError(f"'{_shown(arg)}' holds a '%', which rpm would expand")
        return
    if arg.startswith("--"):
        if arg.partition("=")[0] not in LONG_OPTIONS:
            raise _refused(arg.partition("=")[0])
    elif not arg[1:] or not set(arg[1:]) <= SHORT_OPTIONS:
        raise _refused(arg)


def _refused(option: str) -> UsageError:
    import difflib  # a plain query does without

    near = difflib.get_close_matches(option, LONG_OPTIONS, n=1)
    return UsageError(
        f"the rpm option '{_shown(option)}' is no query of a state",
        hint=f"did you mean '{near[0]}'?" if near else "man rpm lists them under QUERY OPTIONS",
    )


def _has(args: Sequence[str], long: str, short: str) -> bool:
    return any(
        arg.partition("=")[0] == long
        or (arg.startswith("-") and not arg.startswith("--") and short in arg)
        for arg in args
    )


def _shown(text: str) -> str:
    return text[:60].encode("unicode_escape").decode()
