"""install: what is asked for is in the next state, as its header says, and nothing else."""

import json
import os
import stat
import subprocess
from pathlib import Path

import pytest

from tests.support.cli import query_pkglayer, run_pkglayer
from tests.support.rpms import Entry, build_rpm, config, ghost
from tests.support.scene import Scene, make_scene
from tests.support.trees import Dir, File, Hardlink, Link, Node
from tests.support.witness import cat_commit, fsck, list_commit, query_rpm, run_in

HELLO = File("#!/bin/sh\necho hello from foo\n", 0o755)


def simple(tmp: Path, name: str, version: str = "1", **words: object) -> Path:
    files = {f"usr/share/{name}/version": f"{name} {version}\n"}
    return build_rpm(tmp, name, version=version, files=files, **words)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """A repository with a few packages, and a base that has one of its own."""
    tmp_path = tmp_path_factory.mktemp("install")
    rpms = [
        build_rpm(tmp_path, "foo", version="1", requires=["libfoo >= 1"], recommends=["nice"],
                  provides=["perl(Foo) = 1", "pkgconfig(foo)"], files={"usr/bin/foo": HELLO}),
        simple(tmp_path, "libfoo"),
        simple(tmp_path, "nice"),
        simple(tmp_path, "bar", "1"),
        simple(tmp_path, "bar", "2"),
        simple(tmp_path, "bar-plugin-a"),
        simple(tmp_path, "bar-plugin-b"),
        simple(tmp_path, "based", "2"),
    ]  # fmt: skip
    based = simple(tmp_path, "based", "1", provides=["based-feature"])
    return make_scene(tmp_path, rpms, base_packages=[based],
                      comps={"tools": ["bar", "nice"]})  # fmt: skip


@pytest.fixture
def scene(original: Scene, tmp_path: Path) -> Scene:
    """A copy for each test."""
    return original.copy_to(tmp_path)


def test_installs_with_dependencies_and_keeps_the_old_state(scene: Scene) -> None:
    before = scene.next
    done = scene.run("install", "foo")
    after, kept = scene.states
    assert kept == before
    assert scene.packages == {"based-1-1", "foo-1-1", "libfoo-1-1", "nice-1-1"}
    assert query_rpm(kept.path, "-q", "foo") == ["package foo is not installed"]
    assert run_in(after.path, "foo") == "hello from foo\n"
    assert query_rpm(after.path, "-qf", "/usr/bin/foo") == ["foo-1-1.noarch"]
    assert query_rpm(after.path, "-Va", "--nomtime", "--noconfig") == []
    assert after.checksum[:12] in done.stdout
    assert "refspec=origin:test/base" in after.origin.splitlines()
    fsck(scene.sysroot / "ostree/repo")


def test_two_installs_add_up(scene: Scene) -> None:
    scene.run("install", "libfoo")
    scene.run("install", "nice")
    assert scene.packages == {"based-1-1", "libfoo-1-1", "nice-1-1"}
    requests = query_pkglayer("status", sysroot=scene.sysroot)["deployments"][0]["requests"]
    assert [r["spec"] for r in requests] == ["libfoo", "nice"]


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("bar", {"bar-2-1"}),
        ("bar-1", {"bar-1-1"}),
        ("bar-1-1", {"bar-1-1"}),
        ("bar-1-1.noarch", {"bar-1-1"}),
        ("bar-0:1-1.noarch", {"bar-1-1"}),
        ("bar.noarch", {"bar-2-1"}),
        ("bar-plugin-*", {"bar-plugin-a-1-1", "bar-plugin-b-1-1"}),
        ("perl(Foo)", {"foo-1-1", "libfoo-1-1", "nice-1-1"}),
        ("pkgconfig(foo)", {"foo-1-1", "libfoo-1-1", "nice-1-1"}),
        ("/usr/bin/foo", {"foo-1-1", "libfoo-1-1", "nice-1-1"}),
        ("bar < 2", {"bar-1-1"}),
        ("bar >= 2", {"bar-2-1"}),
        ("@tools", {"bar-2-1", "nice-1-1"}),
    ],
)
def test_every_form_of_a_spec(scene: Scene, spec: str, expected: set[str]) -> None:
    scene.run("install", spec)
    assert scene.packages == expected | {"based-1-1"}


def test_without_recommends(scene: Scene) -> None:
    scene.run("install", "foo", "--no-recommends")
    assert scene.packages == {"based-1-1", "foo-1-1", "libfoo-1-1"}
    scene.run("install", "bar")
    assert "nice-1-1" not in scene.packages


