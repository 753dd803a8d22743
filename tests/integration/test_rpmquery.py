"""The rpmdb of a state is read fast, by anybody, and nothing is changed or left beside it."""

import contextlib
import hashlib
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pkglayer.model.errors import PkglayerError, StateError
from pkglayer.model.package import Nevra
from pkglayer.system import rpmquery
from pkglayer.system.rpmhome import find_dbpath
from pkglayer.system.rpmquery import list_different, list_packages, read_changelogs, run_query
from tests.support.cli import NOBODY, PROJECT, let_nobody_in
from tests.support.ostree import Base, make_base
from tests.support.rpms import build_rpm
from tests.support.witness import query_rpm


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Base:
    """A base that has a few packages; tests only read it."""
    tmp = tmp_path_factory.mktemp("query")
    changelog = "* Tue Nov 14 2023 Ann <ann@example.invalid> - 2-1\n- Fix it\n"
    changelog += "\n* Mon Nov 13 2023 Bob <bob@example.invalid> - 1-1\n- Start\n"
    packages = [
        build_rpm(
            tmp, "foo", version="2", epoch=3, files={"usr/bin/foo": "x"}, changelog=changelog
        ),
        build_rpm(tmp, "foobar", version="1.5~rc1", arch="x86_64", requires=["foo"]),
    ]
    return make_base(tmp, packages=packages)


@pytest.fixture(params=["DELETE", "WAL"])
def root(request: pytest.FixtureRequest, shared: Base, tmp_path: Path) -> Path:
    """A root with a copy of that base's database, as other tools leave it, and nothing else."""
    target = tmp_path / "root" / shared.database
    target.mkdir(parents=True)
    copy = target / "rpmdb.sqlite"
    copy.write_bytes((shared.root / shared.database / "rpmdb.sqlite").read_bytes())
    with contextlib.closing(sqlite3.connect(copy)) as connection:
        connection.execute(f"PRAGMA journal_mode={request.param}")
    return tmp_path / "root"


@contextlib.contextmanager
def untouched(root: Path) -> Iterator[None]:
    """Fail when the body changes, adds or removes a file below `root`."""
    before = _listing(root)
    yield
    assert _listing(root) == before


def _listing(root: Path) -> dict[str, tuple[int, str]]:
    return {
        str(p): (p.stat().st_mtime_ns, hashlib.sha256(p.read_bytes()).hexdigest())
        for p in root.rglob("*")
        if p.is_file() and not p.is_symlink()
    }


def test_lists_what_rpm_lists(shared: Base, root: Path) -> None:
    expected = query_rpm(shared.root, "-qa", "--qf", "%{NAME}-%{EVR}.%{ARCH}\\n")
    with untouched(root):
        packages = list_packages(root, find_dbpath(root))
    assert [str(n) for n in packages] == sorted(expected, key=lambda n: Nevra.parse(n))
    assert Nevra("foo", 3, "2", "1", "noarch") in packages
    assert [n.name for n in list_packages(root, shared.database, "foo*")] == ["foo", "foobar"]
    assert list_packages(root, shared.database, "nothing") == ()


@pytest.fixture(scope="module")
def newer(tmp_path_factory: pytest.TempPathFactory) -> Base:
    """The same with another `foo`, without `foobar`, with one more."""
    tmp = tmp_path_factory.mktemp("newer")
    packages = [build_rpm(tmp, "foo", version="3", epoch=3), build_rpm(tmp, "quux")]
    return make_base(tmp, packages=packages)


def test_what_differs_is_all_that_is_read(
    shared: Base, root: Path, newer: Base, monkeypatch: pytest.MonkeyPatch
) -> None:
    headers: list[str] = []
    whole = rpmquery._nevra

    def counted(header: Any) -> Nevra:
        headers.append(header["name"])
        return whole(header)

    monkeypatch.setattr(rpmquery, "_nevra", counted)
    with untouched(root), untouched(newer.root):
        before, after = list_different((root, shared.database), (newer.root, newer.database))
    assert [str(n) for n in before] == ["foo-3:2-1.noarch", "foobar-1.5~rc1-1.x86_64"]
    assert [str(n) for n in after] == ["foo-3:3-1.noarch", "quux-1-1.noarch"]
    assert sorted(headers) == ["foo", "foo", "foobar", "quux"]


