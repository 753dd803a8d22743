"""Names that somebody may have meant: pure spelling help."""

import difflib
from collections.abc import Iterable


def near_matches(spec: str, names: Iterable[str], limit: int = 3) -> list[str]:
    """The `names` nearest to `spec`, best first.

    Other case comes before misspelling, and that before names that contain it. Names of very
    different length or first letter are not compared, so that 70,000 of them take a moment only.
    """
    wanted = spec.casefold()
    if len(wanted) < 2 or len(wanted) > 100:
        return []
    folded: dict[str, str] = {}
    for name in sorted(names):
        folded.setdefault(name.casefold(), name)
    same = [folded[wanted]] if folded.get(wanted, spec) != spec else []
    close = difflib.get_close_matches(
        wanted,
        [n for n in folded if n[:1] == wanted[:1] and abs(len(n) - len(wanted)) <= 3],
        n=limit,
        cutoff=0.7,
    )
    inside = sorted((n for n in folded if len(wanted) > 2 and wanted in n), key=len)[:limit]
    found = dict.fromkeys([*same, *(folded[n] for n in (*close, *inside))])
    return [n for n in found if n != spec][:limit]


def quoted(spec: str) -> str:
    """A spec as a shell wants it."""
    plain = spec.replace("-", "").replace(".", "").replace("_", "").replace("@", "")
    return spec if plain.isalnum() else f"'{spec}'"
