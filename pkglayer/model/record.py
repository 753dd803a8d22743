"""The record of a state: request, lock of every package, what was skipped and why, as JSON.

It lies in the tree it describes, at `/usr/lib/pkglayer/record.json`, and holds nothing that varies
between two builds of the same plan. Time, user and command line belong to the history instead.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, TypeVar

from pkglayer.model.errors import StateError
from pkglayer.model.package import Nevra, Package
from pkglayer.model.plan import Base, Inactive, Override, Plan, Skipped
from pkglayer.model.request import Request, Want
from pkglayer.model.scriptrules import REPLACE, RUN, SKIP, Rule

RECORD_PATH = "usr/lib/pkglayer/record.json"
RECORD_VERSION = 1


@dataclass(frozen=True)
class Note:
    """Something moved, masked, dropped or left alone: `what` (a path), by which rule, `why`."""

    package: str
    what: str
    why: str


@dataclass(frozen=True)
class ScriptRun:
    """One scriptlet as it ran; `output` is what it printed, line ends kept, capped in length."""

    package: str
    kind: str
    exit_code: int
    output: str = ""


@dataclass(frozen=True)
class Ruling:
    """What a row of settings or layers did to one scriptlet: `action` as in `model.scriptlet`."""

    package: str
    kind: str
    action: str
    reason: str
    seconds: int = 0
    source: str = ""

    @property
    def sentence(self) -> str:
        """What happened and why, in one line."""
        done = {RUN: "run", SKIP: "not run", REPLACE: "replaced"}[self.action]
        within = f" within {self.seconds} s" if self.seconds else ""
        who = self.source.replace(":", " ")
        return f"%{self.kind} of {self.package} {done}{within}: {self.reason} ({who})"


@dataclass(frozen=True)
class Account:
    """A user or group made while `package` was layered.

    `kind` is `user`, `group` (`uid` has its id, `gid` is -1) or `member` (user `name` joined the
    group named in `group`, whose id `gid` is). `package` is a package's name.
    """

    package: str
    kind: str
    name: str
    uid: int
    gid: int
    gecos: str = ""
    home: str = ""
    shell: str = ""
    group: str = ""


@dataclass(frozen=True)
class Record:
    """Everything there is to know of a layered state beside its files."""

    plan: Plan
    digest: str
    scripts: tuple[ScriptRun, ...] = ()
    accounts: tuple[Account, ...] = ()
    notes: tuple[Note, ...] = ()
    rulings: tuple[Ruling, ...] = ()


def to_json(record: Record) -> str:
    """Stable text: sorted keys, one final newline, no time and no host in it."""
    data = {"version": RECORD_VERSION, **asdict(record)}
    for name in ("fallbacks", "followed", "unseen"):
        del data["plan"][name]
    for row, package in zip(data["plan"]["packages"], record.plan.packages, strict=True):
        row["nevra"] = str(package.nevra)
    return json.dumps(data, indent=1, sort_keys=True, ensure_ascii=True) + "\n"


def from_json(text: str) -> Record:
    """Read a record back; raises StateError when it is corrupt or of a newer version."""
    try:
        data = json.loads(text)
        version = data.pop("version")
        if version != RECORD_VERSION:
            raise StateError(
                f"the state's record has version {version}; this pkglayer knows {RECORD_VERSION}",
                hint="use the pkglayer that wrote it",
            )
        return _record(data)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as e:
        raise StateError(
            f"the state's record ({RECORD_PATH}) cannot be read: {e}",
            hint="build the state anew from its base: pkglayer upgrade",
        ) from e


def _record(data: Mapping[str, Any]) -> Record:
    plan = data["plan"]
    wants = tuple(Want(**w) for w in plan["request"]["wants"])
    rules = _rows(Rule, plan["request"].get("rules", []))
    return Record(
        plan=Plan(
            base=Base(**plan["base"]),
            request=Request(
                plan["request"]["refspec"],
                wants,
                rules,
                bool(plan["request"].get("documentation", True)),
            ),
            packages=tuple(_package(p) for p in plan["packages"]),
            inactive=tuple(Inactive(**{**i, "want": Want(**i["want"])}) for i in plan["inactive"]),
            skipped=tuple(Skipped(Want(**s["want"]), s["why"]) for s in plan["skipped"]),
            overrides=_rows(Override, plan.get("overrides", [])),
        ),
        digest=data["digest"],
        scripts=_rows(ScriptRun, data["scripts"]),
        accounts=_rows(Account, data["accounts"]),
        notes=_rows(Note, data["notes"]),
        rulings=_rows(Ruling, data.get("rulings", [])),
    )


def _package(row: Mapping[str, Any]) -> Package:
    values = {**row, "nevra": Nevra.parse(row["nevra"]), "requests": tuple(row["requests"])}
    return Package(**{f.name: values[f.name] for f in fields(Package)})


Row = TypeVar("Row")


def _rows(cls: type[Row], rows: list[dict[str, Any]]) -> tuple[Row, ...]:
    return tuple(cls(**row) for row in rows)
