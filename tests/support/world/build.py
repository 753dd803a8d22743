"""Builds a world once and keeps it: planning, packages, repositories, bases, disk image.

A world is built in a directory of its own and renamed when it is complete, so that a half-built
one is never seen; one build runs at a time. The key is a digest of this package's own source, so
that a changed world is a new one.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.world import compose, handmade, image
from tests.support.world.model import BRANCH, DESCRIPTION, Packages, Profile, World, WorldError
from tests.support.world.profiles import distribution, read_profile

Say = Callable[[str], None]

# They use a finished world and have no part in what is in it.
_NOT_IN_KEY = frozenset({"__init__.py", "__main__.py", "boot.py", "publish.py", "README.md"})
_KEPT_UNUSED = 7 * 24 * 3600  # seconds


def cache_directory() -> Path:
    return Path(os.environ.get("PKGLAYER_WORLD_CACHE", "/var/cache/pkglayer-world"))


def build(profile: str, say: Say = lambda _: None) -> World:
    """The world of this profile (`small` or `full`), built now if it is not there; needs root.

    `say` is told each step. Raises WorldError where this machine cannot build one.
    """
    chosen = read_profile(profile, distribution())
    worlds = cache_directory() / "worlds"
    target = worlds / f"{profile}-{_key(chosen)}"
    if (target / DESCRIPTION).is_file():
        os.utime(target)
        return World.load(target)
    if os.geteuid() != 0:
        raise WorldError("building a world needs root: rpm installs into a root directory")
    worlds.mkdir(parents=True, exist_ok=True)
    with _lock(worlds / "lock", say):
        if not (target / DESCRIPTION).is_file():
            _prune(worlds)
            _build(chosen, target, say)
    return World.load(target)


def _key(profile: Profile) -> str:
    """Changes with the world's source, the distribution and what the base has from the index."""
    digest = hashlib.sha256()
    source = Path(__file__).parent
    for path in sorted(source.rglob("*")):
        if path.is_file() and path.suffix != ".pyc" and path.name not in _NOT_IN_KEY:
            digest.update(f"{path.relative_to(source)}\0".encode() + path.read_bytes())
    digest.update(Path("/etc/os-release").read_bytes())
    if profile.boots:
        digest.update(repr(handmade.project_dependencies()).encode())
    return digest.hexdigest()[:12]


@contextmanager
def _lock(path: Path, say: Say) -> Iterator[None]:
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another build of a world is running, waiting for it")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _prune(worlds: Path) -> None:
    """Remove what died half-built and worlds that nothing used for some time."""
    for path in worlds.iterdir():
        is_old = time.time() - path.stat().st_mtime > _KEPT_UNUSED
        if path.is_dir() and (is_old or path.name.startswith("building-")):
            shutil.rmtree(path)


def _build(profile: Profile, target: Path, say: Say) -> None:
    start = time.monotonic()

    def timed(text: str) -> None:
        say(f"[{time.monotonic() - start:3.0f} s] {text}")

    work = Path(tempfile.mkdtemp(prefix="building-", dir=target.parent))
    try:
        work.chmod(0o755)
        packages = _make_packages(profile, work, timed)
        _write_metadata(work, timed)
        _compose_bases(profile, packages, work, timed)
        world = World(profile.name, work, packages.base_v1, packages.layers)
        world.save()
        if profile.boots:
            timed("making the disk for virtual machines")
            image.make_data_image(world)
        work.rename(target)
    except BaseException:
        shutil.rmtree(work, ignore_errors=True)
        raise
    timed("the world is ready")


def _make_packages(profile: Profile, work: Path, say: Say) -> Packages:
    # Each needs modules that only its own distribution has.
    if distribution() == "fedora":
        from tests.support.world.fedora import make_packages
    else:
        from tests.support.world.debian import make_packages
    return make_packages(profile, cache_directory(), work, say)


def _write_metadata(work: Path, say: Say) -> None:
    say("writing repository metadata")
    for name in ("repo-v1", "repo-v2"):
        subprocess.run(["createrepo_c", "--quiet", "--workers=2", str(work / name)], check=True)


def _compose_bases(profile: Profile, packages: Packages, work: Path, say: Say) -> None:
    repo = work / "ostree"
    compose.make_repo(repo)
    for version, names, rpms in (
        (1, packages.base_v1, packages.v1),
        (2, packages.base_v2, packages.v2),
    ):
        say(f"composing base {version} from {len(names)} packages")
        base = compose.Base(
            version=version,
            root=work / f"root-v{version}",
            first=[rpms[name] for name in packages.first],
            rest=[rpms[name] for name in names if name not in packages.first],
            boots=profile.boots,
        )
        compose.compose(base, repo)
    ostree = ["ostree", f"--repo={repo}"]
    subprocess.run([*ostree, "refs", "world/v2", f"--create={BRANCH}"], check=True)
    subprocess.run([*ostree, "summary", "--update"], check=True)
