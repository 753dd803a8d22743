"""What is wanted on a base: the requests, and how they are written into an origin file.

The wish of the user lives in the `[pkglayer]` group of the deployment's origin file and in layer
files; this module turns both into one `Request` and back. It resolves nothing.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from pkglayer.model.errors import StateError, UsageError

ORIGIN_GROUP = "pkglayer"
ORIGIN_VERSION = 1


@dataclass(frozen=True)
class Want:
    """One request.

    `spec` is what the user typed (a local RPM's spec is its NEVRA); `kind` is `package`, `group`
    or `local`; `source` is `command` or the layer file's name; `header_checksum` names the import
    of a local RPM; `recommends` False leaves weak dependencies out; `allow_inactive` records the
    request even while the base itself has the package. `on_conflict` is `fail`, `hold` or `skip`,
    empty for what the settings say; `version` a glob that its packages' version (or
    version-release) must match; `exclude` globs of packages that must not come for its sake.
    """

    spec: str
    kind: str = "package"
    source: str = "command"
    header_checksum: str = ""
    recommends: bool = True
    allow_inactive: bool = False
    on_conflict: str = ""
    version: str = ""
    exclude: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        # JSON knows lists only, and a want must be hashable.
        object.__setattr__(self, "exclude", tuple(self.exclude))


@dataclass(frozen=True)
class Request:
    """A base (as libostree's refspec, `[remote:]ref`) and everything wanted on it."""

    refspec: str
    wants: tuple[Want, ...] = ()

    def find(self, spec: str) -> Want | None:
        """The command's request of that spec, or the local RPM of that name or NEVRA."""
        for want in self.wants:
            if want.spec == spec or (want.kind == "local" and want.spec.rsplit("-", 2)[0] == spec):
                return want
        return None

    def with_wants(self, wants: Iterable[Want]) -> "Request":
        """The same base with these wants, in stable order, each once."""
        unique = {(w.spec, w.source): w for w in wants}
        return replace(self, wants=tuple(unique[k] for k in sorted(unique)))

    @property
    def commanded(self) -> tuple[Want, ...]:
        """The requests made by command; the others come from layer files."""
        return tuple(w for w in self.wants if w.source == "command")


def to_origin(request: Request) -> dict[str, str]:
    """The `[pkglayer]` group for an origin file.

    It is written even when nothing is requested: an origin without the group comes from an updater
    that dropped it, and then the previous state's requests are taken up again.
    """
    defaults = asdict(Want(""))
    rows = [
        {k.replace("_", "-"): v for k, v in asdict(w).items() if k == "spec" or v != defaults[k]}
        for w in request.commanded
    ]
    return {
        "version": str(ORIGIN_VERSION),
        "requests": json.dumps(rows, ensure_ascii=True, sort_keys=True),
    }


def from_origin(refspec: str, group: Mapping[str, str]) -> Request:
    """Read the `[pkglayer]` group back; raises StateError for anything it does not know."""
    if not group:
        return Request(refspec)
    if group.get("version") != str(ORIGIN_VERSION):
        raise StateError(
            f"the origin's [{ORIGIN_GROUP}] group has version {group.get('version')!r}, "
            f"and this pkglayer knows version {ORIGIN_VERSION}",
            hint="use the pkglayer that wrote it, or edit the group out of the .origin file",
        )
    try:
        rows = json.loads(group.get("requests", "[]"))
        wants = [_to_want(row) for row in rows]
    except (ValueError, TypeError, AttributeError, KeyError, RecursionError) as e:
        raise StateError(
            f"the origin's [{ORIGIN_GROUP}] requests cannot be read: {e}",
            hint="correct or remove the 'requests' line in the .origin file of the deployment",
        ) from e
    return Request(refspec).with_wants(wants)


def _to_want(row: Mapping[str, Any]) -> Want:
    known = {k: type(v) for k, v in asdict(Want("")).items()}
    values = {k.replace("-", "_"): v for k, v in row.items()}
    for key, value in values.items():
        if key not in known:
            raise KeyError(f"unknown key {key!r}")
        if type(value) is not (list if known[key] is tuple else known[key]):
            raise TypeError(f"{key!r} must be {known[key].__name__}")
        if isinstance(value, list) and not all(isinstance(item, str) for item in value):
            raise TypeError(f"{key!r} must hold strings")
    if not values.get("spec"):
        raise KeyError("a request without 'spec'")
    return Want(**values)


def parse_spec(text: str) -> Want:
    """One command line SPEC as a request; local files are told by their name.

    Raises UsageError for an empty SPEC, control characters or more than 1,024 characters.
    """
    if not text.strip() or len(text) > 1024 or any(ord(c) < 32 or ord(c) == 127 for c in text):
        shown = text[:40].encode("unicode_escape").decode()
        raise UsageError(
            f"not a package spec: '{shown}'",
            hint="give a name, NEVRA, glob, capability, path, @group or a local ./file.rpm",
        )
    text = text.strip()
    if text.startswith("@"):
        return Want(text, kind="group")
    if text.endswith(".rpm") and ("/" in text or not any(c in text for c in "*?[")):
        return Want(text, kind="local")
    return Want(text)
