"""Configuration of a deployment: which files count, and what they say."""

import os
from pathlib import Path

import pytest

from pkglayer.model.errors import ConfigError
from pkglayer.model.settings import Settings
from pkglayer.system import config
from pkglayer.system.config import (
    find_repo_files,
    parse_os_release,
    read_inside,
    read_os_release,
    read_settings,
    read_variables,
)


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_settings_of_the_deployment(tmp_path: Path) -> None:
    assert read_settings(tmp_path / "etc") == Settings()
    write(tmp_path / "etc/pkglayer/pkglayer.toml", "[states]\nkeep = 4\n")
    assert read_settings(tmp_path / "etc").keep_states == 4
    write(tmp_path / "etc/pkglayer/pkglayer.toml", "[states]\nkeep = 0\n")
    with pytest.raises(ConfigError, match=r"^/etc/pkglayer/pkglayer\.toml:2: .*keep: must be"):
        read_settings(tmp_path / "etc")


@pytest.mark.parametrize(
    ("content", "says"), [(b"\xff", "not UTF-8"), (b"#" * (config.MAX_BYTES + 1), "larger than")]
)
def test_settings_that_are_no_text(tmp_path: Path, content: bytes, says: str) -> None:
    write(tmp_path / "etc/pkglayer/pkglayer.toml", "").write_bytes(content)
    with pytest.raises(ConfigError, match=f"^/etc/pkglayer/pkglayer.toml: {says}"):
        read_settings(tmp_path / "etc")


def test_fifo_in_place_of_a_file_does_not_hold_us_up(tmp_path: Path) -> None:
    (tmp_path / "etc/pkglayer").mkdir(parents=True)
    os.mkfifo(tmp_path / "etc/pkglayer/pkglayer.toml")
    with pytest.raises(ConfigError, match="not a regular file"):
        read_settings(tmp_path / "etc")


def test_repo_files(tmp_path: Path) -> None:
    etc, usr = tmp_path / "etc", tmp_path / "usr"
    for name in ("a.repo", "b.repo", "off.repo", "null.repo"):
        write(usr / "share/dnf5/repos.d" / name, "[usr]\n")
    mine = [write(etc / "yum.repos.d" / n, "[etc]\n") for n in ("b.repo", "c.repo")]
    write(etc / "yum.repos.d/off.repo", "")
    write(etc / "yum.repos.d/notes.txt", "[no]\n")
    (etc / "yum.repos.d/null.repo").symlink_to("/dev/null")
    (etc / "yum.repos.d/gone.repo").symlink_to("nowhere")
    (etc / "yum.repos.d/directory.repo").mkdir()
    assert find_repo_files(etc, usr) == [usr / "share/dnf5/repos.d/a.repo", *mine]
    assert find_repo_files(tmp_path / "none", tmp_path / "none") == []


def test_variables_in_order_of_rank(tmp_path: Path) -> None:
    etc = tmp_path / "etc"
    write(etc / "yum/vars/stage", "old\n")
    write(etc / "yum/vars/mirror", "  one  \ntwo\n")
    write(etc / "dnf/vars/stage", "new\n")
    write(etc / "dnf/vars/empty", "")
    write(etc / "dnf/vars/not-a-name", "x")
    environ = {"DNF_VAR_user": "me", "DNF_VAR_mirror": "env", "HOME": "/x", "DNF_VAR_": "x"}
    assert read_variables(etc, {}) == {"stage": "new", "mirror": "one", "empty": ""}
    assert read_variables(etc, environ) == {
        "stage": "new",
        "mirror": "env",
        "empty": "",
        "user": "me",
    }


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('VERSION_ID="12"\n', {"VERSION_ID": "12"}),
        ("# x\n\nNAME='A B'\n", {"NAME": "A B"}),
        ("lower=x\nNO EQUALS\nBROKEN='x\nX=1\n", {"X": "1"}),
        ('A="a\\"b"\n', {"A": 'a"b'}),
    ],
)
def test_os_release(text: str, expected: dict[str, str]) -> None:
    assert parse_os_release(text) == expected


def test_os_release_is_found_where_a_tree_has_it(tmp_path: Path) -> None:
    assert read_os_release(tmp_path) == {}
    write(tmp_path / "usr/etc/os-release", "ID=c\n")
    assert read_os_release(tmp_path) == {"ID": "c"}
    write(tmp_path / "usr/lib/os-release", "ID=a\n")
    assert read_os_release(tmp_path) == {"ID": "a"}
    (tmp_path / "usr/lib/os-release").unlink()
    (tmp_path / "usr/lib/os-release").symlink_to("/etc/os-release")
    write(tmp_path / "etc/os-release", "ID=inside\n")
    assert read_os_release(tmp_path) == {"ID": "inside"}, "the link means the tree's own /etc"


def test_read_inside(tmp_path: Path) -> None:
    write(tmp_path / "root/etc/key", "k")
    (tmp_path / "root/etc/out").symlink_to(write(tmp_path / "secret", "s"))
    assert read_inside(tmp_path / "root", "/etc/key") == b"k"
    for path in ("/etc/out", "/../secret", "/etc/none"):
        with pytest.raises(FileNotFoundError):
            read_inside(tmp_path / "root", path)