@pytest.mark.parametrize(
    "change", ["DELETE FROM Sha1header", "DELETE FROM Sha1header WHERE hnum < 3"]
)
def test_headers_without_a_digest_are_read(shared: Base, root: Path, change: str) -> None:
    """No mark says that they are the same."""
    with contextlib.closing(sqlite3.connect(root / shared.database / "rpmdb.sqlite")) as connection:
        gone = {n for (n,) in connection.execute("SELECT hnum FROM Name")}
        connection.execute(change)
        gone -= {n for (n,) in connection.execute("SELECT hnum FROM Sha1header")}
        connection.commit()
    before, after = list_different((shared.root, shared.database), (root, shared.database))
    assert before == after
    assert len(before) == len(gone) > 0


def test_an_index_that_is_another_is_done_without(
    shared: Base, newer: Base, monkeypatch: pytest.MonkeyPatch
) -> None:
    def connect(*args: Any, **kwargs: Any) -> Any:
        raise sqlite3.OperationalError("no such table: Sha1header")

    monkeypatch.setattr(sqlite3, "connect", connect)
    found = list_different((shared.root, shared.database), (newer.root, newer.database))
    assert found == tuple(list_packages(b.root, b.database) for b in (shared, newer))


def test_differences_of_a_damaged_database(shared: Base, root: Path) -> None:
    path = root / shared.database / "rpmdb.sqlite"
    path.write_bytes(b"\xff" * 50_000)
    with pytest.raises(StateError, match="not a database"):
        list_different((shared.root, shared.database), (root, shared.database))


def test_reads_changelogs_newest_first(shared: Base, root: Path) -> None:
    foo, foobar = list_packages(root, shared.database, "foo*")
    with untouched(root):
        news = read_changelogs(root, shared.database, [foo, foobar])
    assert list(news) == [foo]
    assert [(entry.author, entry.text) for entry in news[foo]] == [
        ("Ann <ann@example.invalid> - 2-1", "- Fix it"),
        ("Bob <bob@example.invalid> - 1-1", "- Start"),
    ]
    assert news[foo][0].time - news[foo][1].time == 24 * 3600


def test_nobody_can_read_a_database_that_is_not_writable(shared: Base, root: Path) -> None:
    for path in root.rglob("*"):
        path.chmod(path.stat().st_mode & ~0o222 | 0o444)
    let_nobody_in(root)
    code = (
        "import sys; from pathlib import Path; from pkglayer.system.rpmquery import list_packages;"
        "print(len(list_packages(Path(sys.argv[1]), sys.argv[2])))"
    )
    with untouched(root):
        done = subprocess.run(
            [sys.executable, "-c", code, str(root), shared.database],
            env={"PYTHONPATH": str(PROJECT), "HOME": "/nonexistent", "PATH": os.environ["PATH"]},
            capture_output=True,
            text=True,
            user=NOBODY,
            group=NOBODY,
            extra_groups=[],
            cwd="/",
            check=False,
        )
    assert done.stderr == ""
    assert int(done.stdout) == len(list_packages(shared.root, shared.database))


