"""What others left where we look: records, origins, layer files, stateroots, package databases.

Never guessed: reading verbs go on and say so, changes are refused, and a command repairs it.
"""

import shutil
import sqlite3
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.cli import query_pkglayer
from tests.support.ostree import run_ostree
from tests.support.rpms import build_rpm
from tests.support.scene import Scene, make_scene, take_snapshot
from tests.support.witness import query_rpm

RECORD = "usr/lib/pkglayer/record.json"
DATABASE = "usr/lib/sysimage/rpm"


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """`foo` is layered on a base with `based`; `bar` is offered."""
    tmp = tmp_path_factory.mktemp("foreign")
    rpms = [build_rpm(tmp, name, files={f"usr/share/{name}": "x"}) for name in ("foo", "bar")]
    based = build_rpm(tmp, "based", files={"usr/share/based": "x"})
    scene = make_scene(tmp, rpms, base_packages=[based])
    scene.run("install", "foo")
    return scene


def next_state(scene: Scene) -> dict[str, object]:
    state: dict[str, object] = query_pkglayer("status", sysroot=scene.sysroot)["deployments"][0]
    return state


# Records (row 28)


def of_version(version: str) -> Callable[[str], str]:
    return lambda text: text.replace('"version": 1\n', f'"version": {version}\n')


RECORDS: dict[str, tuple[Callable[[str], str], str]] = {
    "newer": (of_version("2"), "has version 2; this pkglayer knows 1"),
    "no number": (of_version('"x"'), "has version x"),
    "cut off": (lambda text: text[: len(text) // 2], "cannot be read"),
    "empty": (lambda text: "", "cannot be read"),
    "no object": (lambda text: "[]", "cannot be read"),
    "deep": (lambda text: "[" * 100_000, "cannot be read"),
    "an unknown key": (lambda text: text.replace('"no_gpg_check"', '"other"'), "cannot be read"),
    "no text": (lambda text: "\udcff", "cannot be read"),
}


@pytest.mark.parametrize("name", RECORDS)
def test_a_record_that_cannot_be_read(scene: Scene, name: str) -> None:
    change, says = RECORDS[name]
    path = scene.next.path / RECORD
    text = path.read_text()
    path.unlink()
    path.write_bytes(change(text).encode(errors="surrogateescape"))
    assert says in str(next_state(scene)["problem"])
    message = scene.refuse("install", "bar", code=11)
    assert says in message
    assert "pkglayer repair" in message
    assert "from the repository" in scene.run("repair").stdout
    assert next_state(scene)["problem"] is None
    assert "foo-1-1" in scene.packages


@pytest.mark.parametrize(
    "words", [["uninstall", "foo"], ["upgrade"], ["reconcile"], ["rebase", "origin:x"]]
)
def test_no_change_goes_on_from_what_cannot_be_read(scene: Scene, words: list[str]) -> None:
    edit_origin(scene, "requests=", "requests=foo")
    assert "pkglayer repair" in scene.refuse(*words, code=11)


def test_a_record_is_not_mended_from_a_damaged_repository(scene: Scene) -> None:
    """The file in the deployment is the repository's own object."""
    path = scene.next.path / RECORD
    path.write_text("damaged")
    message = scene.refuse("repair", code=11)
    assert "ostree fsck " in message
    delete_damaged(scene)
    assert "built again" in scene.run("repair").stdout
    assert next_state(scene)["problem"] is None
    assert "foo-1-1" in scene.packages


def delete_damaged(scene: Scene) -> None:
    """As the hint says."""
    repo = f"--repo={scene.sysroot}/ostree/repo"
    subprocess.run(["ostree", "fsck", repo, "--delete"], check=False, capture_output=True)


# Origins (row 28)


def edit_origin(scene: Scene, old: str, new: str) -> None:
    """Replace the line that begins with `old`."""
    path = scene.next.path
    origin = path.with_name(f"{path.name}.origin")
    lines = origin.read_text().splitlines()
    assert any(line.startswith(old) for line in lines)
    origin.write_text("\n".join(new if line.startswith(old) else line for line in lines) + "\n")


ORIGINS = {
    "newer": ("version=", "version=99", "version '99'"),
    "no JSON": ("requests=", "requests=foo", "cannot be read"),
    "no list": ("requests=", 'requests={"spec": "foo"}', "cannot be read"),
    "unknown key": ("requests=", 'requests=[{"spec": "foo", "x": 1}]', "unknown key 'x'"),
    "unknown kind": ("requests=", 'requests=[{"spec": "foo", "kind": "x"}]', "unknown kind 'x'"),
    "wrong type": ("requests=", 'requests=[{"spec": 3}]', "'spec' must be str"),
}


@pytest.mark.parametrize("name", ORIGINS)
def test_an_origin_that_cannot_be_read(scene: Scene, name: str) -> None:
    old, new, says = ORIGINS[name]
    edit_origin(scene, old, new)
    assert says in str(next_state(scene)["problem"])
    message = scene.refuse("install", "bar", code=11)
    assert says in message
    assert "pkglayer repair" in message
    assert "from the state's record" in scene.run("repair").stdout
    assert next_state(scene)["problem"] is None
    assert "foo-1-1" in scene.packages


def test_requests_written_into_an_origin_are_told_and_followed(scene: Scene) -> None:
    """The origin is where requests live, so an edit is a wish; and it is told."""
    edit_origin(scene, "requests=", 'requests=[{"spec": "bar"}]')
    assert "other requests than this state was built from" in str(next_state(scene)["problem"])
    assert "pkglayer reconcile" in scene.run("status").stdout
    scene.run("reconcile")
    assert next_state(scene)["problem"] is None
    assert {"foo-1-1", "bar-1-1"} & scene.packages == {"bar-1-1"}


@pytest.mark.parametrize("refspec", ["refspec=nosuch:test/base", "refspec=a b c", "x=y"])
def test_an_origin_with_another_refspec(scene: Scene, refspec: str) -> None:
    edit_origin(scene, "refspec=", refspec)
    message = scene.refuse("upgrade", code=2)
    assert "hint: " in message
    scene.run("rebase", "origin:test/base")
    scene.run("upgrade")
    assert "foo-1-1" in scene.packages


def test_an_origin_file_that_libostree_cannot_read(scene: Scene) -> None:
    path = scene.next.path
    origin = path.with_name(f"{path.name}.origin")
    text = origin.read_text()
    origin.write_text(text.replace("[pkglayer]", "[pkglayer"))
    for words in (["status"], ["repair"]):
        done = scene.run(*words, check=False)
        assert done.returncode == 11
        assert ".origin: " in done.stderr
        assert "the line it names" in done.stderr
    origin.write_text(text)
    scene.run("install", "bar")


def test_nothing_to_repair(scene: Scene) -> None:
    before = take_snapshot(scene.sysroot)
    assert "nothing to repair" in scene.run("repair").stdout
    assert query_pkglayer("repair", sysroot=scene.sysroot)["repaired"] is False
    assert take_snapshot(scene.sysroot) == before


def test_both_are_gone(scene: Scene) -> None:
    edit_origin(scene, "requests=", "requests=foo")
    (scene.next.path / RECORD).write_text("damaged, and with it the repository's object")
    delete_damaged(scene)
    message = scene.refuse("repair", code=11)
    assert "neither" in message
    assert "pkglayer rollback" in message
    scene.run("rollback")
    scene.run("cleanup", "--rollback")
    scene.run("install", "bar")


# Layer files


def write_layer(scene: Scene, text: str, name: str = "mine.toml") -> None:
    scene.configure(text, f"etc/pkglayer/layers.d/{name}")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("packages = ['a'", "mine.toml"),
        ("packages = 3", "mine.toml:1"),
        ("packages = ['a']\nversion = 99", "mine.toml:2"),
        ("packages = ['bar']\nnews = true", "mine.toml:2"),
        ("packages = ['-rf', '']", "mine.toml"),
    ],
)
def test_a_layer_file_that_cannot_be_read(scene: Scene, text: str, says: str) -> None:
    write_layer(scene, text)
    for words in (["install", "bar"], ["layer", "apply"]):
        assert says in scene.refuse(*words, code=12)
    scene.run("status")
    write_layer(scene, "packages = ['bar']")
    scene.run("reconcile")
    assert "bar-1-1" in scene.packages


