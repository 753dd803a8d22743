"""layer apply: the next boot follows the layer files, and requests by command stay."""

from pathlib import Path

import pytest

from tests.support.cli import query_pkglayer, run_pkglayer
from tests.support.ostree import make_base, make_sysroot
from tests.support.repos import make_repo, repo_file
from tests.support.rpms import build_rpm
from tests.support.witness import deployments, query_rpm


@pytest.fixture
def sysroot(tmp_path: Path) -> Path:
    """A sysroot whose base ships the layer `shipped`, with `one`, `two` and `three` on offer."""
    rpms = [build_rpm(tmp_path, name) for name in ("one", "two", "three")]
    files = {
        "etc/yum.repos.d/r.repo": repo_file("r", make_repo(tmp_path / "repo", rpms), gpgcheck=0),
        "usr/lib/pkglayer/layers.d/shipped.toml": 'packages = ["one"]',
    }
    return make_sysroot(tmp_path, make_base(tmp_path, files))


def write_layer(sysroot: Path, name: str, text: str) -> Path:
    """Write a layer file as the administrator, into the /etc that the next state inherits."""
    path = deployments(sysroot)[0].path / "etc/pkglayer/layers.d" / f"{name}.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def layered(sysroot: Path) -> set[str]:
    names = query_rpm(deployments(sysroot)[0].path, "-qa", "--qf", "%{NAME}\\n")
    return {"one", "two", "three"} & set(names)


def test_apply_follows_the_files(sysroot: Path) -> None:
    assert "not applied" in run_pkglayer("layer", "list", sysroot=sysroot).stdout
    run_pkglayer("layer", "apply", sysroot=sysroot)
    assert layered(sysroot) == {"one"}

    run_pkglayer("install", "three", sysroot=sysroot)
    write_layer(sysroot, "mine", 'packages = ["two", "three"]')
    run_pkglayer("layer", "apply", sysroot=sysroot)
    assert layered(sysroot) == {"one", "two", "three"}
    sources = [
        (want["spec"], want["source"])
        for want in query_pkglayer("status", sysroot=sysroot)["deployments"][0]["requests"]
    ]
    assert sources == [
        ("one", "layer:shipped"),
        ("three", "command"),
        ("three", "layer:mine"),
        ("two", "layer:mine"),
    ]

    write_layer(sysroot, "shipped", "")
    write_layer(sysroot, "mine", 'packages = ["two"]')
    run_pkglayer("layer", "apply", sysroot=sysroot)
    assert layered(sysroot) == {"two", "three"}

    run_pkglayer("uninstall", "three", sysroot=sysroot)
    assert layered(sysroot) == {"two"}


def test_apply_without_a_difference_changes_nothing(sysroot: Path) -> None:
    run_pkglayer("layer", "apply", sysroot=sysroot)
    before = deployments(sysroot)
    done = run_pkglayer("layer", "apply", sysroot=sysroot)
    assert "No change" in done.stdout
    assert deployments(sysroot) == before


def test_a_dry_run_shows_and_does_nothing(sysroot: Path) -> None:
    before = deployments(sysroot)
    shown = run_pkglayer("layer", "apply", "--dry-run", sysroot=sysroot).stdout
    assert "one-1-1.noarch" in shown
    assert "Nothing was changed" in shown
    assert deployments(sysroot) == before


def test_a_broken_file_stops_every_change_and_is_named(sysroot: Path) -> None:
    before = deployments(sysroot)
    path = write_layer(sysroot, "mine", 'packages = ["two"]\nrecommend = false\n')
    for words in (["layer", "apply"], ["install", "three"], ["layer", "list"]):
        done = run_pkglayer(*words, sysroot=sysroot, check=False)
        assert done.returncode == 12
        assert f"layers.d/{path.name}:2: unknown key 'recommend'" in done.stderr
        assert "did you mean 'recommends'?" in done.stderr
    assert deployments(sysroot) == before


def test_a_request_of_a_layer_is_not_dropped_by_command(sysroot: Path) -> None:
    run_pkglayer("layer", "apply", sysroot=sysroot)
    done = run_pkglayer("uninstall", "one", sysroot=sysroot, check=False)
    assert done.returncode == 2
    assert "'one' is requested by the layer shipped" in done.stderr
    assert layered(sysroot) == {"one"}
