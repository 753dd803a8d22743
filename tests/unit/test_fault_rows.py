"""The table of faults names tests that exist, and leaves out no row."""

import ast
import re
from pathlib import Path

TESTS = Path(__file__).parents[1]
ROW = re.compile(r"^\| (\d+) \| (.+?) \| (.+?) \|$")


def read_rows() -> dict[int, tuple[list[str], str]]:
    """Number -> (what tries it, what is said)."""
    lines = (TESTS / "faults/rows.md").read_text().splitlines()
    found = [match for line in lines if (match := ROW.match(line))]
    return {int(m[1]): (re.findall(r"`([^`]+)`", m[2]), m[3]) for m in found}


def test_every_row_is_there_with_its_words() -> None:
    rows = read_rows()
    assert sorted(rows) == list(range(1, 36))
    assert all(tried and said.strip() for tried, said in rows.values())


def test_every_test_that_is_named_exists() -> None:
    missing = []
    for number, (tried, _) in read_rows().items():
        for name in (t for t in tried if "::" in t):
            file, _, function = name.partition("::")
            if not (TESTS / file).is_file() or function not in _functions(TESTS / file):
                missing.append(f"{number}: {name}")
    assert missing == []


def _functions(path: Path) -> set[str]:
    tree = ast.parse(path.read_text())
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
