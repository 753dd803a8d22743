"""What is wanted on a base: the requests, and how they are written into an origin file.

The wish of the user lives in the `[pkglayer]` group of the deployment's origin file and in layer
files; this module turns both into one `Request` and back. It resolves nothing.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from pkglayer.model.errors import StateError, UsageError
from pkglayer.model.scriptrules import Rule

ORIGIN_GROUP = "pkglayer"
ORIGIN_VERSION = 1
OVERRIDES_VERSION = 2
"""What a group with overrides has: a program that knows none must not read them as packages."""
REPLACE, REMOVE = "override-replace", "override-remove"
INITRAMFS = "initramfs"
KINDS = ("package", "group", "local", REPLACE, REMOVE, INITRAMFS)
SOURCE_PREFIX = "layer:"
"""What the source of a layer's request begins with."""
FAIL, HOLD, SKIP = POLICIES = ("fail", "hold", "skip")
"""What happens to a request that cannot be had, the strictest first: that one counts where several
rules meet."""


@dataclass(frozen=True)
class Want:
    """One request.

    `spec` is what the user typed (a local RPM's spec is its NEVRA); `kind` is one of `KINDS`:
    overrides are about a package of the base, `spec` being its name, or the NEVRA of the local RPM
    that replaces it; `initramfs` asks for one made with dracut's options `args`; `source` is
    `command` or the layer file's name; `header_checksum` names the import of a local RPM;
    `recommends` False leaves weak dependencies out; `allow_inactive` records the request even while
    the base itself has the package. `on_conflict` is `fail`, `hold`
    or `skip`, empty for what the settings say; `version` a glob that its packages' version (or
    version-release) must match; `exclude` globs of packages that must not come for its sake.
    `repo` is the repository that a replacement comes from and follows; `downgrade` says that it
    was older than the base's own when asked for, and stays so until it is reset; `follow` lets a
    local RPM move to newer versions that a repository offers, if signed by the same key or made
    by the same vendor; `base_updates` allows the fewest newer base packages that it needs;
    `no_gpg_check` says that the administrator let this local RPM in without a look at its
    signature.
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
    repo: str = ""
    downgrade: bool = False
    follow: bool = False
    base_updates: bool = False
    args: tuple[str, ...] = ()
    no_gpg_check: bool = False

    @property
    def is_override(self) -> bool:
        """Whether it is about a package of the base and asks for nothing beside it."""
        return self.kind in (REPLACE, REMOVE, INITRAMFS)

    @property
    def name(self) -> str:
        """The package's name, where `spec` is a name or the NEVRA of a file."""
        return self.spec.rsplit("-", 2)[0] if self.header_checksum else self.spec

    def __post_init__(self) -> None:
        # JSON knows lists only, and a want must be hashable.
        object.__setattr__(self, "exclude", tuple(self.exclude))
        object.__setattr__(self, "args", tuple(self.args))


_DEFAULTS: Mapping[str, Any] = vars(Want(""))


@dataclass(frozen=True)
class Request:
    """A base (as libostree's refspec, `[remote:]ref`) and everything wanted on it.

    `rules` are what settings and layers say about scriptlets; they come before our own. Without
    `documentation` the packages' files that are marked as such stay away.
    """

    refspec: str
    wants: tuple[Want, ...] = ()
    rules: tuple[Rule, ...] = ()
    documentation: bool = True

    def find(self, spec: str) -> Want | None:
        """The command's request of that spec, or the local RPM of that name or NEVRA."""
        for want in self.wants:
            if want.is_override:
                continue
            if want.spec == spec or (want.kind == "local" and want.name == spec):
                return want
        return None

    def with_wants(self, wants: Iterable[Want]) -> "Request":
        """The same base with these wants, in stable order, each once."""
        unique = {(w.spec, w.source, w.is_override): w for w in wants}
        return replace(self, wants=tuple(unique[k] for k in sorted(unique)))

    @property
    def commanded(self) -> tuple[Want, ...]:
        """The requests made by command; the others come from layer files."""
        return tuple(w for w in self.wants if w.source == "command")

    @property
    def overrides(self) -> tuple[Want, ...]:
        """What is to be different about the base's own packages."""
        return tuple(w for w in self.wants if w.is_override)