def test_local_rpm(scene: Scene) -> None:
    local = simple(scene.tmp / "mine", "mine", requires=["libfoo"])
    scene.run("install", local, "--no-gpg-check", local)
    assert scene.packages == {"based-1-1", "libfoo-1-1", "mine-1-1"}
    local.unlink()
    scene.run("install", "nice")
    assert scene.packages == {"based-1-1", "libfoo-1-1", "mine-1-1", "nice-1-1"}
    newer = simple(scene.tmp / "mine", "mine", "2")
    scene.run("install", newer, "--no-gpg-check", newer)
    assert scene.packages == {"based-1-1", "mine-2-1", "nice-1-1"}


def test_dry_run_changes_nothing(scene: Scene) -> None:
    def files() -> set[Path]:
        cache = scene.sysroot / "ostree/deploy/test/var/cache"
        return {p for p in scene.sysroot.rglob("*") if not p.is_relative_to(cache)}

    scene.run("status")
    before = files()
    done = scene.run("install", "foo", "-n")
    assert "foo-1-1.noarch" in done.stdout
    assert "libfoo-1-1.noarch" in done.stdout
    assert {p for p in files() - before if p.name != "pkglayer"} == set()
    data = query_pkglayer("install", "foo", "--dry-run", sysroot=scene.sysroot)
    assert [n["nevra"] for n in data["changes"]["added"]] == [
        "foo-1-1.noarch", "libfoo-1-1.noarch", "nice-1-1.noarch",
    ]  # fmt: skip
    assert (data["commit"], data["changed"]) == ("", False)


def test_same_plan_is_not_built_twice(scene: Scene) -> None:
    scene.run("install", "libfoo")
    first = scene.next.checksum
    scene.run("uninstall", "libfoo")
    data = query_pkglayer("install", "libfoo", sysroot=scene.sysroot)
    assert (data["reused"], data["changed"], data["commit"]) == (True, True, first)
    assert scene.next.checksum == first


def test_already_requested(scene: Scene) -> None:
    scene.run("install", "libfoo")
    message = scene.refuse("install", "libfoo", code=2)
    assert "already requested: libfoo" in message
    assert "--idempotent" in message
    data = query_pkglayer("install", "libfoo", "--idempotent", sysroot=scene.sysroot)
    assert data["changed"] is False
    assert "No change" in scene.run("install", "libfoo", "--idempotent").stdout


def test_already_in_the_base(scene: Scene) -> None:
    message = scene.refuse("install", "based", code=3)
    assert "based-1-1.noarch" in message
    assert "--allow-inactive" in message
    message = scene.refuse("install", "based-feature", code=3)
    assert "based-feature (by based-1-1.noarch)" in message
    scene.run("install", "based", "--allow-inactive")
    state = query_pkglayer("status", sysroot=scene.sysroot)["deployments"][0]
    [inactive] = state["inactive"]
    assert (inactive["want"], inactive["provider"]) == (state["requests"][0], "based-1-1.noarch")
    assert scene.packages == {"based-1-1"}


def test_all_problems_in_one_error(scene: Scene) -> None:
    scene.run("install", "nice")
    specs = ["nice", "libfo", "based", "nonesuch", "libfoo"]
    message = scene.refuse("install", *specs, code=3)
    assert "already requested: nice" in message
    assert "nothing provides 'libfo' (did you mean libfoo?)" in message
    assert "nothing provides 'nonesuch'" in message
    assert "based (by based-1-1.noarch)" in message
    error = query_pkglayer("install", *specs, sysroot=scene.sysroot, check=False)["error"]
    assert error["kind"] == "resolve"
    assert error["unknown"] == ["libfo", "nonesuch"]
    assert error["requested"] == ["nice"]
    assert error["inactive"] == {"based": "based-1-1.noarch"}


def test_other_packages_keep_their_versions(scene: Scene) -> None:
    scene.run("install", "libfoo")
    scene.publish(simple(scene.tmp, "libfoo", "2"))
    scene.run("install", "bar", "--refresh")
    assert scene.packages == {"based-1-1", "libfoo-1-1", "bar-2-1"}
    scene.publish(simple(scene.tmp, "needs2", requires=["libfoo >= 2"]))
    scene.run("install", "needs2", "--refresh")
    assert scene.packages == {"based-1-1", "libfoo-2-1", "bar-2-1", "needs2-1-1"}


