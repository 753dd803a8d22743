"""db list, diff, query and where, layer list and show, and history, as a person calls them."""

import hashlib
import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from pkglayer.cli.quick import plan_command
from pkglayer.system import bootentries
from pkglayer.system.bootentries import find_roots
from pkglayer.system.sysroot import open_sysroot
from tests.support.cli import NOBODY, PROJECT, let_nobody_in, query_pkglayer, run_pkglayer
from tests.support.ostree import Base, commit_base_update, make_base, make_sysroot, run_ostree
from tests.support.repos import make_repo, repo_file
from tests.support.rpms import build_rpm
from tests.support.scene import Scene, make_scene
from tests.support.trees import File
from tests.support.witness import deployments

CHANGELOG = """* Tue Nov 14 2023 Ann <ann@example.invalid> - 2-1
- Fix it

* Mon Nov 13 2023 Bob <bob@example.invalid> - 1-1
- Start
"""


@dataclass(frozen=True)
class World:
    """A sysroot with two states (`foo` layered on version 1 of the base), and the base's version 2
    in its repository, not deployed."""

    sysroot: Path
    first: Base
    second: Base


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Tests only read it; they run as root and as nobody."""
    tmp = tmp_path_factory.mktemp("db")
    foo = build_rpm(
        tmp, "foo", requires=["libfoo"], files={"usr/bin/foo": File("#!/bin/sh\n", 0o755)}
    )
    repo = make_repo(tmp / "repo", [foo, build_rpm(tmp, "libfoo", files={"usr/lib/libfoo": "x"})])
    start = CHANGELOG.partition("\n\n")[2]
    old = [
        build_rpm(tmp, "based", version="1", files={"usr/lib/based": "1"}, changelog=start),
        build_rpm(tmp, "dropped", files={"usr/lib/dropped": "1"}),
    ]
    files = {
        "etc/yum.repos.d/test.repo": repo_file("test", repo, gpgcheck=0),
        "usr/lib/pkglayer/layers.d/base.toml": 'packages = ["based"]\ndescription = "Of the base"',
        "usr/lib/pkglayer/layers.d/off.toml": 'packages = ["none"]',
        "etc/pkglayer/layers.d/off.toml": "",
    }
    first = make_base(tmp, files, old)
    sysroot = make_sysroot(tmp, first)
    run_pkglayer("install", "foo", sysroot=sysroot)
    new = build_rpm(tmp, "based", version="2", files={"usr/lib/based": "2"}, changelog=CHANGELOG)
    second = commit_base_update(first, "2", packages=[new], erase=["dropped"])
    run_ostree("pull", f"--repo={sysroot}/ostree/repo", "origin", second.ref)
    return World(sysroot, first, second)


@pytest.fixture(autouse=True)
def unchanged(world: World) -> Iterator[None]:
    """Whatever is asked, no file of a state or of the repository changes, and none is added."""
    before = _digest(world.sysroot)
    yield
    assert _digest(world.sysroot) == before


def _digest(sysroot: Path) -> str:
    """Names and times of all files, and the bytes of what a database reader could touch."""
    state = hashlib.sha256()
    for path in sorted(sysroot.rglob("*")):
        info = path.lstat()
        state.update(f"{path} {info.st_mtime_ns} {info.st_size} {info.st_mode}\n".encode())
        if path.name == "rpmdb.sqlite":
            state.update(path.read_bytes())
    return state.hexdigest()


def lines(world: World, *args: str) -> list[str]:
    return run_pkglayer(*args, sysroot=world.sysroot).stdout.splitlines()


def failure(world: World, *args: str, code: int) -> str:
    done = run_pkglayer(*args, sysroot=world.sysroot, check=False)
    assert done.returncode == code, done.stderr
    return done.stderr


def test_list_of_each_state(world: World) -> None:
    pattern = ["*foo"]
    assert lines(world, "db", "list", "0", *pattern) == ["foo-1-1.noarch", "libfoo-1-1.noarch"]
    assert lines(world, "db", "list", "pending", *pattern) == lines(
        world, "db", "list", "0", "*foo"
    )
    assert "foo-1-1.noarch" in lines(world, "db", "list")
    assert "no package of state 1" in failure(world, "db", "list", "rollback", "foo", code=1)
    assert lines(world, "db", "list", "base", "based") == ["based-1-1.noarch"]
    for name in (world.second.commit, world.second.commit[:10], "origin:test/base"):
        assert lines(world, "db", "list", name, "based") == ["based-2-1.noarch"]
    for name in (world.first.commit, world.first.commit[:10]):
        assert lines(world, "db", "list", name, "based") == ["based-1-1.noarch"]


def test_list_as_data(world: World) -> None:
    data = query_pkglayer("db", "list", "0", "foo", sysroot=world.sysroot)
    assert data["state"] == {"commit": deployments(world.sysroot)[0].checksum, "index": 0}
    assert data["packages"] == [
        {"nevra": "foo-1-1.noarch", "name": "foo", "epoch": 0, "version": "1", "release": "1",
         "arch": "noarch"}
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ("2", "there is no state 2"),
        ("booted", "there is no booted state"),
        ("bash", "'bash' names no state"),
        ("origin:none", "names no state"),
        ("f" * 64, "names no state"),
        ("--root=/", "No such option"),
        ("../../etc", "names no state"),
    ],
)
def test_words_that_name_no_state(world: World, state: str, message: str) -> None:
    assert message in failure(world, "db", "list", state, code=2)


def test_diff_without_words_is_what_the_next_boot_brings(world: World) -> None:
    assert lines(world, "db", "diff") == [
        "From state 1 (rollback) to state 0 (next boot):",
        "Added 2 packages",
        "  foo-1-1.noarch",
        "  libfoo-1-1.noarch",
    ]
    assert lines(world, "db", "diff", "rollback", "0")[1:] == lines(world, "db", "diff")[1:]
    assert lines(world, "db", "diff", "base", "0")[1:] == lines(world, "db", "diff")[1:]
    assert lines(world, "db", "diff", "1")[1:] == ["No package differs."]


def test_diff_with_a_commit_that_is_not_deployed(world: World) -> None:
    text = lines(world, "db", "diff", "0", "origin:test/base", "-c")
    commit = world.second.commit[:12]
    assert text[0] == f"From state 0 (next boot) to origin:test/base ({commit}):"
    assert "  based.noarch" in "\n".join(text)
    assert [line.strip() for line in text if "Ann" in line] == [
        "2023-11-14 Ann <ann@example.invalid> - 2-1"
    ]
    assert not any("Bob" in line for line in text)
    assert text[-4:] == [
        "Removed 3 packages", "  dropped-1-1.noarch", "  foo-1-1.noarch", "  libfoo-1-1.noarch",
    ]  # fmt: skip


def test_diff_as_data(world: World) -> None:
    data = query_pkglayer("db", "diff", "origin:test/base", "0", "-c", sysroot=world.sysroot)
    assert data["from"] == {"commit": world.second.commit, "index": None}
    assert data["to"]["index"] == 0
    assert "based" in [row["name"] for row in data["downgraded"]]
    assert [e["text"] for e in data["changelogs"]["based-2-1.noarch"]] == ["- Fix it"]
    assert [row["name"] for row in data["added"]] == ["dropped", "foo", "libfoo"]
    assert data["removed"] == []


def test_query_of_states(world: World) -> None:
    assert lines(world, "db", "query", "0", "--", "-q", "foo") == ["foo-1-1.noarch"]
    assert lines(world, "db", "query", "0", "--", "-qf", "/usr/bin/foo") == ["foo-1-1.noarch"]
    assert lines(world, "db", "query", "origin:test/base", "--", "based") == ["based-2-1.noarch"]
    absent = run_pkglayer("db", "query", "1", "--", "foo", sysroot=world.sysroot, check=False)
    assert (absent.returncode, absent.stdout) == (1, "package foo is not installed\n")
    data = query_pkglayer("db", "query", "0", "--", "--requires", "foo", sysroot=world.sysroot)
    assert "libfoo" in data["output"].splitlines()
    assert data["exit_code"] == 0


@pytest.mark.parametrize("query", [["-qa"], ["--requires", "foo"], ["absent"], ["-V", "libfoo"]])
def test_the_short_way_says_what_the_long_way_says(world: World, query: list[str]) -> None:
    def ask(*words: str) -> tuple[int, list[str], str]:
        done = run_pkglayer("db", "query", *words, "--", *query, sysroot=world.sysroot, check=False)
        return done.returncode, sorted(done.stdout.splitlines()), done.stderr

    for state in ("0", "1", "pending", "rollback"):
        assert plan_command([state, "--sysroot", str(world.sysroot), "--", *query])
        assert ask(state) == (*ask("--debug", state)[:2], "")


def test_the_short_way_knows_the_states_as_libostree_does(world: World) -> None:
    known = [Path(d.root) for d in open_sysroot(world.sysroot).deployments]
    assert len(known) == 2
    assert find_roots(world.sysroot) == known


@pytest.mark.parametrize(
    ("running", "named"),
    [
        (0, {"booted": 0, "rollback": 1}),
        (1, {"booted": 1, "pending": 0}),
        (None, {}),
    ],
)
def test_the_short_way_knows_what_runs(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, running: int | None,
    named: dict[str, int],
) -> None:  # fmt: skip
    roots = find_roots(world.sysroot) or []
    monkeypatch.setattr(bootentries, "_BOOTED", tmp_path)
    monkeypatch.setattr(bootentries, "_ROOT", tmp_path if running is None else roots[running])
    for role in ("booted", "pending", "rollback"):
        command = plan_command(["--sysroot", str(world.sysroot), role, "--", "foo"])
        assert command[1:2] == ([f"--root={roots[named[role]]}"] if role in named else [])
    assert plan_command(["--sysroot", str(world.sysroot), "1", "--", "foo"])


@pytest.mark.parametrize(
    "words",
    [
        ["0"], ["0", "--"], ["0", "foo"], ["2", "--", "foo"], ["x", "--", "foo"],
        ["-1", "--", "foo"], ["booted", "--", "foo"], ["base", "--", "foo"],
        ["0", "--json", "--", "foo"], ["0", "1", "--", "foo"], ["0", "--", "--eval", "%(id)"],
    ],
)  # fmt: skip
def test_all_that_is_not_plain_takes_the_long_way(world: World, words: list[str]) -> None:
    assert plan_command(["--sysroot", str(world.sysroot), *words]) == []


def test_a_sysroot_that_is_not_simple_takes_the_long_way(world: World, tmp_path: Path) -> None:
    def copy(name: str) -> Path:
        """The boot entries of the sysroot, and what they lead to, without any file of a state."""
        sysroot = tmp_path / name
        for part in ("boot", "ostree/boot.0", "ostree/boot.1", "ostree/boot.0.0", "ostree/boot.0.1",
                     "ostree/boot.1.0", "ostree/boot.1.1"):  # fmt: skip
            if (world.sysroot / part).exists():
                shutil.copytree(world.sysroot / part, sysroot / part, symlinks=True)
        for root in find_roots(world.sysroot) or ():
            (sysroot / root.relative_to(world.sysroot)).mkdir(parents=True)
        return sysroot

    assert len(find_roots(copy("same")) or ()) == 2
    several = copy("several")
    (several / "ostree/deploy/other").mkdir()
    assert find_roots(several) is None
    gone = copy("gone")
    (find_roots(gone) or [])[0].rmdir()
    assert find_roots(gone) is None
    [entry, _] = sorted((copy("odd") / "boot/loader/entries").iterdir())
    text = entry.read_text()
    for odd in (text.replace("ostree=", "other="), text.replace("version", "versions"),
                text.replace("version 1", "version 2"),
                text.replace("ostree=/ostree", "ostree=/..")):  # fmt: skip
        entry.write_text(odd)
        assert find_roots(tmp_path / "odd") is None, odd
    assert find_roots(tmp_path) is None


def test_verify_needs_a_deployed_state(world: World) -> None:
    words = ["db", "query", "0", "--", "-V", "libfoo"]
    done = run_pkglayer(*words, sysroot=world.sysroot, check=False)
    # Files of a deployment have the time 0, and nothing else differs.
    assert (done.returncode, done.stdout) == (1, ".......T.    /usr/lib/libfoo\n")
    message = failure(world, "db", "query", "origin:test/base", "--", "-V", "based", code=11)
    assert "is not deployed" in message


@pytest.mark.parametrize(
    "args", [["-e", "foo"], ["-i", "--root=/"], ["--eval", "%(id)"], ["-p", "x"]]
)
def test_query_does_nothing_else(world: World, args: list[str]) -> None:
    assert "is no query of a state" in failure(world, "db", "query", "0", "--", *args, code=2)


def test_where(world: World) -> None:
    assert lines(world, "db", "where", "foo") == ["0  next boot  foo-1-1.noarch  layered"]
    assert lines(world, "db", "where", "based") == [
        "0  next boot  based-1-1.noarch  base",
        "1  rollback   based-1-1.noarch  base",
    ]
    absent = run_pkglayer("db", "where", "none*", sysroot=world.sysroot, check=False)
    assert (absent.returncode, absent.stdout) == (1, "in no state\n")
    [row] = query_pkglayer("db", "where", "foo", sysroot=world.sysroot)["packages"]
    assert (row["state"], row["layered"], row["nevra"]) == (0, True, "foo-1-1.noarch")


def test_nobody_can_read_everything(world: World) -> None:
    let_nobody_in(world.sysroot.parent)
    for args in (["list", "0"], ["diff", "-c"], ["where", "foo"], ["query", "0", "--", "-qa"]):
        done = run_pkglayer(
            "db", *args, sysroot=world.sysroot, user=NOBODY, env={"HOME": "/nonexistent"},
            cwd=PROJECT, check=False,
        )  # fmt: skip
        assert (done.returncode, done.stderr) == (0, ""), args
        assert "foo-1-1.noarch" in done.stdout


def test_layers_in_force(world: World) -> None:
    assert lines(world, "layer", "list") == [
        "base  applied  1 request  Of the base  /usr/lib/pkglayer/layers.d/base.toml"
    ]
    assert lines(world, "layer", "show", "base") == [
        "base: Of the base",
        "  file: /usr/lib/pkglayer/layers.d/base.toml",
        "  weak dependencies come along",
        "  requests:",
        "    based  inactive: the base has based-1-1.noarch",
    ]
    [row] = query_pkglayer("layer", "list", sysroot=world.sysroot)["layers"]
    assert (row["name"], row["applied"], row["in_force"]) == ("base", True, True)
    assert row["requests"] == {"based": "inactive: the base has based-1-1.noarch"}
    assert "there is no layer 'none'" in failure(world, "layer", "show", "none", code=2)


def test_presets(world: World) -> None:
    names = [line.split()[0] for line in lines(world, "layer", "list", "--presets")]
    assert names == sorted(p.stem for p in (PROJECT / "layers").glob("*.toml"))
    assert any("not in force" in line for line in lines(world, "layer", "show", names[0]))


def test_history_of_the_install(world: World) -> None:
    first, second, *asked = lines(world, "history")
    assert first.endswith(f"done       pkglayer install foo --sysroot {world.sysroot}")
    before, after = deployments(world.sysroot)[1], deployments(world.sysroot)[0]
    assert second.strip() == f"{before.checksum[:12]} -> {after.checksum[:12]}"
    assert [line.strip() for line in asked] == ["+ based (layer base)", "+ foo"]
    [entry] = query_pkglayer("history", sysroot=world.sysroot)["entries"]
    assert (entry["before"], entry["after"]) == (before.checksum, after.checksum)
    assert (entry["outcome"], entry["number"]) == ("done", 1)
    assert json.loads(json.dumps(entry))["digest"]


def test_scripts_are_kept_with_their_words_beside_the_commit(tmp_path: Path) -> None:
    said = 'echo "$(head -c 9 /dev/urandom | md5sum) by $1"; echo "and more"'
    loud = build_rpm(tmp_path / "offer", "loud", scripts={"pre": "true", "post": said})
    silent = build_rpm(tmp_path / "offer", "silent", requires=["loud"], scripts={"post": "true"})
    scene = make_scene(tmp_path, [loud, silent])
    assert scene.run("db", "scripts").stdout == "nothing is layered in state 0 (next boot)\n"
    scene.run("install", "loud", "silent")
    first = scene.next.checksum
    shown = scene.run("db", "scripts").stdout.splitlines()
    assert shown[:2] == ["%pre of loud-1-1.noarch", "%post of loud-1-1.noarch"]
    assert re.fullmatch(r"    [0-9a-f]{32}  - by 1", shown[2])
    assert shown[3:] == ["    and more", "%post of silent-1-1.noarch"]
    assert scene.run("db", "scripts", "0", "sil*").stdout == "%post of silent-1-1.noarch\n"
    rows = json.loads(scene.run("db", "scripts", "--json").stdout)["scripts"]
    assert [(r["kind"], bool(r["output"])) for r in rows] == [
        ("pre", False), ("post", True), ("post", False)
    ]  # fmt: skip
    _forget(scene.sysroot)
    scene.run("install", "loud", "silent")
    assert scene.next.checksum == first
    assert scene.run("db", "scripts").stdout.splitlines()[2] != shown[2]


def test_scripts_of_a_state_from_elsewhere_are_listed_without_words(tmp_path: Path) -> None:
    loud = build_rpm(tmp_path / "offer", "loud", scripts={"post": "echo words"})
    scene = make_scene(tmp_path, [loud])
    scene.run("install", "loud")
    _detached(scene).unlink()
    assert scene.run("db", "scripts").stdout == "%post of loud-1-1.noarch\n"
    assert scene.run("db", "scripts", "0", "x*").stdout.startswith("no scriptlet of a package that")


def test_words_go_with_their_state(tmp_path: Path) -> None:
    loud = build_rpm(tmp_path / "offer", "loud", scripts={"post": "echo words"})
    scene = make_scene(tmp_path, [loud])
    scene.run("install", "loud")
    kept = _detached(scene)
    scene.run("uninstall", "loud")
    scene.run("cleanup", "--rollback")
    assert not kept.exists()


def _detached(scene: Scene) -> Path:
    commit = scene.next.checksum
    return scene.sysroot / f"ostree/repo/objects/{commit[:2]}/{commit[2:]}.commitmeta"


def _forget(sysroot: Path) -> None:
    """Back to the bare base, with nothing left of what was built."""
    run_pkglayer("uninstall", "--all", sysroot=sysroot)
    run_pkglayer("cleanup", "--rollback", sysroot=sysroot)
