"""A lock: everything that determines a state, as TOML that diffs well, and back.

`to_toml(lock)`, `parse_lock(text, filename)`; order and spelling are fixed, so that equal states
have equal files. Building from it is `engine.locking`'s.
"""

import json
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from pkglayer.model.errors import ConfigError
from pkglayer.model.package import Nevra, Package
from pkglayer.model.plan import LAYOUT_VERSION, Base, Inactive, Override, Plan, Skipped
from pkglayer.model.record import Account
from pkglayer.model.request import Request, Want
from pkglayer.model.scriptrules import Rule

LOCK_VERSION = 1


@dataclass(frozen=True)
class Lock:
    """`commit` and `digest` are those of the locked state; `post_failure` the setting that is part
    of the digest; `accounts` keep their ids wherever the state is built."""

    plan: Plan
    commit: str
    digest: str
    post_failure: str
    layout: int = LAYOUT_VERSION
    accounts: tuple[Account, ...] = ()


def to_toml(lock: Lock) -> str:
    """The lock file's text, with one final newline."""
    plan = lock.plan
    state = {"commit": lock.commit, "digest": lock.digest, "layout": lock.layout}
    settings = {"post-failure": lock.post_failure, "documentation": plan.request.documentation}
    parts = [
        f"version = {LOCK_VERSION}\n",
        _table("[state]", state),
        _table("[base]", asdict(plan.base)),
        _table("[settings]", settings),
        *(_table("[[request]]", _want(w)) for w in plan.request.wants),
        *(_table("[[package]]", _package(p)) for p in plan.packages),
        *(_table("[[override]]", asdict(o)) for o in plan.overrides),
        *(_table("[[rule]]", asdict(r)) for r in plan.request.rules),
        *(_table("[[inactive]]", _inactive(i)) for i in plan.inactive),
        *(_table("[[skipped]]", {**_want(s.want), "why": s.why}) for s in plan.skipped),
        *(_table("[[account]]", asdict(a)) for a in lock.accounts),
    ]
    return "\n".join(parts)


def _table(head: str, values: Mapping[str, Any]) -> str:
    lines = [head, *(f"{key} = {_value(value)}" for key, value in values.items())]
    return "\n".join(lines) + "\n"


def _value(value: Any) -> str:
    if isinstance(value, tuple | list):
        return "[" + ", ".join(map(_value, value)) + "]"
    if isinstance(value, str):
        # JSON's escapes are TOML's, but for characters that JSON writes as two halves.
        text = json.dumps(value, ensure_ascii=False)
        return text.replace("\x7f", "\\u007f")
    return json.dumps(value)


def _want(want: Want) -> dict[str, Any]:
    defaults = asdict(Want(""))
    return {k: v for k, v in asdict(want).items() if k == "spec" or v != defaults[k]}


def _inactive(inactive: Inactive) -> dict[str, Any]:
    why = {"why": inactive.why} if inactive.why else {}
    return {**_want(inactive.want), "provider": inactive.provider, **why}


def _package(package: Package) -> dict[str, Any]:
    return {**asdict(package), "nevra": str(package.nevra)}


def parse_lock(text: str, filename: str) -> Lock:
    """Read a lock file; raises ConfigError that names the file for what is none."""
    try:
        data = tomllib.loads(text)
        if data["version"] != LOCK_VERSION:
            raise ValueError(f"version {data['version']}; this pkglayer knows {LOCK_VERSION}")
        return _lock(data)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as e:
        raise ConfigError(
            f"{filename} is no lock of a state: {e}", hint="make one with: pkglayer lock"
        ) from e


def _lock(data: Mapping[str, Any]) -> Lock:
    state = data["state"]
    base = Base(**data["base"])
    wants = tuple(Want(**row) for row in data.get("request", ()))
    rules = tuple(Rule(**row) for row in data.get("rule", ()))
    documentation = bool(data["settings"].get("documentation", True))
    plan = Plan(
        base=base,
        request=Request(base.refspec, wants, rules, documentation),
        packages=tuple(_to_package(row) for row in data.get("package", ())),
        overrides=tuple(Override(**row) for row in data.get("override", ())),
        inactive=tuple(_split(Inactive, ("provider", "why"), data.get("inactive", ()))),
        skipped=tuple(_split(Skipped, ("why",), data.get("skipped", ()))),
    )
    return Lock(
        plan,
        _hex(state["commit"]),
        _hex(state["digest"]),
        str(data["settings"]["post-failure"]),
        int(state["layout"]),
        tuple(Account(**row) for row in data.get("account", ())),
    )


def _hex(text: str) -> str:
    if len(text) != 64 or set(text) - set("0123456789abcdef"):
        raise ValueError(f"{text[:70]!r} is no SHA-256")
    return text


def _split(kind: type[Any], keys: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> list[Any]:
    """Rows of a want with something more about it, told apart by the names of that."""
    return [
        kind(
            Want(**{k: v for k, v in row.items() if k not in keys}),
            **{k: v for k, v in row.items() if k in keys},
        )
        for row in rows
    ]


def _to_package(row: Mapping[str, Any]) -> Package:
    _hex(row["header_checksum"])
    values = {**row, "nevra": Nevra.parse(row["nevra"]), "requests": tuple(row["requests"])}
    return Package(**{f.name: values[f.name] for f in fields(Package)})