def test_files_are_as_the_header_says(tmp_path: Path) -> None:
    files: dict[str, Node | Entry] = {
        "usr/bin/tool": File("#!/bin/sh\nid -un\n", 0o4755),
        "usr/bin/ping2": File(b"\x7fELF not really", 0o755, caps="cap_net_raw=ep"),
        "usr/bin/alias": Link("tool"),
        "usr/lib/tool/one": File("same", 0o640),
        "usr/lib/tool/two": Hardlink("usr/lib/tool/one"),
        "usr/lib/tool/sticky": Dir(0o1770),
        "usr/lib/tool/spool": Entry(File("x", 0o660), user="tool", group="tool"),
        "etc/tool.conf": config("default=1\n", 0o600),
        "etc/tool.ghost": ghost(),
        "var/lib/tool/data": "shipped\n",
        "opt/tool/bin/x": File("#!/bin/sh\n", 0o755),
        "usr/local/bin/y": File("#!/bin/sh\n", 0o755),
    }
    pre = {"pre": "groupadd -r tool; useradd -r -g tool -d /var/lib/tool -s /bin/sh tool"}
    scene = make_scene(tmp_path, [build_rpm(tmp_path, "tool", files=files, scripts=pre)])
    scene.run("install", "tool")
    state = scene.next
    listed = list_commit(scene.sysroot / "ostree/repo", state.checksum)
    [passwd] = [x for x in (state.path / "usr/etc/passwd").read_text().splitlines()
                if x.startswith("tool:")]  # fmt: skip
    uid, gid = (int(n) for n in passwd.split(":")[2:4])
    assert passwd == f"tool:x:{uid}:{gid}::/var/lib/tool:/bin/sh"

    def row(path: str) -> tuple[str, int, int, int]:
        found = listed[path]
        return found.kind, stat.S_IMODE(found.mode), found.uid, found.gid

    assert row("/usr/bin/tool") == ("-", 0o4755, 0, 0)
    assert listed["/usr/bin/alias"].target == "tool"
    assert row("/usr/lib/tool/one") == ("-", 0o640, 0, 0)
    assert listed["/usr/lib/tool/one"].checksum == listed["/usr/lib/tool/two"].checksum
    assert row("/usr/lib/tool/sticky") == ("d", 0o1770, 0, 0)
    assert row("/usr/lib/tool/spool") == ("-", 0o660, uid, gid)
    assert row("/usr/etc/tool.conf") == ("-", 0o600, 0, 0)
    assert "/usr/etc/tool.ghost" not in listed
    assert (state.path / "etc/tool.conf").read_text() == "default=1\n"
    assert stat.S_IMODE((state.path / "etc/tool.conf").stat().st_mode) == 0o600
    caps = subprocess.run(["getcap", state.path / "usr/bin/ping2"], capture_output=True, text=True,
                          check=True).stdout  # fmt: skip
    assert caps.split()[-1] == "cap_net_raw=ep"
    repo = scene.sysroot / "ostree/repo"
    lines = cat_commit(repo, state.checksum, "/usr/lib/tmpfiles.d/zz-pkglayer.conf")
    assert "C /var/lib/tool/data 0644 root root - -" in lines.splitlines()
    assert cat_commit(repo, state.checksum, "/usr/share/factory/var/lib/tool/data") == "shipped\n"
    assert any(p.endswith("tool/bin/x") and p.startswith("/usr/lib/opt/") for p in listed)
    assert any(p.endswith("bin/y") and p.startswith("/usr/lib/usrlocal/") for p in listed)
    users = cat_commit(repo, state.checksum, "/usr/lib/sysusers.d/00-pkglayer.conf")
    assert any(line.split()[:2] == ["u", "tool"] for line in users.splitlines())
    assert query_rpm(state.path, "-q", "tool") == ["tool-1-1.noarch"]


@pytest.mark.parametrize("noreplace", [True, False])
def test_edited_configuration_of_the_administrator_stays(scene: Scene, noreplace: bool) -> None:
    old, new = (config(f"{word}\n", noreplace=noreplace) for word in ("old", "new"))
    scene.publish(build_rpm(scene.tmp, "conf", files={"etc/conf": old}))
    scene.run("install", "conf")
    (scene.next.path / "etc/conf").write_text("mine\n")
    scene.publish(build_rpm(scene.tmp, "conf", version="2", files={"etc/conf": new}))
    told = scene.run("upgrade", "--refresh").stdout
    assert (scene.next.path / "usr/etc/conf").read_text() == "new\n"
    assert (scene.next.path / "etc/conf").read_text() == "mine\n"
    assert "/etc/conf stays as edited here; the new default is /usr/etc/conf" in told
    assert "/etc/conf stays as edited on this machine" in scene.run("history").stdout


