"""Why a request cannot be followed as it was typed, in one error for all of its words.

`install_error` joins what is requested already, unknown, or in the base; `find_requests` turns the
words of an uninstall into requests, or says what each is instead. Nothing is changed here.
"""

from collections.abc import Sequence
from difflib import get_close_matches

from pkglayer.engine.session import Session, base_files
from pkglayer.log import printable
from pkglayer.model.deployment import Deployment
from pkglayer.model.errors import PkglayerError, ResolveError, UsageError
from pkglayer.model.plan import Inactive, Plan
from pkglayer.model.request import SOURCE_PREFIX, Request, Want
from pkglayer.system import rpmhome, rpmquery


def new_inactive(plan: Plan, before: Deployment) -> list[Inactive]:
    """What is newly asked for by command and in the base already, without leave to be inactive."""
    known = {w.spec for w in before.record.plan.request.wants} if before.record else set()
    return [
        i for i in plan.inactive
        if not i.want.allow_inactive and i.want.source == "command" and i.want.spec not in known
    ]  # fmt: skip


def install_error(
    known: Sequence[Want], inactive: Sequence[Inactive], unknown: ResolveError | None = None
) -> PkglayerError | None:
    """One error for everything that is wrong with the words of an install; None for nothing."""
    lines, hints, data = [], [], dict(unknown.data) if unknown else {}
    if unknown:
        lines.append(unknown.message)
        hints.append(unknown.hint)
    if known:
        lines.append("already requested: " + ", ".join(w.spec for w in known))
        hints.append("leave out what is requested, or give --idempotent")
        data["requested"] = [w.spec for w in known]
    if inactive:
        texts = [f"{i.want.spec} (by {i.provider})" for i in inactive]
        lines.append("already in the base: " + ", ".join(texts))
        hints.append("what the base has needs no layer; to have it layered as soon as the base "
                     "drops it, give --allow-inactive")  # fmt: skip
        data["inactive"] = {i.want.spec: i.provider for i in inactive}
    if not lines:
        return None
    cls = ResolveError if unknown or inactive else UsageError
    return cls("; ".join(lines), hint="; ".join(filter(None, hints)), data=data)


def find_requests(session: Session, request: Request, specs: Sequence[str]) -> list[Want]:
    """The requests by command that these words name; raises one UsageError for all that do not."""
    found, lines, hints = [], [], []
    for spec in specs:
        want = request.find(spec)
        if want and want.source == "command":
            found.append(want)
            continue
        text, hint = _what_it_is(session, request, spec)
        lines.append(text)
        hints.append(hint)
    if lines:
        raise UsageError(
            "; ".join(lines),
            hint="; ".join(dict.fromkeys(hints)),
            data={"not_requested": [s for s in specs if s not in {w.spec for w in found}]},
        )
    return found


def _what_it_is(session: Session, request: Request, spec: str) -> tuple[str, str]:
    """What a word is that is no request by command, and what to do instead."""
    shown = f"'{printable(spec)}'"
    record = session.sysroot.newest.record
    if record and (want := record.plan.request.find(spec)) and want.source != "command":
        layer = want.source.removeprefix(SOURCE_PREFIX)
        file = f"/etc/pkglayer/layers.d/{layer}.toml"
        return (
            f"{shown} is requested by the layer {layer}",
            f"take it out of {file} (an empty one masks the base's), then: pkglayer layer apply",
        )
    for package in record.plan.packages if record else ():
        if spec in (package.nevra.name, str(package.nevra)):
            whose = ", ".join(package.requests) or "another package"
            return (
                f"{shown} is not a request but comes along with {whose}",
                "it goes when nothing requested needs it any more",
            )
    if names := _in_base(session, spec):
        if len(names) > 1:
            return f"{shown} is not requested", _nearby(request, spec)
        return (
            f"{shown} is a package of the base, not a request",
            f"to be without it: pkglayer override remove {names[0]}",
        )
    return f"{shown} is not requested", _nearby(request, spec)


def _nearby(request: Request, spec: str) -> str:
    specs = [w.spec for w in request.commanded]
    if near := get_close_matches(spec, specs, n=1):
        return f"did you mean '{near[0]}'?"
    return "requests made by command are: " + (", ".join(specs) or "none")


def _in_base(session: Session, spec: str) -> list[str]:
    with base_files(session, session.sysroot.newest.base) as tree:
        found = rpmquery.list_packages(tree, rpmhome.find_dbpath(tree), spec)
    return sorted({nevra.name for nevra in found})
