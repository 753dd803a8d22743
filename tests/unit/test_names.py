"""What somebody may have meant."""

import time

import pytest

from pkglayer.model.names import near_matches

NAMES = [
    "firefox",
    "firefox-langpack",
    "Thunderbird",
    "htop",
    "git",
    "git-core",
    "libgit2",
    "nginx",
]


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("fierfox", ["firefox"]),
        ("FIREFOX", ["firefox", "firefox-langpack"]),
        ("thunderbird", ["Thunderbird"]),
        ("hotp", ["htop"]),
        ("git", ["libgit2", "git-core"]),
        ("langpack", ["firefox-langpack"]),
        ("x", []),
        ("quite-something-else", []),
        ("y" * 500, []),
        ("", []),
    ],
)
def test_near_matches(spec: str, expected: list[str]) -> None:
    found = near_matches(spec, NAMES)
    assert found[: len(expected)] == expected if spec != "git" else set(found) == set(expected)
    assert bool(found) == bool(expected)


def test_many_names_take_a_moment_only() -> None:
    many = [f"package-{n:05}-lib" for n in range(70_000)]
    began = time.monotonic()
    assert near_matches("package-12345-lob", many)[0] == "package-12345-lib"
    assert time.monotonic() - began < 30