def to_origin(request: Request) -> dict[str, str]:
    """The `[pkglayer]` group for an origin file.

    It is written even when nothing is requested: an origin without the group comes from an updater
    that dropped it, and then the previous state's requests are taken up again.
    """
    rows = [want_to_row(want) for want in request.commanded]
    return {
        "version": str(OVERRIDES_VERSION if request.overrides else ORIGIN_VERSION),
        "requests": json.dumps(rows, ensure_ascii=True, sort_keys=True),
    }


def from_origin(refspec: str, group: Mapping[str, str]) -> Request:
    """Read the `[pkglayer]` group back; raises StateError for anything it does not know."""
    if not group:
        return Request(refspec)
    if group.get("version") not in (str(ORIGIN_VERSION), str(OVERRIDES_VERSION)):
        raise StateError(
            f"the origin's [{ORIGIN_GROUP}] group has version {group.get('version')!r}, "
            f"and this pkglayer knows versions {ORIGIN_VERSION} and {OVERRIDES_VERSION}",
            hint="use the pkglayer that wrote it, or edit the group out of the .origin file",
        )
    try:
        rows = json.loads(group.get("requests", "[]"))
        wants = [want_from_row(row) for row in rows]
    except (ValueError, TypeError, AttributeError, KeyError, RecursionError) as e:
        raise StateError(
            f"the origin's [{ORIGIN_GROUP}] requests cannot be read: {e}",
            hint="correct or remove the 'requests' line in the .origin file of the deployment",
        ) from e
    return Request(refspec).with_wants(wants)


def want_to_row(want: Want) -> dict[str, Any]:
    """A want as JSON values, without what is by default."""
    values = vars(want).items()
    return {k.replace("_", "-"): v for k, v in values if k == "spec" or v != _DEFAULTS[k]}


def want_from_row(row: Mapping[str, Any]) -> Want:
    """Read `want_to_row`'s values back; raises KeyError or TypeError for what it does not know."""
    known = {k: type(v) for k, v in _DEFAULTS.items()}
    values = {k.replace("-", "_"): v for k, v in row.items()}
    for key, value in values.items():
        if key not in known:
            raise KeyError(f"unknown key {key!r}")
        if type(value) is not (list if known[key] is tuple else known[key]):
            raise TypeError(f"{key!r} must be {known[key].__name__}")
        if isinstance(value, list) and not all(isinstance(item, str) for item in value):
            raise TypeError(f"{key!r} must hold strings")
    if values.get("kind", "package") not in KINDS:
        raise KeyError(f"unknown kind {values['kind']!r}")
    if not values.get("spec"):
        raise KeyError("a request without 'spec'")
    return Want(**values)


def parse_spec(text: str) -> Want:
    """One command line SPEC as a request; local files are told by their name, `-` is stdin.

    Raises UsageError for an empty SPEC, a comparison without a version, control characters or
    more than 1,024 characters.
    """
    if not text.strip() or len(text) > 1024 or any(ord(c) < 32 or ord(c) == 127 for c in text):
        shown = text[:40].encode("unicode_escape").decode()
        raise UsageError(
            f"not a package spec: '{shown}'",
            hint="give a name, NEVRA, glob, capability, path, @group or a local ./file.rpm",
        )
    text = text.strip()
    if text[-1] in "<>=":
        raise UsageError(f"a version is missing: '{text}'", hint=f"for instance: '{text} 2.1'")
    if text.startswith("@"):
        return Want(text, kind="group")
    if text == "-":
        return Want(text, kind="local")
    if text.endswith(".rpm") and ("/" in text or not any(c in text for c in "*?[")):
        return Want(text, kind="local")
    return Want(text)
