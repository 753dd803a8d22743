"""SELinux labels come from the target tree's own policy, and only if it has one."""

from pathlib import Path

from tests.support.ostree import run_ostree
from tests.support.rpms import build_rpm
from tests.support.scene import Scene, make_scene
from tests.support.selinux import read_labels
from tests.support.trees import File, Node

_CONTEXTS = """/.*\tsystem_u:object_r:default_t:s0
/usr/bin/.*\t--\tsystem_u:object_r:bin_t:s0
/etc/.*\tsystem_u:object_r:etc_t:s0
/usr/lib/unlabelled(/.*)?\t<<none>>
"""


def _policy(contexts: str = _CONTEXTS) -> dict[str, Node]:
    where = "etc/selinux/tiny"
    return {
        "etc/selinux/config": "SELINUX=enforcing\nSELINUXTYPE=tiny\n",
        f"{where}/contexts/files/file_contexts": contexts,
        f"{where}/policy/policy.33": "compiled\n",
        # libostree runs it when it deploys a tree with a policy, to take local modules over.
        "usr/bin/semodule": File("#!/bin/sh\n", 0o755),
    }


def _tool(tmp: Path) -> Path:
    return build_rpm(
        tmp / "offer",
        "tool",
        files={
            "usr/bin/tool": File("t" * (3 << 20), 0o755),
            "usr/bin/able": File("a", 0o755, caps="cap_net_raw=ep"),
            "usr/lib/unlabelled/x": "x",
            "etc/tool.conf": "c",
        },
        scripts={"post": "echo made > /etc/made"},
    )


def _label(scene: Scene, path: str) -> str:
    """The label of a file in the next boot's commit, as ostree tells it; empty for none."""
    repo = scene.sysroot / "ostree/repo"
    shown = run_ostree("ls", f"--repo={repo}", "-X", scene.next.checksum, f"/{path}")
    _, found, rest = shown.partition("b'security.selinux', b'")
    return rest.partition("'")[0] if found else ""


def test_labels_by_the_policy_of_the_tree(tmp_path: Path) -> None:
    scene = make_scene(tmp_path, [_tool(tmp_path)], files=_policy())
    scene.run("install", "tool")
    assert _label(scene, "usr/bin/tool") == "system_u:object_r:bin_t:s0"
    assert _label(scene, "usr/bin/able") == "system_u:object_r:bin_t:s0"
    assert _label(scene, "usr/etc/tool.conf") == "system_u:object_r:etc_t:s0"
    assert _label(scene, "usr/etc/made") == "system_u:object_r:etc_t:s0"
    assert _label(scene, "usr/lib/pkglayer/record.json") == "system_u:object_r:default_t:s0"
    assert _label(scene, "usr/lib/unlabelled/x") == ""
    assert _label(scene, "usr/bin/busybox") == ""
    assert (scene.next.path / "usr/bin/tool").read_text() == "t" * (3 << 20)
    run_ostree("fsck", f"--repo={scene.sysroot}/ostree/repo")


def test_a_policy_that_changes_relabels_the_whole_tree(tmp_path: Path) -> None:
    rules = build_rpm(tmp_path / "offer", "rules", files=_policy())
    scene = make_scene(tmp_path, [rules])
    scene.run("install", "rules")
    assert _label(scene, "usr/bin/busybox") == "system_u:object_r:bin_t:s0"
    assert _label(scene, "usr/etc/passwd") == "system_u:object_r:etc_t:s0"


def test_a_change_of_the_policy_relabels_what_it_is_about(tmp_path: Path) -> None:
    changed = _CONTEXTS.replace("bin_t", "other_t")
    first = build_rpm(tmp_path / "offer", "rules", files=_policy())
    scene = make_scene(tmp_path, [first])
    scene.run("install", "rules")
    repo = scene.sysroot / "ostree/repo"
    before = read_labels(repo, scene.next.checksum)
    scene.publish(build_rpm(tmp_path / "offer", "rules", version="2", files=_policy(changed)))
    scene.run("upgrade", "--refresh")
    after = read_labels(repo, scene.next.checksum)
    others = {path: after[path][1] for path in before if after[path] != before[path]}
    assert set(others.values()) == {"system_u:object_r:other_t:s0"}
    files = {p for p, (kind, _) in before.items() if p.startswith("/usr/bin/") and kind == "-"}
    assert files == others.keys()


def test_nothing_is_labelled_without_a_policy(tmp_path: Path) -> None:
    scene = make_scene(tmp_path, [_tool(tmp_path)])
    scene.run("install", "tool")
    assert _label(scene, "usr/bin/tool") == ""
    assert _label(scene, "usr/etc/tool.conf") == ""
