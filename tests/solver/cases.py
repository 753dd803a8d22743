"""Cases from the tables: one `Case` a row, with all that it leaves out filled in.

`load_cases()` reads every `*.toml` beside this file; README.md has the format.
"""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

from pkglayer.model.request import Want, parse_spec
from tests.sim.textrepo import Pkg, pkg

REFUSED = "refused"
Row = TypeVar("Row")


@dataclass(frozen=True)
class Repo:
    """A repository; options as in a .repo file. One that is `down` has metadata nobody can get."""

    packages: tuple[Pkg, ...]
    priority: int = 99
    cost: int = 1000
    exclude: tuple[str, ...] = ()
    include: tuple[str, ...] = ()
    enabled: bool = True
    down: bool = False


@dataclass(frozen=True)
class Group:
    """A package group of the repository `r`; `conditional` maps a package to the one it is for."""

    mandatory: tuple[str, ...] = ()
    default: tuple[str, ...] = ()
    conditional: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Case:
    """`layer` or `refused` is what we answer (with `skipped`, `inactive`, `steps`, `origins`, where
    a case is about them); `dnf` what dnf does where that is something else, and then `why`."""

    name: str
    table: str
    base: tuple[Pkg, ...]
    repos: Mapping[str, Repo]
    groups: Mapping[str, Group]
    wants: tuple[Want, ...]
    local: tuple[Pkg, ...] = ()
    before: tuple[Pkg, ...] = ()
    upgrade: bool = False
    policy: str = "fail"
    settings: Mapping[str, Any] = field(default_factory=dict)
    layer: frozenset[str] = frozenset()
    refused: tuple[str, ...] = ()
    skipped: Mapping[str, str] = field(default_factory=dict)
    inactive: Mapping[str, str] = field(default_factory=dict)
    steps: Mapping[str, str] = field(default_factory=dict)
    origins: Mapping[str, str] = field(default_factory=dict)
    dnf: frozenset[str] | str | None = None
    why: str = ""

    @property
    def answer(self) -> frozenset[str] | str:
        return REFUSED if self.refused else self.layer


def short(name: str, evr: str, arch: str) -> str:
    """`foo-1` for foo-1-1.noarch, else as much as tells it apart: `foo-1:2-3.i686`."""
    return f"{name}-{evr.removesuffix('-1')}{'' if arch == 'noarch' else f'.{arch}'}"


def load_cases(directory: Path = Path(__file__).parent) -> list[Case]:
    """Every row of every table; raises ValueError for one that says too little or too much."""
    return [
        _case(path.stem, row, data.get("base", ()))
        for path in sorted(directory.glob("*.toml"))
        for data in [tomllib.loads(path.read_text())]
        for row in data["case"]
    ]


def _case(table: str, row: Mapping[str, Any], base: Sequence[str]) -> Case:
    values = dict(row)
    known = {f.name for f in fields(Case)} - {"table", "wants"} | {"ask", "repo"}
    if unknown := values.keys() - known:
        raise ValueError(f"{table}: {row['name']}: unknown {sorted(unknown)}")
    if ("layer" in row) == ("refused" in row) or ("dnf" in row) != ("why" in row):
        raise ValueError(f"{table}: {row['name']}: layer or refused; dnf together with why")
    repos = {"r": {"packages": values.pop("repo", [])}, **values.pop("repos", {})}
    refused, dnf = values.get("refused", ()), values.get("dnf")
    values |= {
        "table": table,
        "base": _packages(values.get("base", base)),
        "repos": {name: _repo(options) for name, options in repos.items()},
        "groups": {n: _frozen(Group, g) for n, g in values.get("groups", {}).items()},
        "wants": tuple(map(_want, values.pop("ask", []))),
        "local": _packages(values.get("local", ())),
        "before": _before(values.get("before", ()), repos),
        "layer": frozenset(values.get("layer", ())),
        "refused": (refused,) if isinstance(refused, str) else tuple(refused),
        "dnf": frozenset(dnf) if isinstance(dnf, list) else dnf,
    }
    return Case(**values)


def _packages(lines: Sequence[str]) -> tuple[Pkg, ...]:
    return tuple(pkg(line) for line in lines)


def _repo(options: Mapping[str, Any]) -> Repo:
    return _frozen(Repo, {**options, "packages": _packages(options["packages"])})


def _frozen(cls: type[Row], options: Mapping[str, Any]) -> Row:
    return cls(**{k: tuple(v) if isinstance(v, list) else v for k, v in options.items()})


def _before(lines: Sequence[str], repos: Mapping[str, Any]) -> tuple[Pkg, ...]:
    """A line without relations means the package of that name and version in a repository."""
    offered = {pkg(line).nevra: pkg(line) for r in repos.values() for line in r["packages"]}
    return tuple(p if ":" in line else offered.get(p.nevra, p) for line in lines
                 for p in [pkg(line)])  # fmt: skip


def _want(item: str | Mapping[str, Any]) -> Want:
    return parse_spec(item) if isinstance(item, str) else Want(**item)
