"""Why a request cannot be had, as data: one sentence for people, ways out, and the facts behind.

`Trouble` is filled by `system.blockers` and, for files that only the build sees, `engine.clashes`;
`Blocked` and `FilesClash` carry all of them at once, so that a policy can decide about each
request. Nothing is decided here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from pkglayer.model.errors import ConflictError, ResolveError
from pkglayer.model.request import Want


@dataclass(frozen=True)
class Way:
    """A way out: a command line ready to run, and what it costs in words.

    `packages` is how many packages of the layer would change, `size` the bytes to download; both
    are -1 where only trying it could tell.
    """

    command: str
    cost: str
    packages: int = -1
    size: int = -1


@dataclass(frozen=True)
class Trouble:
    """What is in the way of one request.

    `kind` is one of `KINDS`; `sentence` is whole and in plain words; `needs` is a requirement as
    headers write it; `chain` leads from the request's package to the one that has the requirement;
    `base` and `offers` are NEVRAs of what the base has and the repositories offer instead;
    `others` are the specs of requests that it does not go together with.
    """

    want: Want
    kind: str
    sentence: str
    hint: str = ""
    needs: str = ""
    chain: tuple[str, ...] = ()
    base: tuple[str, ...] = ()
    offers: tuple[str, ...] = ()
    others: tuple[str, ...] = ()
    near: tuple[str, ...] = ()
    ways: tuple[Way, ...] = ()


KINDS: Mapping[str, str] = {
    "missing": "nothing in sight is called so or provides it",
    "disabled": "only a repository that is not enabled has it",
    "excluded": "the configuration of a repository keeps it out",
    "version": "it exists, in other versions than the one asked for",
    "in-base": "the base has it in another version, and base packages do not change",
    "obsoletes": "it would take the place of a package of the base",
    "architecture": "it exists for other processors only",
    "requires": "it needs something that nothing in sight provides",
    "base-version": "it needs another version of something that the base has",
    "excluded-need": "what it needs is kept out by the configuration of a repository",
    "disabled-need": "what it needs is in a repository that is not enabled",
    "conflicts": "it cannot stand beside a package of the base",
    "together": "it does not go together with another request",
    "file-conflict": "a file of it has other content in another package or in the base",
    "local-gone": "the imported copy of a local package is gone",
    "group": "no repository has the group, or any package of it",
    "modules": "its kernel modules are all for other kernels than the state's",
    "other": "the solver refuses it for a reason that has no name here",
}
"""Every kind of trouble and what it means; data for programs, so names stay as they are."""


class Blocked(ResolveError):
    """Requests that cannot be had on this base: all of them, each with its reason."""

    def __init__(
        self,
        troubles: Sequence[Trouble],
        *,
        hint: str = "",
        data: Mapping[str, object] | None = None,
    ) -> None:
        self.troubles = tuple(troubles)
        text = "; ".join(dict.fromkeys(t.sentence for t in troubles))
        rows = [trouble_json(t) for t in troubles]
        hints = "; ".join(dict.fromkeys(t.hint for t in troubles if t.hint))
        super().__init__(text, hint=hint or hints, data={**(data or {}), "blockers": rows})


@dataclass(frozen=True)
class Clash:
    """A layered package (its NEVRA) with files that `other` has with other content.

    `other` is a NEVRA as well, or `the base` for what no package of it owns. `requests` are the
    specs behind the package, `others` those behind the other one, empty where the base has it.
    """

    nevra: str
    other: str
    paths: tuple[str, ...]
    requests: tuple[str, ...]
    others: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """Both owners and the first paths, in plain words."""
        more = f" and {len(self.paths) - 3} more" if len(self.paths) > 3 else ""
        verb = "has" if len(self.paths) == 1 else "have"
        whose = "" if self.others or self.other == "the base" else " of the base"
        shown = f"{', '.join(self.paths[:3])}{more} of {self.nevra}"
        return f"{shown} {verb} other content in {self.other}{whose}"


@dataclass(frozen=True)
class Detour:
    """What the next try does without: packages that clash, and whole requests with the reason."""

    clashes: tuple[Clash, ...] = ()
    left_out: Mapping[Want, str] = field(default_factory=dict)


class FilesClash(ConflictError):
    """Requests that cannot be built for their files: all of them, each with its reason."""

    def __init__(
        self, troubles: Sequence[Trouble], *, data: Mapping[str, object] | None = None
    ) -> None:
        self.troubles = tuple(troubles)
        ways = dict.fromkeys(f"{w.command} ({w.cost})" for t in troubles for w in t.ways)
        super().__init__(
            "; ".join(dict.fromkeys(t.sentence for t in troubles)),
            hint="; or ".join(ways),
            data={**(data or {}), "blockers": [trouble_json(t) for t in troubles]},
        )


def trouble_json(trouble: Trouble) -> dict[str, Any]:
    """A trouble as JSON values; the request by its spec and source."""
    row = {k: v for k, v in asdict(trouble).items() if k != "want"}
    return {"spec": trouble.want.spec, "source": trouble.want.source, **row}


def sentences(troubles: Sequence[Trouble]) -> dict[Want, str]:
    """The sentence for each request."""
    return {t.want: t.sentence for t in troubles}
