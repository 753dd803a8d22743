"""The RPM of pkglayer builds from a tarball, installs into an empty root and runs from there."""

import os
import re
import subprocess
import sys
import tarfile
import tomllib
from pathlib import Path

import pytest

from pkglayer import __version__
from tests.support.cli import PROJECT, run_pkglayer
from tests.support.ostree import make_base, make_sysroot
from tests.support.repos import make_repo, repo_file
from tests.support.rpms import build_rpm
from tests.support.trees import File
from tests.support.witness import deployments, query_rpm

SITE = "usr/lib/python3/dist-packages"
SPEC = PROJECT / "packaging/pkglayer.spec"


@pytest.fixture(scope="module")
def rpm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The RPM, built by rpmbuild from a tarball of the checkout as it is now."""
    top = tmp_path_factory.mktemp("rpmbuild")
    source = top / "SOURCES" / f"pkglayer-{__version__}.tar.gz"
    source.parent.mkdir()
    with tarfile.open(source, "w:gz", compresslevel=1) as tar:
        for path in source_files():
            tar.add(PROJECT / path, f"pkglayer-{__version__}/{path}")
    definitions = {"_topdir": str(top), "__python3": sys.executable, "python3_sitelib": f"/{SITE}"}
    # The interpreter that builds is the test environment's, so what is required to build is there
    # although no RPM says so.
    command = ["rpmbuild", "-bb", "--nodeps", "--with=isolation"]
    command += [f"--define={name} {value}" for name, value in definitions.items()]
    done = subprocess.run(
        [*command, str(SPEC)],
        env={**os.environ, "LANG": "C.UTF-8"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    [built] = (top / "RPMS").rglob("*.rpm")
    return built


def source_files() -> list[str]:
    """The files of the checkout, without what is built, cached or ignored."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=True,
    )
    names = [name for name in listing.stdout.split("\0") if name]
    return [name for name in names if (PROJECT / name).is_file() and not name.startswith("tests/")]


