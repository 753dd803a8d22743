"""uninstall: requests go, what they alone needed goes with them, and nothing else."""

import shutil
from pathlib import Path

import pytest

from tests.support.cli import query_pkglayer
from tests.support.rpms import build_rpm
from tests.support.scene import Scene, make_scene
from tests.support.witness import query_rpm

LAYER = "etc/pkglayer/layers.d/mine.toml"


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    """`foo` (with `libfoo`) and `bar` are layered on a base that has `based`."""
    tmp = tmp_path_factory.mktemp("uninstall")
    rpms = [
        build_rpm(tmp, "foo", requires=["libfoo"], files={"usr/bin/foo": "#!/bin/sh\n"}),
        build_rpm(tmp, "libfoo", files={"usr/lib/libfoo": "x"}),
        build_rpm(tmp, "bar", requires=["libbar"], files={"usr/share/bar": "x"}),
        build_rpm(tmp, "libbar", files={"usr/lib/libbar": "x"}),
        build_rpm(tmp, "baz", files={"usr/share/baz": "x"}),
    ]  # fmt: skip
    based = build_rpm(tmp, "based", files={"usr/share/based": "x"})
    scene = make_scene(tmp, rpms, base_packages=[based])
    scene.run("install", "foo", "bar")
    return scene


@pytest.fixture
def scene(original: Scene, tmp_path: Path) -> Scene:
    """A copy for each test."""
    return original.copy_to(tmp_path)


def test_request_and_its_dependencies_go(scene: Scene) -> None:
    done = scene.run("uninstall", "foo")
    assert scene.packages == {"based-1-1", "bar-1-1", "libbar-1-1"}
    assert not (scene.next.path / "usr/bin/foo").exists()
    assert not (scene.next.path / "usr/lib/libfoo").exists()
    assert "Removing 2 packages" in done.stdout
    assert query_rpm(scene.states[1].path, "-q", "foo") == ["foo-1-1.noarch"]


def test_works_offline(scene: Scene) -> None:
    shutil.rmtree(scene.repo)
    shutil.rmtree(scene.sysroot / "ostree/deploy/test/var/cache")
    scene.run("uninstall", "foo")
    assert scene.packages == {"based-1-1", "bar-1-1", "libbar-1-1"}


def test_all(scene: Scene) -> None:
    scene.run("uninstall", "--all")
    assert scene.packages == {"based-1-1"}
    assert scene.next.checksum == scene.base.commit
    assert "there is no request to drop" in scene.refuse("uninstall", "--all", code=2)
    assert "No change" in scene.run("uninstall", "--all", "--idempotent").stdout


@pytest.mark.parametrize(
    ("spec", "what"),
    [
        ("libfoo", "'libfoo' is not a request but comes along with foo"),
        ("libfoo-1-1.noarch", "is not a request but comes along with foo"),
        ("based", "'based' is a package of the base, not a request\n  hint: to be without it: pk"),
        ("*", "'*' is not requested\n  hint: requests made by command are: bar, foo"),
        ("fooo", "'fooo' is not requested\n  hint: did you mean 'foo'?"),
        ("$(reboot)", "is not requested\n  hint: requests made by command are: bar, foo"),
    ],
)
def test_says_what_it_is_instead(scene: Scene, spec: str, what: str) -> None:
    assert what in scene.refuse("uninstall", spec, code=2)


def test_names_all_that_are_no_requests(scene: Scene) -> None:
    message = scene.refuse("uninstall", "foo", "libbar", "based", code=2)
    assert "'libbar' is not a request but comes along with bar" in message
    assert "'based' is a package of the base" in message
    error = query_pkglayer(
        "uninstall", "foo", "libbar", "based", sysroot=scene.sysroot, check=False
    )["error"]
    assert error["not_requested"] == ["libbar", "based"]


def test_a_request_of_a_layer_is_told_so(scene: Scene) -> None:
    scene.configure('packages = ["baz"]\n', LAYER)
    scene.run("layer", "apply")
    assert "baz-1-1" in scene.packages
    message = scene.refuse("uninstall", "baz", code=2)
    assert "'baz' is requested by the layer mine" in message
    assert f"/{LAYER}" in message


def test_words_or_all(scene: Scene) -> None:
    for args in ([], ["foo", "--all"]):
        assert "name the requests to drop" in scene.refuse("uninstall", *args, code=2)


def test_dry_run(scene: Scene) -> None:
    before = scene.states
    assert "Removing 2 packages" in scene.run("uninstall", "foo", "-n").stdout
    assert scene.states == before
