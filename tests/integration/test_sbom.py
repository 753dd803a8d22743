"""sbom: every package of a state as CycloneDX, valid by that format's own schema."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from pkglayer.model.bill import Bill, Entry, Installed
from pkglayer.model.package import Nevra
from pkglayer.model.plan import Base
from pkglayer.system.sbom import to_cyclonedx
from tests.support.keys import GpgKey, sign_rpm
from tests.support.ostree import run_ostree
from tests.support.rpms import build_rpm
from tests.support.scene import Scene, make_scene
from tests.support.witness import query_rpm

LAYER = "etc/pkglayer/layers.d/mine.toml"


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory, gpg_key: GpgKey) -> Scene:
    """`foo` (needs `lib`) by command and `bar` by a layer, on a base that has `based`."""
    tmp = tmp_path_factory.mktemp("sbom")
    about = "Vendor: ACME Ltd\nURL: https://example.com/foo"
    rpms = [
        build_rpm(tmp / "rpms", "foo", epoch=3, requires=["lib"], extra_spec=about),
        build_rpm(tmp / "rpms", "lib", files={"usr/lib/lib": "x"}),
        build_rpm(tmp / "rpms", "bar"),
        build_rpm(tmp / "rpms", "based", version="2"),
    ]
    for rpm in rpms:
        sign_rpm(rpm, gpg_key)
    based = build_rpm(tmp / "rpms", "based", files={"usr/share/based": "x"})
    scene = make_scene(tmp, rpms, base_packages=[based], repo_options={"gpgcheck": 1})
    scene.configure(gpg_key.public.read_text(), "etc/pki/rpm-gpg/test")
    scene.configure('packages = ["bar"]\n', LAYER)
    scene.run("install", "foo")
    return scene


def read(text: str) -> dict[str, Any]:
    """The document, if the schema has nothing against it."""
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    document: dict[str, Any] = json.loads(text)
    return document


def by_name(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {c["name"]: c for c in document["components"]}


def properties(component: dict[str, Any]) -> set[tuple[str, str]]:
    return {(p["name"].removeprefix("pkglayer:"), p["value"]) for p in component["properties"]}


def test_every_package_of_base_and_layer(scene: Scene) -> None:
    document = read(scene.run("sbom", "0").stdout)
    names = query_rpm(scene.next.path, "-qa", "--qf", "%{name}\n")
    assert sorted(by_name(document)) == sorted(names)
    assert properties(document["metadata"]["component"]) >= {
        ("commit", scene.next.checksum),
        ("base-commit", scene.base.commit),
        ("base-refspec", "origin:test/base"),
    }
    [root] = [d for d in document["dependencies"] if "dependsOn" in d]
    assert len(root["dependsOn"]) == len(names)


def test_what_is_said_of_a_layered_package(scene: Scene, gpg_key: GpgKey) -> None:
    foo = by_name(read(scene.run("sbom", "0").stdout))["foo"]
    assert foo["purl"].startswith("pkg:rpm/testos/foo@1-1?arch=noarch&")
    assert "epoch=3" in foo["purl"]
    assert "upstream=foo-1-1.src.rpm" in foo["purl"]
    assert (foo["version"], foo["supplier"]["name"]) == ("3:1-1", "ACME Ltd")
    assert foo["licenses"] == [
        {"license": {"acknowledgement": "declared", "id": "LGPL-2.1-or-later"}}
    ]
    file = scene.tmp / "rpms/foo-1-1.noarch.rpm"
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    assert foo["hashes"] == [{"alg": "SHA-256", "content": digest}]
    assert foo["externalReferences"] == [{"type": "website", "url": "https://example.com/foo"}]
    [header] = query_rpm(scene.next.path, "-q", "foo", "--qf", "%{sha256header}\n")
    assert properties(foo) >= {
        ("origin", "layer"), ("repository", "test"), ("signed-by", gpg_key.fingerprint),
        ("request", "foo"), ("requested-by", "command"), ("rpm-header-sha256", header),
    }  # fmt: skip


def test_the_request_that_each_came_from(scene: Scene) -> None:
    rows = by_name(read(scene.run("sbom", "0").stdout))
    assert {("request", "foo"), ("reason", "dependency")} <= properties(rows["lib"])
    assert {("request", "bar"), ("requested-by", "layer:mine")} <= properties(rows["bar"])
    of_base = properties(rows["based"])
    assert ("origin", "base") in of_base
    assert not [row for row in of_base if row[0] in ("request", "repository")]


def test_the_same_state_gives_the_same_document(scene: Scene) -> None:
    first = scene.run("sbom", "0", env={"TZ": "Pacific/Auckland"}).stdout
    assert scene.run("sbom", scene.next.checksum, "--json").stdout == first
    other = json.loads(scene.run("sbom", "base").stdout)
    assert json.loads(first)["serialNumber"] != other["serialNumber"]


def test_a_bare_base_and_a_commit_that_is_not_deployed(scene: Scene) -> None:
    base = read(scene.run("sbom", "base").stdout)
    assert {"foo", "lib", "bar"}.isdisjoint(by_name(base))
    assert ("origin", "base") in properties(by_name(base)["based"])
    scene.update_base("2", packages=[build_rpm(scene.tmp / "rpms", "newer")])
    repo = scene.sysroot / "ostree/repo"
    run_ostree("pull", f"--repo={repo}", "origin", "test/base")
    newer = read(scene.run("sbom", "origin:test/base").stdout)
    assert "newer" in by_name(newer)
    assert newer["metadata"]["component"]["version"] == "2"


def test_a_replaced_package_of_the_base_has_a_request_too(scene: Scene) -> None:
    scene.run("override", "replace", "based", "--from", "test")
    based = by_name(read(scene.run("sbom", "0").stdout))["based"]
    assert based["version"] == "2-1"
    assert properties(based) >= {("origin", "layer"), ("requested-by", "command")}
    scene.run("override", "reset", "based")


def test_without_the_library_it_says_what_to_do(scene: Scene, tmp_path: Path) -> None:
    (tmp_path / "cyclonedx").mkdir()
    (tmp_path / "cyclonedx/__init__.py").write_text("raise ImportError('not here')\n")
    path = f"{tmp_path}:{Path(__file__).parents[2]}"
    done = scene.run("sbom", check=False, env={"PYTHONPATH": path})
    assert (done.returncode, done.stdout) == (1, "")
    assert "needs the library cyclonedx-python-lib: not here" in done.stderr
    assert "pip install cyclonedx-python-lib" in done.stderr


@pytest.mark.parametrize(
    ("licence", "expected"),
    [
        ("MIT", {"license": {"acknowledgement": "declared", "id": "MIT"}}),
        ("MIT AND Zlib", {"acknowledgement": "declared", "expression": "MIT AND Zlib"}),
        ("GPLv2+", {"license": {"acknowledgement": "declared", "name": "GPLv2+"}}),
        ("(c) me \x1b & <co>", None),
    ],
)
def test_licences_and_odd_words_stay_valid(licence: str, expected: dict[str, Any] | None) -> None:
    odd = Installed(
        Nevra("g++", 0, "1^2~rc", "1", "x86_64"), licence, "A\u202e\x07", url="no url at <all>"
    )
    document = read(to_cyclonedx(Bill("c" * 64, Base("", "b" * 64), "", "", "", (Entry(odd),))))
    [component] = document["components"]
    assert expected is None or component["licenses"] == [expected]
    assert component["purl"] == "pkg:rpm/g%2B%2B@1%5E2~rc-1?arch=x86_64"
