"""Our own settings file: every key, its default, and what a mistake is told as."""

import tomllib
from dataclasses import fields

import pytest

from pkglayer.model.errors import ConfigError
from pkglayer.model.settings import KEYS, Settings, parse_settings


def test_every_field_has_a_row_and_every_row_a_purpose() -> None:
    assert {k.field for k in KEYS} == {f.name for f in fields(Settings)}
    assert all(len(k.purpose) > 20 for k in KEYS)


def test_empty_file_gives_the_defaults() -> None:
    assert parse_settings("") == Settings()
    assert parse_settings("[packages]\n[scripts]\n") == Settings()


def test_values_arrive() -> None:
    settings = parse_settings(
        "[packages]\ngpgcheck = false\nrecommends = false\n"
        '[scripts]\npost-failure = "warn"\ntimeout = 5\nmemory = "512M"\ndisk = 1048576\n'
        '[states]\nkeep = 3\n[cache]\ndir = "/var/tmp/x"\n'
    )
    assert settings == Settings(
        gpgcheck=False,
        recommends=False,
        post_failure="warn",
        script_timeout=5,
        script_memory=512 * 1024**2,
        script_disk=1024**2,
        keep_states=3,
        cachedir="/var/tmp/x",
    )


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('[scripts]\n\n# x\nmemory = "much"', 'f.toml:4: [scripts] memory: must be a size'),
        ("[scripts]\ntimeout = 0", "f.toml:2: [scripts] timeout: must be a whole number from 1"),
        ("[scripts]\ntimeout = true", "f.toml:2: [scripts] timeout: must be a whole number"),
        ("[scripts]\nmemory = true", "f.toml:2: [scripts] memory: must be a size"),
        ('[scripts]\nmemory = "1K"', 'f.toml:2: [scripts] memory: must be a size of at least "1M"'),
        ('[scripts]\npost-failure = "x"', 'must be "abort" or "warn", not \'x\''),
        ('[packages]\ngpgcheck = "no"', "f.toml:2: [packages] gpgcheck: must be true or false"),
        ("scripts.timeout = -1", "f.toml:1: [scripts] timeout: must be"),
        ("scripts = { timeout = -1 }", "[scripts] timeout: must be"),
        ('[cache]\ndir = "var/x"', "f.toml:2: [cache] dir: must be an absolute path"),
        ('[cache]\ndir = "/var/../etc"', "[cache] dir: must be an absolute path"),
        ('[cache]\ndir = "/"', "[cache] dir: must be an absolute path below a directory"),
        ("[scripts]\ngpgcheck = true", "gpgcheck: unknown key; it belongs into [packages]"),
        ("[script]\ntimeout = 1", "f.toml:1: [script]: unknown table; known tables: [packages]"),
        ("timeout = 1", "f.toml:1: timeout: unknown key; it belongs into [scripts]"),
        ("[scripts]\ntime = 1", "[scripts] time: unknown key; known here: post-failure, timeout"),
        ("[scripts\n", "f.toml: not valid TOML: "),
        ("[scripts]\nrules = 1", "f.toml:2: [scripts] rules: must be a list of tables"),
        ("\n[[scripts.rules]]\npackage = 'x'", "f.toml:2: [scripts] rules: rule 1: 'action' is"),
    ],
)  # fmt: skip
def test_mistake_names_file_line_and_key(text: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_settings(text, "f.toml")
    assert says in caught.value.message
    assert caught.value.hint


def test_documented_names_make_a_valid_file() -> None:
    """Each row's table and key, with the default as its value, reads back as the default."""
    defaults = Settings()
    rows = [(k, getattr(defaults, k.field)) for k in KEYS]
    lines = [f"[{k.table}]\n{k.name} = {to_toml(value)}\n" for k, value in rows]
    for line in lines:
        assert tomllib.loads(line)
        assert parse_settings(line) == defaults


def to_toml(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "{}"
    if isinstance(value, tuple):
        return "[]"
    return repr(value).replace("'", '"')
