"""Debian's SELinux policy as packages for the small test world, and its own tools as witnesses.

The policy's .deb has modules only, from which its maintainer script compiles the policy. The
package `policy-compiled` does that here, with the module store below /etc, where a deployment can
have it.
"""

import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.support.ostree import run_ostree
from tests.support.rpms import build_rpm
from tests.support.world import handmade
from tests.support.world.build import cache_directory
from tests.support.world.convert import Conversion, convert_all
from tests.support.world.model import Profile, WorldError
from tests.support.world.profiles import distribution
from tests.support.world.relations import Universe

SPEC = "contexts/files/file_contexts"
POLICY = "usr/etc/selinux/default"
_PACKAGES = ("lsb-base", "policycoreutils", "selinux-policy-default", "selinux-utils")
_SEMODULE = "/usr/sbin/semodule -n -s default"
_COMPILE = f"""set -e
echo store-root=/etc/selinux >> /etc/selinux/semanage.conf
cd /usr/share/selinux/default
{_SEMODULE} -X 100 $(sed "s,.*,-i $PWD/&.pp.bz2," .modules)
"""
_KINDS = {"-": "file", "d": "dir", "l": "lnk_file"}
_LISTED = re.compile(r"(.)\d+ +\d+ +\d+ +\d+ \{ (.*?) \} (/.*)")


def build_policy(directory: Path) -> list[Path]:
    """The distribution's packages, converted, and the one that compiles the policy.

    Raises WorldError where they are not Debian's.
    """
    if distribution() != "debian":
        raise WorldError("the policy is made from Debian's packages")
    from tests.support.world.apt import Apt, download  # needs what only Debian has

    cache = cache_directory()
    profile = Profile("selinux", ("dpkg", "passwd"), ("selinux-policy-default",), False)
    debs = Apt(cache / "apt").plan(profile).debs
    chosen = [debs[name] for name in _PACKAGES]
    download(chosen, cache / "debs")
    directory.mkdir(parents=True)
    how = Conversion(
        debs=cache / "debs",
        out=directory,
        universe=Universe.of(debs.values(), dict.fromkeys(debs, "w1")),
        accounts=handmade.parse_accounts("root:", "root:"),
        extra_preamble={},
    )
    compiled = build_rpm(
        directory,
        "policy-compiled",
        requires=["selinux-policy-default", "policycoreutils"],
        files={"etc/selinux/config": "SELINUX=permissive\nSELINUXTYPE=default\n"},
        scripts={"posttrans": _COMPILE},
    )
    return [*convert_all(chosen, how).values(), compiled]


def read_labels(repo: Path, commit: str) -> dict[str, tuple[str, str]]:
    """Kind (`-`, `d`, `l`) and label of everything in a commit, as ostree lists it, by the path
    that it has when the system runs; `<<none>>` for no label."""
    rows = {}
    for line in run_ostree("ls", f"--repo={repo}", "-R", "-X", commit).splitlines():
        match = _LISTED.fullmatch(line)
        assert match, line
        kind, xattrs, path = match.groups()
        label = re.search(r"b'security.selinux', b'([^'\\]*)", xattrs)
        path = path.partition(" -> ")[0] if kind == "l" else path
        seen = path.removeprefix("/usr") if f"{path}/".startswith("/usr/etc/") else path
        rows[seen] = kind, label[1] if label else "<<none>>"
    return rows


def expected_labels(tree: Path, kinds: Mapping[str, str]) -> dict[str, str]:
    """What matchpathcon says by the policy in `tree`, for absolute paths and their kinds."""
    found: dict[str, str] = {}
    for letter, kind in _KINDS.items():
        paths = [path for path, one in kinds.items() if one == letter]
        for start in range(0, len(paths), 500):
            some = paths[start : start + 500]
            found |= zip(some, _ask(tree, kind, some), strict=True)
    return found


def _ask(tree: Path, kind: str, paths: list[str]) -> list[str]:
    program = [f"{tree}/usr/sbin/matchpathcon", "-n", "-m", kind, "-f", f"{tree}/{POLICY}/{SPEC}"]
    done = subprocess.run([*program, *paths], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()
