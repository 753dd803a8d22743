"""Another kernel, kernel modules, an initramfs: what the finished tree must have."""

import json
import platform
import subprocess
from pathlib import Path

from tests.support.rpms import build_rpm
from tests.support.scene import Scene, make_scene
from tests.support.testos import KERNEL_VERSION
from tests.support.trees import DIR, File, Link, Node

NEW = "6.9.0-new"
DRACUT = """#!/bin/sh
# Stands for the distribution's program: remembers how it was called, and writes an archive.
for last; do :; done
echo "$@" > /usr/lib/dracut-called
{ echo "$@"; ls /usr/lib/modules; } > "$last"
"""


def _kernel(tmp: Path, version: str, *, in_boot: bool = False) -> Path:
    modules = f"usr/lib/modules/{version}"
    where = f"boot/vmlinuz-{version}" if in_boot else f"{modules}/vmlinuz"
    return build_rpm(
        tmp,
        "testos-kernel",
        version="9",
        files={modules: DIR, f"{modules}/kernel/a.ko": "no module\n", where: f"kernel {version}\n"},
    )


def _module(tmp: Path, name: str, version: str, *, told: bool = False) -> Path:
    """One kernel module; `told` as rpm's generators tell of it."""
    path = f"usr/lib/modules/{version}/extra/{name}.ko"
    provides = [f"kmod({name}.ko)"] if told else []
    arch = platform.machine()
    return build_rpm(tmp, name, arch=arch, provides=provides, files={path: "no module\n"})


def _scene(tmp: Path, *, tools: bool = True, initramfs: bool = False) -> Scene:
    files: dict[str, Node] = {"usr/sbin/depmod": Link("../bin/busybox")}
    files["usr/bin/dracut"] = File(DRACUT, 0o755)
    extra = {f"usr/lib/modules/{KERNEL_VERSION}/initramfs.img": "old"} if initramfs else {}
    packages = [build_rpm(tmp / "base", "tools", files=files)] if tools else []
    offer = [_module(tmp / "offer", "fits", KERNEL_VERSION), _module(tmp / "offer", "alien", "5.4")]
    return make_scene(tmp, offer, base_packages=packages, files=extra)


def test_replaces_the_kernel(tmp_path: Path) -> None:
    scene = _scene(tmp_path, initramfs=True)
    kernel = _kernel(tmp_path / "mine", NEW)
    scene.run("override", "replace", kernel, "--no-gpg-check", kernel)
    modules = scene.next.path / "usr/lib/modules"
    assert [p.name for p in modules.iterdir()] == [NEW]
    assert "kernel/a.ko" in (modules / NEW / "modules.dep").read_text()
    called = (scene.next.path / "usr/lib/dracut-called").read_text()
    target = f"/usr/lib/modules/{NEW}/initramfs.img"
    assert called == f"--force --reproducible --no-hostonly --kver {NEW} {target}\n"
    booted = sorted(p.name for p in (scene.sysroot / "boot/ostree").glob("*/vmlinuz-*"))
    assert f"vmlinuz-{NEW}" in booted


def test_takes_a_kernel_from_boot(tmp_path: Path) -> None:
    scene = _scene(tmp_path)
    kernel = _kernel(tmp_path / "mine", NEW, in_boot=True)
    scene.run("override", "replace", kernel, "--no-gpg-check", kernel)
    modules = scene.next.path / "usr/lib/modules"
    assert (modules / NEW / "vmlinuz").read_text() == f"kernel {NEW}\n"
    assert [p.name for p in modules.iterdir()] == [NEW]


def test_indexes_modules_and_refuses_those_of_another_kernel(tmp_path: Path) -> None:
    scene = _scene(tmp_path)
    scene.run("install", "fits")
    index = scene.next.path / f"usr/lib/modules/{KERNEL_VERSION}/modules.dep"
    assert "extra/fits.ko" in index.read_text()
    said = scene.refuse("install", "alien", code=6)
    assert f"no module for the state's kernel {KERNEL_VERSION} is in alien-1-1" in said
    assert "(for 5.4)" in said


