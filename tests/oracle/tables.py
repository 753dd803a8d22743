"""The tables of docs/exactness.md, from the tables that the program and the oracle work by.

`python -m tests.oracle --tables` writes them into the page; a unit test holds the page to them.
"""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from pkglayer.model import exchange, masks, pathmap, scriptrules
from pkglayer.stages.commit import VOLATILE
from tests.oracle.rows import NOT_COMPARED, OWN

PAGE = Path(__file__).parents[2] / "docs/exactness.md"
_ACTIONS = {
    "move": "moved to",
    "link": "linked from there to",
    "link-files": "files linked from there to",
    "factory": "copied at boot from",
    "refuse": "refused",
    "keep": "as it is",
}


def make_tables() -> dict[str, str]:
    """Markdown by the name that the page's markers have."""
    paths = [
        (f"`/{r.prefix}`", f"{_ACTIONS[r.action]}{f' `/{r.to}`' if r.to else ''}", r.reason)
        for r in pathmap.RULES
    ]
    masked = [(f"`/{m.pattern.replace('usr/etc', 'etc')}`", m.action, m.reason)
              for m in masks.MASKED]  # fmt: skip
    masked += [(f"files in `/var/{d}`", "drop", "where only a scriptlet wrote them: of the build")
               for d in VOLATILE]  # fmt: skip
    scripts = [(f"`{r.package}`", f"`%{r.kind}`", r.action, r.reason) for r in scriptrules.RULES]
    removals = [(f"`%{kind}`", when, why) for kind, when, why in exchange.WHEN]
    return {
        "paths": _table(("path", "where it is", "why"), paths),
        "masks": _table(("path", "what happens", "why"), masked),
        "scripts": _table(("package", "scriptlet", "what happens", "why"), scripts),
        "removals": _table(("scriptlet", "when it runs", "why"), removals),
        "rows": _table(("row", "why"), ((row.name, row.reason) for row in OWN)),
        "not-compared": _table(("what", "why"), NOT_COMPARED),
    }


def fill(page: str) -> str:
    """The page with its tables written anew."""
    for name, table in make_tables().items():
        start = f"<!-- table: {name} -->\n"
        pattern = rf"(?<={re.escape(start)}).*?(?=<!-- end -->)"
        page = re.sub(pattern, table.replace("\\", r"\\"), page, flags=re.S)
    return page


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n"
                   for line in lines)  # fmt: skip