def test_the_other_place_of_the_database(tmp_path: Path) -> None:
    base = make_base(tmp_path, layout="share")
    assert find_dbpath(base.root) == "usr/share/rpm"
    assert list_packages(base.root, "usr/share/rpm")
    assert run_query(base.root, "usr/share/rpm", ["-f", "/bin/sh"]).exit_code == 0


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda data: data[: len(data) // 2], "malformed"),
        (lambda data: b"\xff" * len(data), "not a database"),
        (lambda data: b"", "cannot be read"),
        # Half of the packages can still be read: a short list must not look like the whole one.
        (lambda data: data[: len(data) // 2] + b"\xa5" * (len(data) // 2), "malformed"),
    ],
)
def test_a_damaged_database_is_named(
    shared: Base, root: Path, damage: "object", reason: str, capfd: pytest.CaptureFixture[str]
) -> None:
    path = root / shared.database / "rpmdb.sqlite"
    assert callable(damage)
    path.write_bytes(damage(path.read_bytes()))
    with untouched(root), pytest.raises(StateError, match=reason) as caught:
        list_packages(root, shared.database)
    assert str(path.parent).endswith(shared.database)
    assert f"/{shared.database}/rpmdb.sqlite in {root}" in caught.value.message
    assert capfd.readouterr().err == ""


def test_no_database_is_not_an_empty_one(tmp_path: Path) -> None:
    (tmp_path / "usr/share/rpm").mkdir(parents=True)
    with untouched(tmp_path):
        for ask in (list_packages, lambda root, path: run_query(root, path, ["-a"])):
            with pytest.raises(StateError, match="there is no package database"):
                ask(tmp_path, "usr/share/rpm")
    assert list((tmp_path / "usr/share/rpm").iterdir()) == []


@pytest.mark.parametrize(("name", "kind"), [("Packages", "Berkeley DB"), ("Packages.db", "ndb")])
def test_other_formats_are_named(tmp_path: Path, name: str, kind: str) -> None:
    (tmp_path / "usr/lib/sysimage/rpm").mkdir(parents=True)
    (tmp_path / "usr/lib/sysimage/rpm" / name).write_bytes(b"x" * 4096)
    with pytest.raises(StateError, match=f"{name} in .* is in the {kind} format"):
        list_packages(tmp_path, "usr/lib/sysimage/rpm")


def test_any_query(shared: Base) -> None:
    def ask(*args: str) -> list[str]:
        answer = run_query(shared.root, shared.database, args)
        assert answer.exit_code == 0, answer.errors
        return answer.output.decode().splitlines()

    with untouched(shared.root / shared.database):
        assert ask("foo") == ["foo-2-1.noarch"]
        assert ask("-l", "foo") == ["/usr/bin/foo"]
        assert ask("-f", "/usr/bin/foo", "/bin/foo") == ["foo-2-1.noarch"] * 2
        assert ask("--whatrequires", "foo") == ["foobar-1.5~rc1-1.x86_64"]
        assert ask("-a", "--qf", "%{NAME}\\n", "foo*") == ["foo", "foobar"]
        assert ask("-V", "--nofiledigest", "foobar") == []
    missing = run_query(shared.root, shared.database, ["none"])
    assert (missing.exit_code, missing.output) == (1, b"package none is not installed\n")


def test_a_query_runs_no_command(shared: Base, tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    for args in (["-f", f"%(touch {marker})"], ["--pipe", f"touch {marker}"], ["--eval", "x"]):
        with pytest.raises(PkglayerError):
            run_query(shared.root, shared.database, args)
    run_query(shared.root, shared.database, [f"$(touch {marker});`touch {marker}`"])
    run_query(shared.root, shared.database, ["-f", f"/x/%(touch {marker})"])
    assert not marker.exists()


def test_queries_that_need_files_are_refused_where_they_would_write(
    root: Path, shared: Base
) -> None:
    if (root / shared.database / "rpmdb.sqlite").read_bytes()[18] != 2:
        assert run_query(root, shared.database, ["-V", "--nofiles", "foo"]).exit_code == 0
        return
    with untouched(root):
        with pytest.raises(StateError, match="write-ahead mode"):
            run_query(root, shared.database, ["-V", "foo"])
        assert run_query(root, shared.database, ["foo"]).output == b"foo-2-1.noarch\n"
