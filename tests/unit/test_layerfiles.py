"""Where layer files are found, what hides what, and that links never lead out of the tree."""

import os
from pathlib import Path

import pytest

from pkglayer.model.errors import ConfigError
from pkglayer.model.layer import parse_layer
from pkglayer.system.layerfiles import read_layers, read_presets
from tests.support.trees import Link, Node, Tree, make_tree

PROJECT = Path(__file__).parents[2]


def read(tmp_path: Path, tree: Tree) -> dict[str, tuple[str, ...]]:
    root = make_tree(tmp_path / "tree", tree)
    return {layer.name: layer.packages for layer in read_layers(root / "usr", root / "etc")}


def test_no_directories_no_layers(tmp_path: Path) -> None:
    assert read(tmp_path, {}) == {}


def test_both_places_are_read(tmp_path: Path) -> None:
    tree: dict[str, Node] = {
        "usr/lib/pkglayer/layers.d/base.toml": 'packages = ["vim"]',
        "usr/lib/pkglayer/layers.d/hidden.toml": 'packages = ["old"]',
        "usr/lib/pkglayer/layers.d/off.toml": 'packages = ["off"]',
        "usr/lib/pkglayer/layers.d/null.toml": 'packages = ["null"]',
        "usr/lib/pkglayer/layers.d/README": "not a layer",
        "etc/pkglayer/layers.d/hidden.toml": 'packages = ["new"]',
        "etc/pkglayer/layers.d/off.toml": "",
        "etc/pkglayer/layers.d/null.toml": Link("/dev/null"),
        "etc/pkglayer/layers.d/mine.toml~": "an editor's copy",
    }
    assert read(tmp_path, tree) == {"base": ("vim",), "hidden": ("new",)}


@pytest.mark.parametrize(
    "target",
    [
        "/usr/share/pkglayer/layers/web.toml",
        "../../../usr/share/pkglayer/layers/web.toml",
        "/usr/share/pkglayer/layers/alias.toml",
        "../../../../../../../../../usr/share/pkglayer/layers/web.toml",
    ],
)
def test_links_are_followed_within_the_tree(tmp_path: Path, target: str) -> None:
    tree: dict[str, Node] = {
        "usr/share/pkglayer/layers/web.toml": 'packages = ["nginx"]',
        "usr/share/pkglayer/layers/alias.toml": Link("web.toml"),
        "etc/pkglayer/layers.d/my.toml": Link(target),
    }
    assert read(tmp_path, tree) == {"my": ("nginx",)}


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("/var/secret.toml", "a link out of /usr and /etc"),
        ("../../../../outside.toml", "a link out of /usr and /etc"),
        ("/usr/../var/secret.toml", "a link out of /usr and /etc"),
        ("bad.toml", "a circle of links"),
        ("/usr/missing.toml", "is a link to '/usr/missing.toml', which cannot be read"),
        ("/usr/lib", "is not a file|Is a directory"),
    ],
)
def test_links_elsewhere_are_refused(tmp_path: Path, target: str, message: str) -> None:
    make_tree(tmp_path, {"outside.toml": 'packages = ["a"]'})
    tree: dict[str, Node] = {
        "usr/lib/pkglayer/layers.d/a.toml": "",
        "var/secret.toml": 'packages = ["a"]',
        "etc/pkglayer/layers.d/bad.toml": Link(target),
    }
    with pytest.raises(ConfigError, match=message) as caught:
        read(tmp_path, tree)
    assert "/etc/pkglayer/layers.d/bad.toml" in caught.value.message
    assert str(tmp_path) not in caught.value.message


def test_a_file_that_is_no_text_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"^/etc/pkglayer/layers\.d/a\.toml:2: not UTF-8 text"):
        read(tmp_path, {"etc/pkglayer/layers.d/a.toml": b"# one\n\xff\xfe"})


def test_a_huge_file_is_not_read_to_its_end(tmp_path: Path) -> None:
    root = make_tree(tmp_path, {"etc/pkglayer/layers.d/a.toml": ""})
    os.truncate(root / "etc/pkglayer/layers.d/a.toml", 1 << 40)
    with pytest.raises(ConfigError, match="more than 1 MiB"):
        read_layers(root / "usr", root / "etc")


def test_a_fifo_does_not_block(tmp_path: Path) -> None:
    root = make_tree(tmp_path, {"etc/pkglayer/layers.d/a": ""})
    os.mkfifo(root / "etc/pkglayer/layers.d/b.toml")
    with pytest.raises(ConfigError, match=r"b\.toml is not a file"):
        read_layers(root / "usr", root / "etc")


def test_a_name_that_is_no_layer_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no name for a layer file"):
        read(tmp_path, {"etc/pkglayer/layers.d/-rf.toml": 'packages = ["a"]'})


def test_the_presets_are_good_layers() -> None:
    presets = read_presets(PROJECT / "layers")
    assert len(presets) >= 3
    for layer in presets:
        assert layer.description, layer.name
        assert layer.packages, layer.name


def test_the_example_in_the_readme_is_a_layer() -> None:
    text = (PROJECT / "layers/README.md").read_text()
    blocks = [part.partition("```")[0] for part in text.split("```toml\n")[1:]]
    assert blocks
    for block in blocks:
        assert parse_layer(block, "example.toml").packages
