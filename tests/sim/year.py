"""How a base and its repositories change over a year: libraries move, packages follow or lead.

`make_year(days, seed)` -> one `Day` each; the same seed gives the same year.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass

from tests.sim.textrepo import Pkg

LIBRARIES, REQUESTS = 20, 30
"""How many libraries the base has, and how many packages are layered."""


@dataclass(frozen=True)
class Day:
    """The base and the repository as they are on one day."""

    number: int
    base: tuple[Pkg, ...]
    repo: tuple[Pkg, ...]


@dataclass
class _App:
    """`built` maps each library it needs to the version it was built for."""

    name: str
    built: dict[str, int]
    release: int = 1
    older: Pkg | None = None
    gone_until: int = 0
    extra: str = ""
    renamed: bool = False


def make_year(days: int, seed: int) -> Iterator[Day]:
    """A library of the base moves every few days; what needs it is rebuilt up to 4 days before or
    10 days after. Now and then a package vanishes, gets a new name, or needs something new."""
    dice = random.Random(seed)
    versions = {f"lib{n}": 1 for n in range(LIBRARIES)}
    apps = [
        _App(f"app{n}", dict.fromkeys(dice.sample(sorted(versions), 2), 1)) for n in range(REQUESTS)
    ]
    base_moves: list[tuple[int, str]] = []
    rebuilds: list[tuple[int, _App, str]] = []
    for day in range(days):
        if dice.random() < 0.15:
            library, when = dice.choice(sorted(versions)), day + 4
            base_moves.append((when, library))
            rebuilds += [
                (when + dice.randint(-4, 10), a, library) for a in apps if library in a.built
            ]
        for _, library in [m for m in base_moves if m[0] == day]:
            versions[library] += 1
        for _, app, library in [r for r in rebuilds if r[0] == day]:
            app.older = _package(app)
            app.built[library] += 1
            app.release += 1
        _mishaps(dice, apps, day)
        base = tuple(Pkg(name, str(version)) for name, version in versions.items())
        yield Day(day, (*base, Pkg("release", str(day + 1))), _repository(dice, apps, day))


def _mishaps(dice: random.Random, apps: list[_App], day: int) -> None:
    roll, app = dice.random(), dice.choice(apps)
    if roll < 0.03:
        app.gone_until = day + dice.randint(1, 12)
    elif roll < 0.05:
        app.renamed = True
    elif roll < 0.08:
        app.extra, app.release = f"extra{day + dice.randint(0, 5)}", app.release + 1


def _package(app: _App) -> Pkg:
    needs = [f"{name} = {version}-1" for name, version in sorted(app.built.items())]
    needs += [app.extra] if app.extra else []
    name = f"{app.name}-ng" if app.renamed else app.name
    old = (f"{app.name} = {app.release}",) if app.renamed else ()
    obsoletes = (f"{app.name} < {app.release}",) if app.renamed else ()
    return Pkg(name, str(app.release), tuple(needs), old, (), obsoletes)


def _repository(dice: random.Random, apps: list[_App], day: int) -> tuple[Pkg, ...]:
    offered = {_package(a) for a in apps if a.gone_until <= day}
    offered |= {a.older for a in apps if a.older and a.gone_until <= day and a.release % 2}
    # What a package newly needs comes into the repository some days later.
    extras = {a.extra for a in apps if a.extra and int(a.extra.removeprefix("extra")) <= day}
    return tuple(sorted(offered | {Pkg(name) for name in extras}))
