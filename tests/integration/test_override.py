"""Packages of the base that are replaced, removed or updated for a while, and put back."""

import json
from pathlib import Path
from typing import Any

from tests.support.rpms import Trigger, build_rpm, config
from tests.support.scene import Scene, make_scene
from tests.support.trees import DIR
from tests.support.witness import query_rpm

LOG = "usr/lib/scripts.log"


def _said(text: str) -> str:
    return f'echo "{text} $1" >> /{LOG}'


def _tool(tmp: Path, version: str, files: tuple[str, ...] = ()) -> Path:
    """A package whose scriptlets leave a trace, with one file per version."""
    kinds = ("pre", "post", "preun", "postun")
    return build_rpm(
        tmp,
        "tool",
        version=version,
        scripts={kind: _said(f"tool-{version} {kind}") for kind in kinds},
        files={
            "usr/bin/tool": f"tool {version}\n",
            f"usr/share/tool/only-{version}": "x",
            "usr/share/tool": DIR,
            "usr/share/shared": "the same",
            "etc/tool.conf": config(f"conf of {version}\n"),
            **dict.fromkeys(files, "moved\n"),
        },
    )


def _scene(tmp: Path) -> Scene:
    watcher = build_rpm(
        tmp / "base",
        "watcher",
        files={"usr/share/shared": "the same"},
        triggers=[Trigger(k, "tool", _said(k)) for k in ("triggerun", "triggerpostun")],
    )
    user = build_rpm(tmp / "base", "user", requires=["tool"], files={"usr/bin/user": "u"})
    newer = _tool(tmp / "offer", "3")
    return make_scene(
        tmp, [newer], base_packages=[_tool(tmp / "base", "1", ("usr/bin/moved",)), watcher, user]
    )


def _states(scene: Scene) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(scene.run("status", "--json").stdout)["deployments"]
    return found


def test_replaces_a_package_with_a_local_rpm(tmp_path: Path) -> None:
    scene = _scene(tmp_path)
    newer = _tool(tmp_path / "mine", "2")
    scene.run("override", "replace", newer, "--no-gpg-check", newer)
    tree = scene.next.path
    assert (tree / "usr/bin/tool").read_text() == "tool 2\n"
    assert (tree / "usr/etc/tool.conf").read_text() == "conf of 2\n"
    assert not (tree / "usr/share/tool/only-1").exists()
    assert not (tree / "usr/bin/moved").exists()
    assert (tree / "usr/share/shared").read_text() == "the same"
    assert scene.packages == {"tool-2-1", "watcher-1-1", "user-1-1"}
    assert query_rpm(tree, "-V", "--nomtime", "tool", "watcher") == []
    assert (tree / LOG).read_text().splitlines() == [
        "tool-1 pre 1", "tool-1 post 1",
        "tool-2 pre 2", "tool-2 post 2",
        "triggerun 1", "tool-1 preun 1", "tool-1 postun 1", "triggerpostun 1",
    ]  # fmt: skip
    [override] = _states(scene)[0]["overrides"]
    assert override == {
        "kind": "replace", "old": "tool-1-1.noarch", "new": "tool-2-1.noarch",
        "requests": ["tool-2-1.noarch"],
    }  # fmt: skip
    assert "tool-1-1.noarch -> tool-2-1.noarch" in scene.run("status").stdout


def test_rests_once_the_base_has_caught_up_and_resets(tmp_path: Path) -> None:
    scene = _scene(tmp_path)
    newer = _tool(tmp_path / "mine", "2")
    scene.run("override", "replace", newer, "--no-gpg-check", newer)
    scene.update_base("2", packages=[_tool(tmp_path / "base", "2.5")])
    scene.run("upgrade")
    assert (scene.next.path / "usr/bin/tool").read_text() == "tool 2.5\n"
    shown = scene.run("status").stdout
    assert "the base has caught up: it has tool-2.5-1.noarch" in " ".join(shown.split())
    scene.update_base("3")
    scene.run("override", "reset", "tool")
    assert _states(scene)[0]["requests"] == []


def test_an_older_replacement_stays_until_it_is_reset(tmp_path: Path) -> None:
    scene = _scene(tmp_path)
    older = _tool(tmp_path / "mine", "0.9")
    scene.run("override", "replace", older, "--no-gpg-check", older)
    assert "tool-0.9-1" in scene.packages
    scene.update_base("2", packages=[_tool(tmp_path / "base", "1.5")])
    scene.run("upgrade")
    assert (scene.next.path / "usr/bin/tool").read_text() == "tool 0.9\n"
    scene.run("override", "reset", "--all")
    assert (scene.next.path / "usr/bin/tool").read_text() == "tool 1.5\n"


def test_follows_a_repository(tmp_path: Path) -> None:
    scene = _scene(tmp_path)
    scene.run("override", "replace", "tool", "--from", "test")
    assert "tool-3-1" in scene.packages
    scene.publish(_tool(tmp_path / "offer", "4"))
    scene.run("upgrade", "--refresh")
    assert "tool-4-1" in scene.packages
    refused = scene.refuse("override", "replace", "tool", "--from", "nowhere", code=3)
    assert "nowhere" in refused


