"""Payloads that lie across each other, across the base, or outside /usr: rows 14 to 20."""

import json

import pytest

from tests.faults.arena import Arena
from tests.support.forge import UNCOMPRESSED, forge_rpm, swap
from tests.support.rpms import Entry, build_rpm
from tests.support.trees import DIR, Hardlink, Link, Node

RECORD = "usr/lib/pkglayer/record.json"


def test_packages_that_need_each_other(arena: Arena) -> None:
    first = build_rpm(arena.tmp, "first", requires=["second"], files={"usr/share/1": "x\n"})
    second = build_rpm(arena.tmp, "second", requires=["first"], files={"usr/share/2": "x\n"})
    assert arena.install(first, second).returncode == 0
    assert (arena.newest / "usr/share/2").read_text() == "x\n"


def test_a_hard_link_to_what_the_package_does_not_have(arena: Arena) -> None:
    files: dict[str, Node | Entry] = {"usr/share/aaaa": "x\n"}
    files["usr/share/bbbb"] = Hardlink("usr/share/aaaa")
    path = build_rpm(arena.tmp, "evil", files=files, macros=UNCOMPRESSED)
    done = arena.install(forge_rpm(path, payload=swap(b"share/bbbb", b"../../etc/")))
    arena.assert_refused(done, 6, "evil-1-1.noarch")


BESIDE: dict[str, tuple[dict[str, Node | Entry], dict[str, Node | Entry], str]] = {
    "a link over a directory": (
        {"usr/share/t/f": "x\n", "usr/share/t": Entry(DIR)}, {"usr/share/t": Link("/usr/lib")},
        "/usr/share/t"),
    "a directory over a link": (
        {"usr/share/t": Link("/usr/lib")}, {"usr/share/t": Entry(DIR), "usr/share/t/f": "x\n"},
        "/usr/share/t"),
    "a link over a file": ({"usr/share/t": "x\n"}, {"usr/share/t": Link("/etc")}, "/usr/share/t"),
    "another target": (
        {"usr/share/t": Link("/usr/lib")}, {"usr/share/t": Link("/etc")}, "/usr/share/t"),
}  # fmt: skip


@pytest.mark.parametrize("name", BESIDE)
def test_two_packages_that_disagree(arena: Arena, name: str) -> None:
    one, other, path = BESIDE[name]
    a = build_rpm(arena.tmp, "a", files=one)
    b = build_rpm(arena.tmp, "b", files=other)
    done = arena.install(a, b)
    arena.assert_refused(done, 7, "a-1-1.noarch", "b-1-1.noarch", path)


@pytest.mark.parametrize(
    ("files", "path"),
    [
        ({"usr/share/shared": Link("/etc")}, "/usr/share/shared"),
        ({"usr/share/shared": "x\n"}, "/usr/share/shared"),
        ({"usr/share/shared/mine/f": "x\n"}, "/usr/share/shared/mine"),
    ],
    ids=["link over directory", "file over directory", "directory over file"],
)
def test_a_package_against_the_base(
    arena: Arena, files: dict[str, Node | Entry], path: str
) -> None:
    """The base's own files here belong to no package."""
    done = arena.install(build_rpm(arena.tmp, "taker", files=files))
    arena.assert_refused(done, 7, "taker-1-1.noarch", path)


PLACES = {
    "var/lib/t/f": "usr/share/factory/var/lib/t/f",
    "opt/t/f": "usr/lib/opt/t/f",
    "usr/local/t/f": "usr/lib/usrlocal/t/f",
    "srv/t/f": "usr/share/factory/var/srv/t/f",
    "home/t/f": "usr/share/factory/var/home/t/f",
    "root/f": "usr/share/factory/var/roothome/f",
    "mnt/f": "usr/share/factory/var/mnt/f",
    "run/t/f": "usr/share/factory/run/t/f",
    "boot/t/f": "usr/lib/ostree-boot/t/f",
}


def test_files_outside_usr_are_placed_by_the_rule_and_told(arena: Arena) -> None:
    path = build_rpm(arena.tmp, "spread", files={place: f"{place}\n" for place in PLACES})
    done = arena.install(path)
    assert done.returncode == 0, done.stderr
    notes = json.loads((arena.newest / RECORD).read_text())["notes"]
    told = {note["what"]: note["why"] for note in notes}
    for place, real in PLACES.items():
        assert (arena.newest / real).read_text() == f"{place}\n"
        assert told[f"/{place} -> /{real}"]
    assert f"/opt/t/f -> /{PLACES['opt/t/f']}" in arena.run("status", "--verbose").stdout


@pytest.mark.parametrize("place", ["tmp/f", "proc/f", "sys/f", "dev/f", "sysroot/f", "ostree/f"])
def test_files_where_nothing_can_be_kept_are_refused(arena: Arena, place: str) -> None:
    path = build_rpm(arena.tmp, "nowhere", files={place: "x\n"})
    arena.assert_refused(arena.install(path), 6, "nowhere-1-1.noarch", f"/{place}")
