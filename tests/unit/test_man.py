"""Every verb has a manual page, every option is in it, and man accepts it without a warning."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from docs.man.build import build_pages
from docs.man.roff import escape, inline, to_roff
from pkglayer.cli.app import make_app
from pkglayer.model import errors, layer, settings

MAN = Path(__file__).parents[2] / "docs/man"
PAGES = {f"{page.name}.{page.section}": page.text for page in build_pages()}
APP: Any = typer.main.get_command(make_app())


def all_verbs() -> Iterator[tuple[str, Any]]:
    """Yield (page, command) of every verb, those of groups as well."""
    for name, verb in APP.commands.items():
        page = f"pkglayer-{name}.1"
        subverbs = getattr(verb, "commands", {})
        yield from ((page, one) for one in subverbs.values())
        if not subverbs:
            yield page, verb


def plain(page: str) -> str:
    """A page's text without roff's own characters."""
    return re.sub(r"\\f[BIR]", "", PAGES[page]).replace("\\-", "-").replace("\\&", "")


def test_every_verb_has_a_page_and_every_page_a_verb() -> None:
    verbs = {f"pkglayer-{name}.1" for name in APP.commands}
    assert set(PAGES) == verbs | {"pkglayer.1", "pkglayer.toml.5", "pkglayer-exactness.7"}
    prose = {path.stem for path in MAN.glob("*.md")}
    assert prose == set(APP.commands) | {"pkglayer", "pkglayer.toml", "exactness"}


@pytest.mark.parametrize(("page", "verb"), list(all_verbs()), ids=lambda v: str(v)[:40])
def test_every_option_is_in_the_page(page: str, verb: Any) -> None:
    text = plain(page)
    options = [p for p in verb.params if p.param_type_name == "option"]
    assert {"--sysroot", "--json"} <= {name for p in options for name in p.opts}
    for option in options:
        heading = ", ".join([*option.opts, *option.secondary_opts])
        # The heading, with or without a value behind it, and then its meaning.
        found = re.search(rf"^\.TP\n{re.escape(heading)}( .+)?\n(.+)$", text, re.M)
        assert found, heading
        assert found[2] != "See above.", heading


def test_every_verb_that_changes_something_takes_a_comment() -> None:
    options = [{n for p in verb.params for n in p.opts} for _, verb in all_verbs()]
    changing = [names for names in options if {"--dry-run", "--wait"} <= names]
    assert len(changing) > 15
    assert all("--comment" in names for names in changing)


def test_the_main_page_lists_verbs_and_exit_codes() -> None:
    text = plain("pkglayer.1")
    assert [name for name in APP.commands if f".BR pkglayer-{name} (1)\n" not in text] == []
    classes = [c for c in vars(errors).values() if isinstance(c, type)]
    codes = [c.exit_code for c in classes if issubclass(c, errors.PkglayerError)]
    assert len(codes) == len(set(codes)) > 10
    assert [code for code in codes if f".TP\n.B {code}\n" not in text] == []


def test_every_setting_and_layer_key_is_documented() -> None:
    page = plain("pkglayer.toml.5")
    assert [k.name for k in settings.KEYS if f"\n{k.name} (default: " not in page] == []
    page = plain("pkglayer-layer.1")
    assert [k.name for k in layer.KEYS if f"\n{k.name} (default: " not in page] == []


@pytest.mark.parametrize("page", PAGES)
def test_pages_have_an_example_and_a_plain_name_line(page: str) -> None:
    text = plain(page)
    assert re.search(r"^\.SH EXAMPLES?$", text, re.M)
    [name] = re.findall(r"^\.SH NAME\n(.+)$", text, re.M)
    assert re.fullmatch(rf"{re.escape(page.rpartition('.')[0])} - [^.]+", name)


@pytest.mark.parametrize("page", PAGES)
def test_examples_in_prose_are_commands_that_parse(page: str) -> None:
    code = "\n".join(re.findall(r"^\.nf\n(.*?)^\.fi$", plain(page), re.M | re.S))
    examples = re.findall(r"^(?:.*&& )?pkglayer ([a-z-]+)(?: ([a-z]+))?", code, re.M)
    assert page == "pkglayer.toml.5" or examples
    for verb, sub in examples:
        assert verb in APP.commands
        subverbs = getattr(APP.commands[verb], "commands", None)
        assert subverbs is None or sub in subverbs


@pytest.mark.skipif(not shutil.which("man"), reason="man is not here")
def test_man_accepts_every_page(tmp_path: Path) -> None:
    for name, text in PAGES.items():
        path = tmp_path / name
        path.write_text(text)
        done = subprocess.run(
            ["man", "--warnings=w", "--local-file", str(path)],
            env={"PATH": os.environ["PATH"], "LANG": "C.UTF-8", "MANWIDTH": "80"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, ""), name
        assert "COMMON OPTIONS" in done.stdout or not re.match(r"pkglayer-.*\.1", name)


def test_the_script_writes_the_same_pages(tmp_path: Path) -> None:
    command = [sys.executable, str(MAN / "build.py"), str(tmp_path)]
    subprocess.run(command, env={"PATH": os.environ["PATH"]}, cwd="/", check=True)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == PAGES


@pytest.mark.parametrize(
    ("markdown", "roff"),
    [
        ("a `--b` c", ".PP\na \\fB\\-\\-b\\fR c\n"),
        ("**a** and *b*", ".PP\n\\fBa\\fR and \\fIb\\fR\n"),
        (".not a macro", ".PP\n\\&.not a macro\n"),
        ("one\n  two", ".PP\none two\n"),
        ("## Files\ntext", ".SH FILES\n.PP\ntext\n"),
        ("- a\n- b\n  c", ".IP \\(bu 2\na\n.IP \\(bu 2\nb c\n"),
        ("    .x\n    y", ".PP\n.RS 4\n.nf\n\\&.x\ny\n.fi\n.RE\n"),
        ("```sh\na\n\nb\n```", ".PP\n.RS 4\n.nf\na\n\nb\n.fi\n.RE\n"),
        ("| a | b |\n| --- | --- |\n| `x` | is y |", ".TP\n\\fBx\\fR\nis y\n"),
    ],
)
def test_markdown_becomes_macros(markdown: str, roff: str) -> None:
    assert to_roff(markdown) == roff


def test_text_is_literal() -> None:
    assert escape("a\\b~c^d") == "a\\eb\\(tic\\(had"
    assert inline("'quoted' `.x`.") == "\\&'quoted' \\fB\\&.x\\fR."