def test_removes_what_nobody_needs_and_names_who_needs_it(tmp_path: Path) -> None:
    scene = _scene(tmp_path)
    said = scene.refuse("override", "remove", "tool", code=3)
    assert "the base's user needs tool" in said
    assert "--with-dependents" in said
    scene.run("override", "remove", "tool", "--with-dependents")
    tree = scene.next.path
    assert scene.packages == {"watcher-1-1"}
    for path in ("usr/bin/tool", "usr/bin/user", "usr/share/tool", "usr/etc/tool.conf"):
        assert not (tree / path).exists(), path
    assert (tree / "usr/share/shared").exists()
    assert "tool-1 preun 0" in (tree / LOG).read_text()
    assert "tool-1 postun 0" in (tree / LOG).read_text()
    requests = _states(scene)[0]["requests"]
    assert {(r["spec"], r["kind"]) for r in requests} == {
        ("tool", "override-remove"), ("user", "override-remove")
    }  # fmt: skip
    scene.update_base("2")
    scene.run("upgrade")
    assert scene.packages == {"watcher-1-1"}
    scene.run("override", "reset", "--all")
    assert (scene.next.path / "usr/bin/user").exists()
    assert _states(scene)[0]["commit"] == scene.base.commit


def test_a_layered_package_survives_beside_an_override(tmp_path: Path) -> None:
    scene = _scene(tmp_path)
    scene.publish(build_rpm(tmp_path / "offer", "extra", files={"usr/bin/extra": "e"}))
    scene.run("install", "extra")
    scene.run("override", "remove", "user")
    assert scene.packages == {"tool-1-1", "watcher-1-1", "extra-1-1"}
    scene.run("uninstall", "--all")
    assert scene.packages == {"tool-1-1", "watcher-1-1"}


def test_a_changed_configuration_file_is_kept(tmp_path: Path) -> None:
    scene = _scene(tmp_path)
    scene.update_base("2", files={"etc/tool.conf": "changed by the base\n"})
    scene.run("upgrade")
    newer = _tool(tmp_path / "mine", "2")
    scene.run("override", "replace", newer, "--no-gpg-check", newer)
    etc = scene.next.path / "usr/etc"
    assert (etc / "tool.conf").read_text() == "changed by the base\n"
    assert (etc / "tool.conf.rpmnew").read_text() == "conf of 2\n"
    scene.run("override", "remove", "tool", "--with-dependents")
    etc = scene.next.path / "usr/etc"
    assert not (etc / "tool.conf").exists()
    assert (etc / "tool.conf.rpmsave").read_text() == "changed by the base\n"


def test_says_what_it_cannot_override(tmp_path: Path) -> None:
    scene = _scene(tmp_path)
    assert "the base has no package nosuch" in scene.refuse("override", "remove", "nosuch", code=3)
    assert "is not a local RPM file" in scene.refuse("override", "replace", "tool", code=2)
    same = _tool(tmp_path / "mine", "1")
    said = scene.refuse("override", "replace", same, "--no-gpg-check", same, code=3)
    assert "the base has tool-1-1.noarch already" in said
    assert "there is no override of tool" in scene.refuse("override", "reset", "tool", code=2)


def test_an_upgrade_can_allow_base_updates(tmp_path: Path) -> None:
    base = build_rpm(tmp_path / "base", "lib")
    scene = make_scene(
        tmp_path, [build_rpm(tmp_path / "offer", "app", requires=["lib"])], base_packages=[base]
    )
    scene.run("install", "app")
    newer = build_rpm(tmp_path / "offer", "app", version="2", requires=["lib >= 2"])
    scene.publish(newer, build_rpm(tmp_path / "offer", "lib", version="2"))
    (scene.repo / "app-1-1.noarch.rpm").unlink()
    scene.publish()
    scene.run("upgrade", "--allow-base-updates")
    assert '"base-updates": true' in scene.next.origin


def test_allows_the_fewest_base_updates_for_a_time(tmp_path: Path) -> None:
    base = [
        build_rpm(tmp_path / "base", name, requires=requires, files={f"usr/lib/{name}": "1"})
        for name, requires in (("lib", []), ("libuser", ["lib = 1"]), ("other", []))
    ]
    offer = [
        build_rpm(
            tmp_path / "offer", name, version="2", requires=requires, files={f"usr/lib/{name}": "2"}
        )
        for name, requires in (("lib", []), ("libuser", ["lib = 2"]), ("other", []))
    ]
    offer.append(build_rpm(tmp_path / "offer", "app", requires=["lib >= 2"]))
    scene = make_scene(tmp_path, offer, base_packages=base)
    scene.refuse("install", "app", code=3)
    done = scene.run("install", "app", "--allow-base-updates", "--json")
    assert {(f["nevra"], f["how"]) for f in json.loads(done.stdout)["fallbacks"]} == {
        ("lib-2-1.noarch", "base-update"), ("libuser-2-1.noarch", "base-update")
    }  # fmt: skip
    assert "lib-2-1.noarch is a newer package of the base, until the base has it" in (
        scene.run("status").stdout
    )
    assert scene.packages == {"app-1-1", "lib-2-1", "libuser-2-1", "other-1-1"}
    assert (scene.next.path / "usr/lib/lib").read_text() == "2"
    overrides = _states(scene)[0]["overrides"]
    assert {(o["kind"], o["new"], *o["requests"]) for o in overrides} == {
        ("update", "lib-2-1.noarch", "app"), ("update", "libuser-2-1.noarch", "app")
    }  # fmt: skip
    shown = scene.run("status").stdout
    assert "lib-1-1.noarch -> lib-2-1.noarch until the base has it (for app)" in shown
    scene.update_base("2", packages=offer[:2])
    said = scene.run("upgrade").stdout
    assert "lib-2-1.noarch until the base has it (for app): the base's own will do" in said
    assert _states(scene)[0]["overrides"] == []
    assert "until the base has it" not in scene.run("status").stdout.split("rollback")[0]
    assert scene.packages == {"app-1-1", "lib-2-1", "libuser-2-1", "other-1-1"}
