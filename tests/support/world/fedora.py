"""The world's packages from Fedora: they are RPMs already, so dnf only has to bring them.

Written after the manual of dnf and not run where the project is developed: there is no Fedora.
The second version drops one package and takes a layer in; rebuilding packages is Debian's part.
"""

import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from tests.support.world import handmade
from tests.support.world.model import Packages, Profile

_DROPPED = "nano"
_JOINED = "tree"
_FIRST = ("filesystem", "setup")

Say = Callable[[str], None]


def make_packages(profile: Profile, cache: Path, work: Path, say: Say) -> Packages:
    """RPMs in `work`/repo-v1 and repo-v2; downloads stay in `cache`."""
    store = cache / "rpms"
    say("fetching the base and the layers")
    base = _download(profile.base, store)
    layers = {seed: _download((*profile.base, seed), store) for seed in profile.layers}
    everything = base | {name: rpm for found in layers.values() for name, rpm in found.items()}
    v1 = _link(everything, work / "repo-v1") | _handmade(profile, work / "repo-v1")
    own = tuple(sorted(v1.keys() - everything.keys()))
    v2 = _link(v1, work / "repo-v2")
    return Packages(
        v1=v1,
        v2=v2,
        base_v1=(*base, *own),
        base_v2=(*sorted({*base, *layers[_JOINED]} - {_DROPPED}), *own),
        layers={seed: tuple(sorted(found.keys() - base.keys())) for seed, found in layers.items()},
        first=_FIRST,
    )


def _download(names: Iterable[str], store: Path) -> dict[str, Path]:
    """The named packages with all they need, as if nothing were installed, by name."""
    store.mkdir(parents=True, exist_ok=True)
    options = ["--setopt=install_weak_deps=False", f"--destdir={store}", "--arch=x86_64,noarch"]
    command = ["dnf", "-q", "-y", "download", "--resolve", "--alldeps", *options]
    subprocess.run([*command, *names], check=True)
    urls = subprocess.run(
        [*command, "--url", *names], check=True, stdout=subprocess.PIPE, text=True
    )
    rpms = [store / url.rsplit("/", 1)[1] for url in urls.stdout.split() if url.endswith(".rpm")]
    return {_name(rpm): rpm for rpm in rpms}


def _name(rpm: Path) -> str:
    command = ["rpm", "-qp", "--nosignature", "--qf", "%{NAME}", str(rpm)]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def _link(rpms: dict[str, Path], directory: Path) -> dict[str, Path]:
    directory.mkdir(exist_ok=True)
    for rpm in rpms.values():
        (directory / rpm.name).hardlink_to(rpm)
    return {name: directory / rpm.name for name, rpm in rpms.items()}


def _handmade(profile: Profile, out: Path) -> dict[str, Path]:
    if not profile.boots:
        rpms = [handmade.placeholder_kernel()]
    else:
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        site = f"usr/lib/python{version}/site-packages"
        dependencies = handmade.project_dependencies()
        rpms = [handmade.test_hook(), handmade.python_packages(dependencies, site)]
    return {rpm.name: rpm.build("1.w1", out) for rpm in rpms}
