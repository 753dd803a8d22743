"""Packages that try to reach outside by symbolic links: in their payload, or made by scriptlets.

Each would write, change modes or owners, or read outside, if a path were followed on the way.
"""

import pytest

from tests.faults.arena import Arena
from tests.support.rpms import Entry, build_rpm
from tests.support.trees import DIR, Dir, File, Link

PLACES = ("usr/share/trap", "var/lib/trap", "opt/trap", "usr/local/trap", "etc/trap", "srv/trap")


@pytest.mark.parametrize("place", PLACES)
def test_a_file_through_an_earlier_link_of_the_same_layer(arena: Arena, place: str) -> None:
    first = build_rpm(arena.tmp, "first", files={place: Link(str(arena.outside))})
    second = build_rpm(arena.tmp, "second", files={f"{place}/planted": "planted\n"})
    done = arena.install(first, second)
    assert done.returncode != 0, done.stdout
    assert "Traceback" not in done.stderr
    arena.assert_unharmed()


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("up", ["absolute", "relative"])
def test_a_directory_through_an_earlier_link(arena: Arena, place: str, up: str) -> None:
    target = str(arena.outside) if up == "absolute" else "../" * 20 + str(arena.outside).lstrip("/")
    first = build_rpm(arena.tmp, "first", files={place: Link(target)})
    second = build_rpm(
        arena.tmp, "second", files={f"{place}/dir": Entry(Dir(0o777)), f"{place}/new": Entry(DIR)}
    )
    arena.install(first, second)
    arena.assert_unharmed()


@pytest.mark.parametrize("place", ["var/lib/trap", "var/trap", "var/spool/trap"])
@pytest.mark.parametrize("user", ["root", "daemon"])
def test_a_scriptlet_makes_a_link_where_files_come(arena: Arena, place: str, user: str) -> None:
    files = {
        f"{place}/planted": Entry(File("planted\n"), user=user),
        f"{place}/secret": Entry(File("taken\n", 0o666), user=user),
        f"{place}/dir": Entry(Dir(0o777), user=user),
    }
    script = f"ln -s {arena.outside} /{place}"
    arena.install(build_rpm(arena.tmp, "trap", files=files, scripts={"pre": script}))
    arena.assert_unharmed()


@pytest.mark.parametrize("place", ["usr/share/trap", "opt/trap", "boot/trap", "etc/trap"])
def test_a_scriptlet_puts_a_link_in_place_of_a_directory(arena: Arena, place: str) -> None:
    real = {"opt": "usr/lib/opt", "boot": "usr/lib/ostree-boot"}
    top, _, name = place.partition("/")
    here = f"/{real.get(top, top)}/{name}"
    first = build_rpm(
        arena.tmp, "first", files={f"{place}/one": "1\n"},
        scripts={"post": f"rm -rf {here}; ln -s {arena.outside} {here}"},
    )  # fmt: skip
    second = build_rpm(
        arena.tmp, "second", requires=["first"],
        files={f"{place}/secret": Entry(File("x\n", 0o666), user="daemon", group="daemon")},
    )  # fmt: skip
    arena.install(first, second)
    arena.assert_unharmed()


@pytest.mark.parametrize("target", ["/dev/zero", "outside", "fifo"])
def test_configuration_in_the_tree_that_leads_out_is_not_read(arena: Arena, target: str) -> None:
    if target == "fifo":
        make = "mkfifo /usr/lib/tmpfiles.d/trap.conf"
    else:
        to = str(arena.outside / "secret") if target == "outside" else target
        make = f"ln -s {to} /usr/lib/tmpfiles.d/trap.conf"
    trap = build_rpm(
        arena.tmp, "trap", files={"usr/share/t": "t\n"},
        scripts={"post": f"{make}; mkdir -p /var/lib/thing; echo x > /var/lib/thing/x"},
    )  # fmt: skip
    arena.install(trap)
    arena.assert_unharmed()


def test_hard_links_of_a_package_stay_its_own(arena: Arena) -> None:
    """A scriptlet that writes to a base's file must not write to the repository's object."""
    trap = build_rpm(
        arena.tmp, "trap", files={"usr/share/t": "t\n"},
        scripts={"post": "echo more >> /usr/share/shared/mine; chmod 777 /usr/share/shared/mine"},
    )  # fmt: skip
    before = (arena.newest / "usr/share/shared/mine").read_text()
    base = arena.newest
    done = arena.install(trap)
    assert done.returncode == 0, done.stderr
    assert (base / "usr/share/shared/mine").read_text() == before
    assert (arena.newest / "usr/share/shared/mine").read_text() == before + "more\n"
    arena.assert_unharmed()


def test_a_scriptlet_moves_etc_away_for_the_next_one(arena: Arena) -> None:
    first = build_rpm(
        arena.tmp, "first", files={"usr/share/a": "a\n"},
        scripts={"post": f"mv /usr/etc /usr/moved && ln -s {arena.outside} /usr/etc"},
    )  # fmt: skip
    second = build_rpm(
        arena.tmp, "second", requires=["first"], files={"usr/share/b": "b\n"},
        scripts={"post": "echo planted > /etc/secret; cat /etc/secret"},
    )  # fmt: skip
    done = arena.install(first, second)
    assert "secret\n" not in done.stderr
    arena.assert_unharmed()