def test_a_layer_file_that_is_no_file(scene: Scene) -> None:
    for state in scene.states:
        (state.path / "etc/pkglayer/layers.d/x.toml").mkdir(parents=True)
    assert "x.toml" in scene.refuse("install", "bar", code=12)


# Other programs' deployments, other stateroots


@pytest.mark.parametrize("how", ["origin", "metadata"])
def test_a_state_that_rpm_ostree_layered(scene: Scene, how: str) -> None:
    if how == "origin":
        path = scene.next.path
        origin = path.with_name(f"{path.name}.origin")
        origin.write_text(origin.read_text() + "\n[packages]\nrequested=htop;\n")
    else:
        repo = f"--repo={scene.sysroot}/ostree/repo"
        layered = run_ostree(
            "commit", repo, "--branch=local", f"--tree=ref={scene.base.commit}",
            "--add-metadata=rpmostree.clientlayer=true", "--bootable",
        ).strip()  # fmt: skip
        run_ostree("admin", "deploy", f"--sysroot={scene.sysroot}", "--os=test", layered)
    assert "rpm-ostree" in str(next_state(scene)["problem"])
    for words in (["install", "bar"], ["repair"]):
        message = scene.refuse(*words, code=11)
        assert "layered by rpm-ostree" in message
        assert "rpm-ostree reset" in message


