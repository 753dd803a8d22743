"""Links of a tree mean the tree's own paths, however they are made."""

from pathlib import Path

import pytest

from pkglayer.model.header import FileEntry
from pkglayer.system.inroot import is_plain, resolve_in, resolve_var
from pkglayer.system.interpreters import find_missing
from tests.support.trees import DIR, File, Link, make_tree


@pytest.fixture
def root(tmp_path: Path) -> Path:
    make_tree(
        tmp_path / "tree",
        {
            "usr/bin/sh": File("", 0o755),
            "usr/bin/data": File("", 0o644),
            "bin": Link("usr/bin"),
            "usr/absolute": Link("/usr/bin"),
            "usr/up": Link("../../../../../etc"),
            "usr/loop": Link("loop"),
            "usr/shell": Link("/bin/sh"),
            "usr/dangling": Link("/usr/none/x"),
            "etc": DIR,
        },
    )
    return tmp_path / "tree"


@pytest.mark.parametrize(
    ("path", "real"),
    [
        ("/usr/bin/sh", "usr/bin/sh"),
        ("usr/bin/sh", "usr/bin/sh"),
        ("/bin/sh", "usr/bin/sh"),
        ("/usr/absolute/sh", "usr/bin/sh"),
        ("/usr/shell", "usr/bin/sh"),
        ("/usr/up/passwd", "etc/passwd"),
        ("/../../etc/passwd", "etc/passwd"),
        ("/usr/../../x", "x"),
        ("/usr/dangling", "usr/none/x"),
        ("/usr/none/deep/x", "usr/none/deep/x"),
        ("/usr/./bin//sh", "usr/bin/sh"),
        ("/", ""),
    ],
)
def test_resolves_below_the_root(root: Path, path: str, real: str) -> None:
    assert resolve_in(root, path) == root / real


def test_last_link_is_not_followed_when_asked(root: Path) -> None:
    assert resolve_in(root, "/bin", follow_last=False) == root / "bin"
    assert resolve_in(root, "/usr/absolute/sh", follow_last=False) == root / "usr/bin/sh"


def test_loop_is_nothing(root: Path) -> None:
    assert resolve_in(root, "/usr/loop") is None
    assert resolve_in(root, "/usr/loop/x") is None


def test_is_plain(root: Path) -> None:
    assert is_plain(root, "usr/bin/sh")
    assert is_plain(root, "usr/shell")
    assert not is_plain(root, "bin/sh")
    assert not is_plain(root, "usr/loop/x")


@pytest.mark.parametrize(
    ("path", "real"),
    [
        ("lib/x", "var/lib/x"),
        ("lib/link/x", "var/other/x"),
        ("lib/link", "var/lib/link"),
        ("run/x", "run/x"),
        ("run", "var/run"),
        ("lib/out/x", "var/x"),
        ("lib/tree/x", None),
        ("lib/up", "var/lib/up"),
        ("lib/up/x", None),
        ("lib/host/passwd", None),
    ],
)
def test_var_is_not_left(tmp_path: Path, path: str, real: str | None) -> None:
    make_tree(
        tmp_path,
        {
            "var/lib/link": Link("/var/other"),
            "var/run": Link("../run"),
            "var/lib/out": Link(".."),
            "var/lib/tree": Link("/root/usr"),
            "var/lib/up": Link("../.."),
            "var/lib/host": Link("/etc"),
        },
    )
    expected = None if real is None else tmp_path / real
    assert resolve_var(tmp_path / "var", path) == expected


class TestInterpreters:
    def missing(self, root: Path, *programs: str, layer: tuple[FileEntry, ...] = ()) -> list[str]:
        return list(find_missing(root, programs, layer))

    def test_of_the_tree(self, root: Path) -> None:
        assert self.missing(root, "/bin/sh", "/usr/bin/sh", "/usr/shell") == []
        assert self.missing(root, "/usr/bin/python3", "/usr/dangling") == [
            "/usr/bin/python3",
            "/usr/dangling",
        ]

    def test_without_the_executable_bit(self, root: Path) -> None:
        assert self.missing(root, "/usr/bin/data") == ["/usr/bin/data"]

    def test_of_the_layer_under_either_name(self, root: Path) -> None:
        layer = (FileEntry("/usr/bin/perl", 0o100755, "root", "root"),)
        assert self.missing(root, "/bin/perl", layer=layer) == []
        plain = (FileEntry("/usr/bin/perl", 0o100644, "root", "root"),)
        assert self.missing(root, "/bin/perl", layer=plain) == ["/bin/perl"]
