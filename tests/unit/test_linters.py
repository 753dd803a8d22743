"""Runs the linters as tests, so that `pytest` alone says whether the code may be committed.

Their settings are in pyproject.toml. They come with the `test` extra and are never skipped.
"""

import subprocess
import sys
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[2]

LINTERS = {
    "ruff": ["ruff", "check", "--output-format=concise", "."],
    "mypy": ["mypy"],
}


def run_linter(words: list[str], cwd: Path) -> tuple[int, str]:
    command = [sys.executable, "-m", *words]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("name", LINTERS)
def test_code_is_clean(name: str) -> None:
    code, text = run_linter(LINTERS[name], PROJECT)
    assert code == 0, text


@pytest.mark.parametrize(
    ("name", "source", "text"),
    [
        ("ruff", "import os\n", "F401"),
        ("ruff", "def f():\n    print('x')\n", "T201"),
        ("mypy", "def f(x): return x\n", "no-untyped-def"),
        ("mypy", "def f() -> int:\n    return 1\n    f()\n", "unreachable"),
        ("mypy", "import no_such_module_at_all\n", "import-not-found"),
    ],
)
def test_linter_finds_faults(tmp_path: Path, name: str, source: str, text: str) -> None:
    (tmp_path / "bad.py").write_text(source)
    config = f"--config={PROJECT / 'pyproject.toml'}"
    words = {"ruff": ["ruff", "check", config, "bad.py"]}
    words["mypy"] = ["mypy", f"--config-file={PROJECT / 'pyproject.toml'}", "bad.py"]
    code, output = run_linter(words[name], tmp_path)
    assert code == 1
    assert text in output