def test_another_stateroot_stays_as_it_is(scene: Scene) -> None:
    run_ostree("admin", "os-init", f"--sysroot={scene.sysroot}", "other")
    run_ostree(
        "admin", "deploy", f"--sysroot={scene.sysroot}", "--os=other", "origin:test/base"
    )
    message = scene.refuse("install", "bar", code=2)
    assert "several stateroots: other, test" in message
    assert "--stateroot" in message
    assert "no stateroot" in scene.refuse("install", "bar", "--stateroot", "../test", code=2)
    foreign = [s for s in scene.states if s.stateroot == "other"]
    scene.run("install", "bar", "--stateroot", "test")
    scene.run("cleanup", "--rollback", "--pending", "--stateroot", "test")
    assert [s for s in scene.states if s.stateroot == "other"] == foreign


def test_a_stateroot_without_a_deployment(tmp_path: Path, scene: Scene) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    run_ostree("admin", "init-fs", str(empty))
    run_ostree("admin", "os-init", f"--sysroot={empty}", "test")
    for words in (["install", "bar"], ["upgrade"], ["repair"]):
        done = Scene(scene.tmp, scene.repo, scene.base, empty).run(*words, check=False)
        assert done.returncode == 11
        assert "has no deployment" in done.stderr
        assert "ostree admin deploy" in done.stderr


# Package databases (row 29)


def change_base(scene: Scene, change: Callable[[Path], None]) -> None:
    """The next base has another package database: `change` gets its directory."""
    repo = f"--repo={scene.base.repo}"
    tree = scene.tmp / "changed"
    run_ostree("checkout", repo, scene.base.ref, str(tree))
    change(tree / DATABASE)
    run_ostree(
        "commit", repo, f"--branch={scene.base.ref}", f"--tree=dir={tree}", "--bootable",
        f"--timestamp=@{scene.base.timestamp + 3600}",
    )  # fmt: skip
    shutil.rmtree(tree)


def put(name: str, content: bytes) -> Callable[[Path], None]:
    def change(directory: Path) -> None:
        (directory / "rpmdb.sqlite").unlink()
        (directory / name).write_bytes(content)

    return change


def remove_all(directory: Path) -> None:
    shutil.rmtree(directory)


def spoil(directory: Path) -> None:
    path = directory / "rpmdb.sqlite"
    data = bytearray(path.read_bytes())
    data[4096:] = b"\xff" * (len(data) - 4096)
    path.unlink()
    path.write_bytes(data)


def another_schema(directory: Path) -> None:
    path = directory / "rpmdb.sqlite"
    path.unlink()
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE other (x INTEGER)")
    connection.close()


DATABASES: dict[str, tuple[Callable[[Path], None], str]] = {
    "Berkeley DB": (put("Packages", b"\0" * 4096), "Packages"),
    "ndb": (put("Packages.db", b"RpmP" + b"\0" * 4092), "Packages.db"),
    "none": (remove_all, "no rpmdb"),
    "damaged": (spoil, "rpmdb.sqlite"),
    "cut off": (put("rpmdb.sqlite", b"SQLite format 3\0"), "rpmdb.sqlite"),
    "empty": (put("rpmdb.sqlite", b""), "rpmdb.sqlite"),
    "another schema": (another_schema, "rpmdb.sqlite"),
}


@pytest.mark.parametrize("name", DATABASES)
def test_a_base_with_another_database(scene: Scene, name: str) -> None:
    change, says = DATABASES[name]
    change_base(scene, change)
    message = scene.refuse("upgrade", "--attended", code=11)
    assert says in message
    assert "hint: " in message
    scene.run("install", "bar")


def test_a_write_ahead_log_left_over(scene: Scene) -> None:
    """What is only in the log counts, and the base's own file stays as it is."""
    extra = build_rpm(scene.tmp, "logged", files={"usr/share/logged": "x"})

    def change(directory: Path) -> None:
        words = ["rpm", f"--root={directory.parents[3]}", f"--dbpath=/{DATABASE}", "--install"]
        reader = sqlite3.connect(directory / "rpmdb.sqlite", isolation_level=None)
        reader.execute("PRAGMA journal_mode=WAL")
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM Packages").fetchall()  # nobody can tidy up meanwhile
        subprocess.run([*words, "--justdb", "--noscripts", "--nosignature", extra], check=True)
        files = {p.name: p.read_bytes() for p in directory.iterdir()}
        assert len(files["rpmdb.sqlite-wal"]) > 4096
        reader.close()
        for name, content in files.items():
            (directory / name).unlink(missing_ok=True)
            (directory / name).write_bytes(content)

    change_base(scene, change)
    scene.run("upgrade")
    assert {"logged-1-1", "foo-1-1"} <= scene.packages
    assert query_rpm(scene.next.path, "-q", "logged") == ["logged-1-1.noarch"]
    names = {p.name for p in (scene.next.path / DATABASE).iterdir()}
    assert names == {"rpmdb.sqlite"}


def test_a_locked_database(scene: Scene) -> None:
    """Somebody reads and writes the running state's database meanwhile; we have our own."""
    path = scene.next.path / DATABASE / "rpmdb.sqlite"
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True, isolation_level=None)
    connection.execute("BEGIN")
    connection.execute("SELECT count(*) FROM Packages").fetchall()
    before = path.read_bytes()
    scene.run("install", "bar")
    assert path.read_bytes() == before
    connection.close()
    assert "bar-1-1" in scene.packages
