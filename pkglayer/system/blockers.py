"""Tells in one sentence why a request cannot be met on this base, and what to do.

`unknown_error(sack, wants)` for what nobody offers, `blocked_error(sack, choices, solution)` for
what the solver refuses. They look at the sack as the solver saw it and return the error to raise;
the solver's own text goes into `data["solver"]`.
"""

import difflib
from collections.abc import Sequence

from pkglayer.model.errors import ResolveError
from pkglayer.model.offer import Offer, Solution
from pkglayer.model.request import Want
from pkglayer.system.sack import Sack


def unknown_error(sack: Sack, wants: Sequence[Want]) -> ResolveError:
    """One error for all requests that nothing in sight satisfies."""
    lines = [_unknown_line(sack, want.spec) for want in wants]
    down = [r.id for r in sack.repositories if not r.available]
    hint = "look for names with: pkglayer search TERM"
    if down:
        hint = f"not all repositories are in sight ({', '.join(down)} cannot be used); {hint}"
    return ResolveError(
        "; ".join(lines), hint=hint, data={"unknown": [w.spec for w in wants], "down": down}
    )


def _unknown_line(sack: Sack, spec: str) -> str:
    near = near_matches(sack, spec)
    return f"nothing provides '{spec}'" + (f" (did you mean {', '.join(near)}?)" if near else "")


def near_matches(sack: Sack, spec: str) -> list[str]:
    names = sack.names()
    return difflib.get_close_matches(spec, sorted(n for n in names if n[:1] == spec[:1]), n=3)


def blocked_error(
    sack: Sack, choices: Sequence[tuple[Want, tuple[tuple[Offer, ...], ...]]], solution: Solution
) -> ResolveError:
    return ResolveError(
        f"{', '.join(w.spec for w, _ in choices)} cannot be installed on this base: "
        + "; ".join(solution.problems[:3]),
        data={"solver": list(solution.problems)},
    )