def test_a_dry_run_knows_modules_of_another_kernel(tmp_path: Path) -> None:
    scene = _scene(tmp_path)
    scene.publish(_module(tmp_path / "offer", "told", "5.4", told=True))
    for dry in (["--dry-run"], []):
        said = scene.refuse("install", "told", *dry, code=3)
        assert f"no module for the state's kernel {KERNEL_VERSION} is in told-1-1" in said
        assert "(for 5.4)" in said
    assert not list(scene.sysroot.glob("**/packages/*.rpm"))
    rpm = tmp_path / "offer" / f"told-1-1.{platform.machine()}.rpm"
    said = scene.refuse("install", rpm, "--no-gpg-check", rpm, "--dry-run", code=3)
    assert "(for 5.4)" in said


def test_a_dry_run_says_what_only_the_download_shows(tmp_path: Path) -> None:
    scene = _scene(tmp_path)
    scene.publish(_module(tmp_path / "offer", "told", "5.4", told=True))
    metadata = scene.repo / "repodata"
    subprocess.run(["modifyrepo_c", "--remove", "filelists", str(metadata)], check=True)
    [row] = json.loads(scene.run("install", "told", "--dry-run", "--json").stdout)["unseen"]
    assert row["nevra"].startswith("told-1-1")
    assert row["what"].startswith(f"whether it has modules for {KERNEL_VERSION} shows when")
    scene.refuse("install", "told", code=6)


def test_modules_that_a_new_kernel_leaves_behind_can_be_skipped(tmp_path: Path) -> None:
    scene = _scene(tmp_path)
    scene.publish(_module(tmp_path / "offer", "told", KERNEL_VERSION, told=True))
    scene.run("install", "told", "--refresh")
    scene.update_base("2", packages=[_kernel(tmp_path / "base", NEW)])
    assert f"kernel {NEW} is in told-1-1" in scene.refuse("upgrade", "--attended", code=3)
    scene.run("upgrade", "--skip-broken")
    shown = " ".join(scene.run("status").stdout.split())
    assert f"told: no module for the state's kernel {NEW} is in told-1-1" in shown


def test_adds_what_finds_the_deployment_at_boot(tmp_path: Path) -> None:
    scene = _scene(tmp_path, initramfs=True)
    scene.publish(
        build_rpm(tmp_path / "offer", "finder", files={"usr/lib/dracut/modules.d/98ostree/a": "x"})
    )
    scene.run("install", "finder")
    scene.run("initramfs", "--enable")
    assert "--add ostree" in (scene.next.path / "usr/lib/dracut-called").read_text()


def test_refuses_a_second_kernel(tmp_path: Path) -> None:
    scene = _scene(tmp_path)
    other = build_rpm(
        tmp_path / "mine", "other-kernel", files={f"usr/lib/modules/{NEW}/vmlinuz": "second"}
    )
    said = scene.refuse("install", other, "--no-gpg-check", other, code=6)
    assert "would have 2 kernels" in said


def test_says_which_tool_is_missing(tmp_path: Path) -> None:
    scene = _scene(tmp_path, tools=False)
    assert "the tree has no depmod" in scene.refuse("install", "fits", code=8)
    assert "the tree has no dracut" in scene.refuse("initramfs", "--enable", code=8)


def test_says_which_limit_an_initramfs_hit(tmp_path: Path) -> None:
    slow = {"usr/bin/dracut": File("#!/bin/sh\nsleep 60\n", 0o755)}
    base = [build_rpm(tmp_path / "base", "slow", files=slow)]
    scene = make_scene(tmp_path, [build_rpm(tmp_path / "offer", "x")], base_packages=base)
    scene.configure("[scripts]\ntimeout = 1\n", "etc/pkglayer/pkglayer.toml")
    said = scene.refuse("initramfs", "--enable", code=8)
    assert "dracut failed (limit on time)" in said
    assert "can set timeout of [scripts] in its settings" in said


def test_makes_an_initramfs_for_every_state(tmp_path: Path) -> None:
    scene = _scene(tmp_path, initramfs=True)
    scene.run("initramfs", "--enable", "--arg=--add", "--arg=iscsi")
    image = f"usr/lib/modules/{KERNEL_VERSION}/initramfs.img"
    assert "--add iscsi" in (scene.next.path / image).read_text()
    scene.update_base("2")
    scene.run("upgrade")
    assert "--add iscsi" in (scene.next.path / image).read_text()
    said = json.loads(scene.run("initramfs", "--json").stdout)
    assert (said["enabled"], said["args"]) == (True, ["--add", "iscsi"])
    scene.run("initramfs", "--disable")
    assert (scene.next.path / image).read_text() == "old"
    assert scene.run("initramfs").stdout == "The base's own initramfs is used.\n"