@pytest.fixture(scope="module")
def root(rpm: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty root with that RPM alone installed by rpm; its database is in it, too."""
    root = tmp_path_factory.mktemp("root")
    place = [f"--root={root}", "--dbpath=/usr/lib/sysimage/rpm"]
    flags = ["--nodeps", "--noscripts", "--nosignature"]
    subprocess.run(["rpm", *place, *flags, "-i", str(rpm)], check=True, capture_output=True)
    return root


def run_installed(root: Path, *words: str) -> str:
    """Run the installed program: its own script and modules, the test environment's libraries."""
    done = subprocess.run(
        [sys.executable, "-P", str(root / "usr/bin/pkglayer"), *words],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(root / SITE), "LANG": "C.UTF-8"},
        cwd="/",
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def query(rpm: Path, *words: str) -> list[str]:
    done = subprocess.run(
        ["rpm", "-qp", "--nosignature", *words, str(rpm)],
        check=True,
        capture_output=True,
        text=True,
    )
    return done.stdout.splitlines()


def test_it_runs_from_where_it_was_installed(root: Path) -> None:
    assert run_installed(root, "--version") == f"pkglayer {__version__}\n"
    assert "install" in run_installed(root, "--help")
    code = "import pkglayer; print(pkglayer.__file__)"
    where = subprocess.run(
        [sys.executable, "-P", "-c", code],
        env={"PYTHONPATH": str(root / SITE)},
        cwd="/",
        check=True,
        capture_output=True,
        text=True,
    )
    assert where.stdout.strip() == str(root / SITE / "pkglayer/__init__.py")


def test_every_module_of_the_source_is_installed(rpm: Path, root: Path) -> None:
    [source] = rpm.parents[2].glob("SOURCES/*.tar.gz")
    with tarfile.open(source) as tar:
        names = [Path(*Path(name).parts[1:]) for name in tar.getnames()]
    shipped = {name for name in names if name.parts[0] == "pkglayer" and name.suffix == ".py"}
    assert len(shipped) > 50
    installed = {p.relative_to(root / SITE) for p in (root / SITE / "pkglayer").rglob("*.py")}
    assert installed == shipped


def test_it_names_no_path_of_the_machine_that_built_it(root: Path) -> None:
    first = (root / "usr/bin/pkglayer").read_text().splitlines()[0]
    assert first == "#!/usr/bin/python3 -sP"
    texts = [p for p in root.rglob("*") if p.is_file() and p.suffix not in (".pyc", ".sqlite")]
    assert len(texts) > 50
    needles = [str(PROJECT).encode(), sys.prefix.encode()]
    assert [p for p in texts if any(needle in p.read_bytes() for needle in needles)] == []


def test_units_manuals_completion_and_presets_are_there(root: Path) -> None:
    units = {p.name for p in (root / "usr/lib/systemd/system").iterdir()}
    assert units == {p.name for p in (PROJECT / "hooks").iterdir() if p.suffix != ".md"}
    manuals = {p.name.removesuffix(".gz") for p in (root / "usr/share/man").rglob("pkglayer*")}
    assert {"pkglayer.1", "pkglayer-install.1", "pkglayer.toml.5"} <= manuals
    presets = {p.name for p in (root / "usr/share/pkglayer/layers").iterdir()}
    assert presets == {p.name for p in (PROJECT / "layers").iterdir()}
    assert (root / "etc/pkglayer/layers.d").is_dir()
    assert (root / "usr/lib/pkglayer/layers.d").is_dir()
    bash = root / "usr/share/bash-completion/completions/pkglayer"
    subprocess.run(["bash", "-n", str(bash)], check=True)
    assert "pkglayer" in (root / "usr/share/zsh/site-functions/_pkglayer").read_text()
    assert (root / "usr/share/fish/vendor_completions.d/pkglayer.fish").stat().st_size > 0


def test_bash_completes_verbs(root: Path, tmp_path: Path) -> None:
    # The completion calls `pkglayer`: here the installed one, with the libraries of the tests.
    wrapper = tmp_path / "pkglayer"
    program = f'PYTHONPATH={root / SITE} exec {sys.executable} -P {root}/usr/bin/pkglayer "$@"'
    wrapper.write_text(f"#!/bin/sh\n{program}\n")
    wrapper.chmod(0o755)
    script = (
        f". {root}/usr/share/bash-completion/completions/pkglayer; "
        "COMP_WORDS=(pkglayer un); COMP_CWORD=1; _pkglayer_completion pkglayer; "
        'echo "${COMPREPLY[*]}"'
    )
    done = subprocess.run(
        ["bash", "-c", script],
        env={"PATH": f"{tmp_path}:{os.environ['PATH']}"},
        check=True,
        capture_output=True,
        text=True,
    )
    assert done.stdout.split() == ["uninstall", "unpin-version", "unpin", "undo"]


def test_it_requires_what_it_imports(rpm: Path) -> None:
    requires = {line.split()[0] for line in query(rpm, "--requires")}
    assert {
        "bubblewrap",
        "ostree-libs",
        "python3-gobject-base",
        "python3-hawkey",
        "python3-libdnf",
        "python3-rpm",
        "python3-typer",
        "rpm",
    } <= requires
    assert query(rpm, "--qf", "%{ARCH} %{LICENSE}\\n") == ["noarch LGPL-2.1-or-later"]


def test_it_can_layer_itself(rpm: Path, tmp_path: Path) -> None:
    # What it requires is Fedora's; here one package says that it provides all of it.
    named = {line.replace(">=", "=") for line in query(rpm, "--requires") if line[0] != "/"}
    provides = sorted(name for name in named if not name.startswith("rpmlib("))
    files = {"usr/bin/python3": File("#!/bin/sh\n", 0o755)}
    fedora = build_rpm(tmp_path, "fedora", provides=provides, files=files)
    repo = make_repo(tmp_path / "repo", [fedora])
    base = make_base(tmp_path, {"etc/yum.repos.d/r.repo": repo_file("r", repo, gpgcheck=0)})
    sysroot = make_sysroot(tmp_path, base)
    run_pkglayer("install", "--no-gpg-check", rpm, rpm, sysroot=sysroot)
    tree = deployments(sysroot)[0].path
    assert f"pkglayer-{__version__}-1.noarch" in query_rpm(tree, "-qa")
    assert (tree / "usr/bin/pkglayer").stat().st_mode & 0o111
    assert (tree / "usr/etc/pkglayer/layers.d").is_dir()
    assert (tree / "usr/lib/systemd/system/pkglayer-reconcile.path").is_file()


def test_versions_agree() -> None:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    [version] = re.findall(r"^Version:\s+(\S+)$", SPEC.read_text(), re.M)
    assert version == project["version"] == __version__
