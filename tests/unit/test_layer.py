"""The layer format: what is read, what is refused with file, line and key, what masks what."""

import pytest

from pkglayer.model.errors import ConfigError
from pkglayer.model.layer import KEYS, Layer, layer_name, merge_layers, parse_layer, to_wants
from pkglayer.model.request import Want

WEB = """\
description = "Web server"
packages = [
    "nginx >= 1.20",
    "@editors",
    "perl(LWP)",
]
recommends = false
"""


def test_all_keys_are_read() -> None:
    layer = parse_layer(WEB, "/etc/pkglayer/layers.d/web.toml")
    assert layer == Layer(
        name="web",
        packages=("nginx >= 1.20", "@editors", "perl(LWP)"),
        description="Web server",
        recommends=False,
        filename="/etc/pkglayer/layers.d/web.toml",
    )


def test_defaults_are_the_documented_ones() -> None:
    layer = parse_layer('packages = ["vim", "vim"]', "vim.toml")
    assert layer == Layer("vim", ("vim",), filename="vim.toml")
    documented = {key.name: key.default for key in KEYS if key.name != "packages"}
    kept = {name: getattr(layer, name.replace("-", "_")) for name in documented}
    assert kept == {**documented, "exclude": (), "scripts": ()}


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ('\npakages = ["vim"]', "x.toml:2: unknown key 'pakages'", "did you mean 'packages'?"),
        ('packages = ["vim"]\nzzz = 1', "x.toml:2: unknown key 'zzz'", "the keys are: description"),
        ('packages = ["vim"]\n[repos]\na = 1', "x.toml:2: unknown key 'repos'", "the keys are"),
        ('packages = "vim"', "x.toml:1: 'packages' must be a list of strings, not a string", ""),
        ('packages = ["a"]\nrecommends = 1', "x.toml:2: 'recommends' must be true or false", ""),
        ('packages = ["a"]\ndescription = []', "x.toml:2: 'description' must be a string", ""),
        ('packages = [\n "a",\n 7]', "x.toml:1: 'packages' must hold strings, not a number", ""),
        (
            'packages = [\n "a",\n ""]',
            "x.toml:1: 'packages': not a package spec: ''",
            "give a name",
        ),
        ('packages = [\n "a",\n "./f.rpm"]', "x.toml:3: 'packages' names the file", "by command"),
        ('packages = ["a"\n\n]]', "x.toml:3: not valid TOML", "a list is written"),
        (
            'packages = ["a"]\non-conflict = "hold"\non_conflict = "skip"',
            "x.toml:3: 'on_conflict' is there as 'on-conflict' already",
            "",
        ),
        ("packages = [", "x.toml:1: not valid TOML", ""),
        ("packages = []", "x.toml:1: a layer needs at least one package", "man pkglayer-layer"),
        ('description = "only"', "x.toml:1: a layer needs at least one package", ""),
    ],
)
def test_errors_name_file_line_and_key(text: str, message: str, hint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_layer(text, "x.toml")
    assert caught.value.message.startswith(message)
    assert hint in caught.value.hint


def test_errors_carry_their_facts() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_layer('packages = [\n "a",\n "./f.rpm"]', "x.toml")
    assert caught.value.data == {"file": "x.toml", "line": 3, "key": "packages"}


def test_escape_codes_in_a_key_are_not_shown_raw() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_layer('"\\u001b[31m" = 1', "x.toml")
    assert "\x1b" not in caught.value.message
    assert "\\x1b[31m" in caught.value.message


@pytest.mark.parametrize("name", ["", ".hidden", "-rf", "a b", "a\nb", "ä", "x" * 129])
def test_names_that_cannot_be_layers(name: str) -> None:
    with pytest.raises(ConfigError, match="no name for a layer file"):
        layer_name(f"/etc/pkglayer/layers.d/{name}.toml")


def test_a_written_file_hides_the_shipped_one() -> None:
    layers = merge_layers(
        shipped={"a.toml": 'packages = ["old"]', "b.toml": 'packages = ["b"]'},
        written={"a.toml": 'packages = ["new"]', "c.toml": 'packages = ["c"]'},
    )
    assert [(layer.name, layer.packages, layer.filename) for layer in layers] == [
        ("a", ("new",), "/etc/pkglayer/layers.d/a.toml"),
        ("b", ("b",), "/usr/lib/pkglayer/layers.d/b.toml"),
        ("c", ("c",), "/etc/pkglayer/layers.d/c.toml"),
    ]


def test_an_empty_file_switches_a_layer_off() -> None:
    assert merge_layers({"a.toml": 'packages = ["a"]'}, {"a.toml": " \n"}) == ()


def test_a_hidden_file_may_be_broken() -> None:
    layers = merge_layers({"a.toml": "not toml"}, {"a.toml": 'packages = ["a"]'})
    assert [layer.packages for layer in layers] == [("a",)]


def test_wants_carry_their_layer() -> None:
    layers = [parse_layer(WEB, "web.toml"), parse_layer('packages = ["nginx"]', "more.toml")]
    assert to_wants(layers) == (
        Want("nginx >= 1.20", "package", "layer:web", recommends=False, allow_inactive=True),
        Want("@editors", "group", "layer:web", recommends=False, allow_inactive=True),
        Want("perl(LWP)", "package", "layer:web", recommends=False, allow_inactive=True),
        Want("nginx", "package", "layer:more", allow_inactive=True),
    )
