"""The documentation holds together: links lead somewhere, every verb and decision is named."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import typer

from pkglayer.cli.app import make_app

PROJECT = Path(__file__).parents[2]
PAGES = sorted(
    path
    for pattern in ("README.md", "docs/**/*.md", "hooks/*.md", "layers/*.md", "tests/**/*.md")
    for path in PROJECT.glob(pattern)
)


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(PROJECT)))
def test_links_lead_to_files(page: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text())
    local = [link for link in links if "://" not in link]
    assert [link for link in local if not (page.parent / link).exists()] == []


def test_the_readme_names_every_verb() -> None:
    command: Any = typer.main.get_command(make_app())
    table = (PROJECT / "README.md").read_text().partition("## What you can say")[2]
    assert [name for name in command.commands if not re.search(rf"\b{name}\b", table)] == []


def test_every_decision_is_listed() -> None:
    decisions = PROJECT / "docs/decisions"
    listed = re.findall(r"\]\(([^)]+)\)", (decisions / "README.md").read_text())
    assert sorted(listed) == sorted(p.name for p in decisions.glob("[0-9]*.md"))


def test_targets_in_hacking_exist() -> None:
    makefile = (PROJECT / "Makefile").read_text()
    for page in ("README.md", "docs/hacking.md"):
        targets = re.findall(r"\bmake ([a-z-]+)", (PROJECT / page).read_text())
        assert targets
        assert [t for t in targets if not re.search(rf"^{t}:", makefile, re.M)] == []


def test_files_named_in_the_architecture_exist() -> None:
    text = (PROJECT / "docs/architecture.md").read_text()
    named = re.findall(r"`((?:engine|stages|system|model|cli)/\w+\.py)`", text)
    assert len(named) > 10
    assert [name for name in named if not (PROJECT / "pkglayer" / name).is_file()] == []


def test_no_page_has_a_space_at_a_lines_end() -> None:
    done = subprocess.run(
        ["grep", "-n", "-E", r"\s+$", *map(str, PAGES)], capture_output=True, text=True, check=False
    )
    assert done.stdout == ""