def test_configuration_that_nobody_edited_is_not_told(scene: Scene) -> None:
    """Nor is one that the administrator made as the package has it now."""
    files = {name: config("old\n") for name in ("etc/plain", "etc/same", "etc/gone")}
    scene.publish(build_rpm(scene.tmp, "conf", files=files))
    scene.run("install", "conf")
    (scene.next.path / "etc/same").write_text("new\n")
    (scene.next.path / "etc/gone").unlink()
    files = {name: config("new\n") for name in files}
    scene.publish(build_rpm(scene.tmp, "conf", version="2", files=files))
    data = json.loads(scene.run("upgrade", "--refresh", "--json").stdout)
    assert data["kept_etc"] == ["/etc/gone"]
    assert not (scene.next.path / "etc/gone").exists()


def test_a_file_of_the_base_that_gives_way_is_told(tmp_path: Path) -> None:
    """rpm lets a package have a path that is there and no package's; what is equal is no news."""
    own = build_rpm(tmp_path, "own", files={"usr/share/own": "package\n", "usr/share/same": "x\n"})
    scene = make_scene(tmp_path, [own], files={"usr/share/own": "base\n", "usr/share/same": "x\n"})
    scene.run("install", "own")
    assert (scene.next.path / "usr/share/own").read_text() == "package\n"
    notes = json.loads(scene.run("status", "--json").stdout)["deployments"][0]["notes"]
    told = {note["what"]: note["why"] for note in notes}
    assert told["/usr/share/own"] == "takes the place of the base's own file"
    assert "/usr/share/same" not in told
    assert "/usr/share/own: takes the place of" in scene.run("status", "--verbose").stdout


def test_hardlinked_objects_of_the_base_are_not_written(scene: Scene) -> None:
    """A scriptlet that appends to a file of the base gets a copy; the old state keeps its own."""
    script = {"post": "echo changed >> /usr/lib/os-release; chmod 600 /usr/lib/os-release"}
    scene.publish(build_rpm(scene.tmp, "rude", scripts=script))
    old = scene.next.path / "usr/lib/os-release"
    text, mode = old.read_text(), old.stat().st_mode
    scene.run("install", "rude", "--refresh")
    assert (old.read_text(), old.stat().st_mode) == (text, mode)
    assert (scene.next.path / "usr/lib/os-release").read_text() == text + "changed\n"
    fsck(scene.sysroot / "ostree/repo")


def test_rpmdb_in_usr_share(tmp_path: Path) -> None:
    from tests.support.ostree import make_base, make_sysroot
    from tests.support.repos import make_repo, repo_file

    repo = make_repo(tmp_path / "repo", [simple(tmp_path, "foo")])
    files = {"etc/yum.repos.d/test.repo": repo_file("test", repo)}
    base = make_base(tmp_path, files, layout="share")
    sysroot = make_sysroot(tmp_path, base)
    run_pkglayer("install", "foo", sysroot=sysroot)
    scene = Scene(tmp_path, repo, base, sysroot)
    assert query_rpm(scene.next.path, "-q", "foo", database="usr/share/rpm") == ["foo-1-1.noarch"]
    assert not (scene.next.path / "usr/lib/sysimage/rpm").is_dir() or (
        scene.next.path / "usr/lib/sysimage/rpm"
    ).is_symlink()


def test_record_in_the_tree_has_no_host_and_no_time(scene: Scene) -> None:
    scene.run("install", "foo")
    text = (scene.next.path / "usr/lib/pkglayer/record.json").read_text()
    record = json.loads(text)
    assert [p["nevra"] for p in record["plan"]["packages"]] == [
        "foo-1-1.noarch", "libfoo-1-1.noarch", "nice-1-1.noarch",
    ]  # fmt: skip
    assert {p["nevra"]: p["reason"] for p in record["plan"]["packages"]} == {
        "foo-1-1.noarch": "user",
        "libfoo-1-1.noarch": "dependency",
        "nice-1-1.noarch": "weak-dependency",
    }
    assert os.uname().nodename not in text
    assert str(scene.tmp) not in text
