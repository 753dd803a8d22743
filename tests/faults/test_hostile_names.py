"""Names from packages, repositories and scriptlets: data, never options, shell, or a terminal's
orders; on a terminal and in the journal they are escaped, in JSON they arrive as they are."""

import gzip
import json
from pathlib import Path

import pytest

from tests.faults.arena import Arena, Done
from tests.support.cli import query_pkglayer
from tests.support.forge import UNCOMPRESSED, forge_rpm, swap
from tests.support.metadata import replace_file
from tests.support.repos import make_repo
from tests.support.rpms import build_rpm

PLAIN = b"aaaaaaaa"
NAMES = [b"--root=/", b"-rf;-rf;", b"a;reboot", b"$(touch)", b"********", b"a|b&c>d<", b"..//../."]
SHOWN = [b"a\nerror:", b"a\x1b[2J\x07zz", b"ab\xe2\x80\xaecde", b"a\xc2\x9b1mbcd", b"ab\rcd\tef"]


def named(arena: Arena, name: bytes) -> Path:
    """A package of that name, which is in everything that the header says of it."""
    path = build_rpm(arena.tmp, PLAIN.decode(), files={"usr/share/x": "x\n"})
    return forge_rpm(path, header=swap(PLAIN, name))


def assert_safe(done: Done) -> None:
    """No character that moves a cursor, and no line that another could have written."""
    shown = done.stdout + done.stderr
    assert not [c for c in shown if not (c.isprintable() or c == "\n")], shown
    assert len([x for x in shown.splitlines() if x.startswith("error:")]) <= 1, shown


@pytest.mark.parametrize("name", [*NAMES, *SHOWN])
def test_a_package_of_that_name(arena: Arena, name: bytes) -> None:
    path = named(arena, name)
    done = arena.install(path)
    assert_safe(done)
    assert "Traceback" not in done.stderr
    arena.assert_refused(done, 6, "is no name of a package")


@pytest.mark.parametrize("name", [b"--root=/", b"a;reboot", b"********"])
def test_a_repository_with_such_a_package(arena: Arena, name: bytes) -> None:
    make_repo(arena.repo, [named(arena, name)])
    done = arena.run("install", "--refresh", "--", name.decode())
    assert_safe(done)
    assert done.returncode in (2, 3, 6)
    arena.assert_refused(done, done.returncode)
    for words in (["search", "aaaa"], ["info", "--", name.decode()]):
        assert_safe(arena.run(*words))


@pytest.mark.parametrize("name", SHOWN)
def test_a_file_of_that_name(arena: Arena, name: bytes) -> None:
    path = build_rpm(
        arena.tmp, "evil", files={f"usr/share/{PLAIN.decode()}": "x\n"}, macros=UNCOMPRESSED
    )
    forge_rpm(path, header=swap(PLAIN, name), payload=swap(PLAIN, name))
    done = arena.install(path)
    assert_safe(done)
    assert "Traceback" not in done.stderr
    arena.assert_unharmed()
    for words in (["status", "-v"], ["history"], ["db", "query", "-l", "evil"]):
        shown = arena.run(*words)
        assert_safe(shown)


def test_a_dependency_of_that_name(arena: Arena) -> None:
    """The metadata says what no rpmbuild would."""
    path = build_rpm(arena.tmp, "needy", requires=["aaaaaaaa"])
    make_repo(arena.repo, [path])
    xml = gzip.decompress((arena.repo / "repodata/primary.xml.gz").read_bytes()).decode()
    hostile = "a&#10;error: forged&#10;&#x9b;31m&#x202e;z"
    assert 'name="aaaaaaaa"' in xml
    replace_file(arena.repo, "primary.xml.gz", xml.replace("aaaaaaaa", hostile).encode())
    done = arena.run("install", "needy", "--refresh")
    assert_safe(done)
    arena.assert_refused(done, 3, "needy-1-1.noarch")
    answer = query_pkglayer("install", "needy", sysroot=arena.sysroot, check=False)
    assert "error: forged" in json.dumps(answer)


def test_a_summary_and_a_description(arena: Arena) -> None:
    path = build_rpm(arena.tmp, "pretty", files={"usr/share/p": "x\n"})
    make_repo(arena.repo, [path])
    xml = gzip.decompress((arena.repo / "repodata/primary.xml.gz").read_bytes()).decode()
    for tag in ("summary", "description", "url", "packager"):
        head, _, rest = xml.partition(f"<{tag}")
        start, _, tail = rest.partition(">")
        if start.endswith("/"):
            xml = f"{head}<{tag}>x&#x9b;2J&#x202e;&#10;error: forged</{tag}>{tail}"
        else:
            end = f"</{tag}>"
            xml = f"{head}<{tag}>x&#x9b;2J&#x202e;&#10;error: forged{end}{tail.partition(end)[2]}"
    replace_file(arena.repo, "primary.xml.gz", xml.encode())
    for words in (["search", "pretty", "--refresh"], ["info", "pretty"]):
        done = arena.run(*words)
        assert done.returncode == 0, done.stderr
        assert_safe(done)
        assert json.loads(arena.run(*words, "--json").stdout)


def test_what_a_scriptlet_says(arena: Arena) -> None:
    said = r"ok\nerror: forged\n\033[2J\302\2331m\342\200\256\r"
    path = build_rpm(
        arena.tmp, "talker", files={"usr/share/t": "x\n"},
        scripts={"post": f"printf '{said}'; exit 1"},
    )
    done = arena.install(path)
    assert_safe(done)
    arena.assert_refused(done, 8, "talker-1-1.noarch")
    answer = arena.run("install", str(path), "--no-gpg-check", str(path), "--json")
    assert answer.stdout.isascii()
    assert "\x1b[2J" in json.loads(answer.stdout)["error"]["message"]
    history = query_pkglayer("history", sysroot=arena.sysroot)["entries"]
    assert "\x1b[2J" in history[0]["message"]
    assert_safe(arena.run("history"))


def test_a_name_of_a_megabyte(arena: Arena) -> None:
    path = build_rpm(arena.tmp, "longlong", files={"usr/share/p": "x\n"})
    fine = build_rpm(arena.tmp, "fine", files={"usr/share/f": "x\n"})
    make_repo(arena.repo, [path, fine])
    xml = gzip.decompress((arena.repo / "repodata/primary.xml.gz").read_bytes()).decode()
    replace_file(arena.repo, "primary.xml.gz", xml.replace("longlong", "x" * 1_000_000).encode())
    done = arena.run("install", "fine", "--refresh")
    assert done.returncode == 0, done.stderr
    assert len(done.stdout + done.stderr) < 10_000


def test_a_glob_says_what_it_matched(arena: Arena) -> None:
    rpms = [build_rpm(arena.tmp, f"glob{n}", files={f"usr/share/g{n}": "x\n"}) for n in range(3)]
    make_repo(arena.repo, rpms)
    done = arena.run("install", "glob*", "--refresh")
    assert done.returncode == 0, done.stderr
    for number in range(3):
        assert f"glob{number}-1-1.noarch" in done.stdout
    assert "+ glob*  (by command)" in done.stdout


def test_shell_is_never_asked(arena: Arena) -> None:
    """Whatever is in a request, no shell runs it: it would leave a file."""
    mark = arena.outside / "pwned"
    for text in (f"$(touch {mark})", f"`touch {mark}`", f"x; touch {mark}", f"| touch {mark}"):
        arena.run("install", "--", text)
    assert not mark.exists()
    arena.assert_unharmed()
