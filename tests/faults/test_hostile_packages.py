"""RPM files that no rpmbuild would make: paths, headers and payloads that lie. Refused, named."""

import os

import pytest

from tests.faults.arena import Arena
from tests.support.forge import UNCOMPRESSED, forge_rpm, set_tag, swap
from tests.support.rpms import build_rpm
from tests.support.trees import FIFO, File

PACKAGE = 6
SIZES = {"dirindexes": 1116, "basenames": 1117, "modes": 1030, "sizes": 1028, "requires": 1049}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"/usr/share/aaaa/", b"/../../../../../"),
        (b"/usr/share/aaaa/", b"/usr/share/../x/"),
        (b"/usr/share/aaaa/", b"usr/share/aaaaa/"),
        (b"/usr/share/aaaa/", b"/usr/share//aaa/"),
        (b"/usr/share/aaaa/", b"/usr/./share/aa/"),
    ],
)
def test_a_path_that_climbs_out(arena: Arena, old: bytes, new: bytes) -> None:
    path = build_rpm(arena.tmp, "evil", files={"usr/share/aaaa/bbbb": "x\n"})
    done = arena.install(forge_rpm(path, header=swap(old, new)))
    arena.assert_refused(done, PACKAGE, "evil-1-1.noarch", "not a plain absolute path")


def test_a_name_that_is_dots(arena: Arena) -> None:
    path = build_rpm(arena.tmp, "evil", files={"usr/share/aaaa/bb": "x\n"})
    done = arena.install(forge_rpm(path, header=swap(b"bb\0", b"..\0")))
    arena.assert_refused(done, PACKAGE, "not a plain absolute path")


def test_a_path_twice(arena: Arena) -> None:
    files = {"usr/share/aaaa": "x\n", "usr/share/bbbb": "x\n"}
    path = build_rpm(arena.tmp, "evil", files=files)
    done = arena.install(forge_rpm(path, header=swap(b"aaaa\0", b"bbbb\0")))
    arena.assert_refused(done, PACKAGE, "twice")


def test_a_payload_with_another_file_than_the_header(arena: Arena) -> None:
    path = build_rpm(arena.tmp, "evil", files={"usr/share/aaaa": "x\n"}, macros=UNCOMPRESSED)
    done = arena.install(forge_rpm(path, payload=swap(b"./usr/share/aaaa", b"./../../etc/aaaa")))
    arena.assert_refused(done, PACKAGE, "evil-1-1.noarch")


def test_content_that_is_not_what_the_header_says(arena: Arena) -> None:
    files = {"usr/share/aaaa": "original content\n"}
    path = build_rpm(arena.tmp, "evil", files=files, macros=UNCOMPRESSED)
    changed = forge_rpm(path, payload=swap(b"original content", b"replaced content"))
    arena.assert_refused(arena.install(changed), PACKAGE, "/usr/share/aaaa", "digest")


@pytest.mark.parametrize("tag", sorted(SIZES.values()))
@pytest.mark.parametrize(
    "lie", [{"count": 2**31}, {"offset": 2**31 - 1}, {"offset": 2**32 - 8}, {"count": 0}]
)
def test_an_index_that_lies(arena: Arena, tag: int, lie: dict[str, int]) -> None:
    path = build_rpm(arena.tmp, "evil", requires=["x"], files={"usr/share/a": "x\n"})
    done = arena.install(forge_rpm(path, header=set_tag(tag, **lie)))
    arena.assert_refused(done, PACKAGE)


@pytest.mark.parametrize("keep", [0, 10, 96, 120, 500, -10, -1])
def test_a_truncated_file(arena: Arena, keep: int) -> None:
    path = build_rpm(arena.tmp, "evil", files={"usr/share/a": "x\n" * 4000})
    os.truncate(path, keep if keep >= 0 else path.stat().st_size + keep)
    arena.assert_refused(arena.install(path), PACKAGE)


@pytest.mark.parametrize("kind", ["fifo", "device"])
def test_a_special_file(arena: Arena, kind: str) -> None:
    if kind == "fifo":
        path = build_rpm(arena.tmp, "evil", files={"usr/share/pipe": FIFO})
        name = "/usr/share/pipe"
    else:
        extra = {"usr/share/a": "x\n"}
        path = build_rpm(arena.tmp, "evil", files=extra, macros=UNCOMPRESSED)
        # A regular file of the header (mode 0100644) that becomes a character device.
        forge_rpm(path, header=swap(b"\x81\xa4", b"\x21\xa4"))
        name = "/usr/share/a"
    arena.assert_refused(arena.install(path), PACKAGE, name)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"usr/share/t": "x\n"}, {"usr/share/t/f": "x\n"}),
        ({"usr/share/t/f": "x\n"}, {"usr/share/t": "y\n"}),
    ],
    ids=["file then directory", "directory then file"],
)  # fmt: skip
def test_a_directory_against_a_file(
    arena: Arena, first: dict[str, str], second: dict[str, str]
) -> None:
    a = build_rpm(arena.tmp, "a", files=first)
    b = build_rpm(arena.tmp, "b", files=second)
    done = arena.install(a, b)
    arena.assert_refused(done, 7, "a-1-1.noarch", "b-1-1.noarch", "/usr/share/t")


@pytest.mark.parametrize("name", ["x\x1b[31my", "x\u202ey", "x\ny", "x\x9by"])
def test_names_that_move_the_cursor_are_escaped(arena: Arena, name: str) -> None:
    """In plans, errors, scriptlet output and status, nothing raw reaches the terminal."""
    script = f"printf '%s\\n' 'out {name!r}' ; printf 'raw \\033[31m \\r\\n'; exit 1"
    path = build_rpm(
        arena.tmp, "shown", files={"usr/share/s": "x\n"}, scripts={"pre": script},
        extra_spec="Vendor: e",
    )  # fmt: skip
    done = arena.install(path)
    arena.assert_refused(done, 8, "shown-1-1.noarch")
    shown = done.stdout + done.stderr
    assert not [c for c in shown if not (c.isprintable() or c == "\n")]
    missing = arena.run("install", name)
    shown = missing.stdout + missing.stderr
    assert missing.returncode in (2, 3)
    assert not [c for c in shown if not (c.isprintable() or c == "\n")]


@pytest.mark.parametrize(
    "spec", ["-rf", "--root=/", "a;reboot", "$(touch /x)", "x" * 2000, "|", "nosuch*", "@nosuch"]
)
def test_specs_are_data(arena: Arena, spec: str) -> None:
    done = arena.run("install", "--", spec)
    assert done.returncode in (2, 3), done.stderr
    arena.assert_refused(done, done.returncode)


def test_a_secret_keeps_its_mode_and_setuid_is_kept(arena: Arena) -> None:
    files = {"usr/bin/suid": File("x\n", 0o4755), "etc/secret.key": File("k\n", 0o600)}
    done = arena.install(build_rpm(arena.tmp, "modes", files=files))
    assert done.returncode == 0, done.stderr
    assert (arena.newest / "usr/bin/suid").stat().st_mode & 0o7777 == 0o4755
    assert (arena.newest / "etc/secret.key").stat().st_mode & 0o7777 == 0o600
    arena.assert_unharmed()
