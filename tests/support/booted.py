"""A sysroot as if it were booted, in seconds and without a machine: a deployment is `/`.

`run_booted(sysroot, script)` enters the next boot in namespaces of its own, with the programs of
the host in place of its /usr, runs a shell script in which `pkglayer` is a command, and shuts down
as a system does: a staged deployment is finalised. libostree takes it for a booted host. One call
is one boot; only `tests/vm` shows that a kernel comes up.
"""

import subprocess
import sys
from pathlib import Path

from tests.support.cli import PROJECT, TIMEOUT, clean_environment
from tests.support.witness import deployments

_ENTER = """
set -e
sysroot=$1 deployment=$2 project=$3 venv=$4 script=$5
tmp=$(dirname "$sysroot") root=$(dirname "$sysroot")/booted
mkdir -p "$root"
mount --bind "$deployment" "$root"
mount --bind /usr "$root/usr"
mount --bind "$sysroot" "$root/sysroot"
mount --rbind "$sysroot/boot" "$root/boot"
mount --bind "$sysroot/ostree/deploy/test/var" "$root/var"
mount -t tmpfs run "$root/run"
mount -t proc proc "$root/proc"
mount --bind /dev "$root/dev"
mount -t tmpfs tmp "$root/tmp"
touch "$root/run/ostree-booted"
mkdir -p "$root$tmp" "$root/tmp/project" "$root/tmp/venv"
mount --bind "$tmp" "$root$tmp"
mount --bind "$project" "$root/tmp/project"
mount --bind "$venv" "$root/tmp/venv"
export PYTHONPATH=/tmp/project
exec chroot "$root" /bin/sh -c 'pkglayer() { /tmp/venv/bin/python -m pkglayer "$@"; }
'"$script"'
if [ -e /run/ostree/staged-deployment ]; then ostree admin finalize-staged; fi'
"""


def run_booted(
    sysroot: Path, script: str, *, check: bool = True
) -> subprocess.CompletedProcess[str]:
    """Boot, run the script (under `set -e` unless it says otherwise), shut down.

    The sysroot must be below /tmp, its stateroot be `test`; what is mounted on its /boot is seen.
    The exit code is the script's, or that of a finalisation that failed.
    """
    assert sysroot.is_relative_to("/tmp"), "a directory below /tmp is shown at its own place"
    where = [sysroot, deployments(sysroot)[0].path, PROJECT, Path(sys.prefix)]
    done = subprocess.run(
        ["unshare", "--mount", "--pid", "--fork", "sh", "-c", _ENTER, "sh",
         *map(str, where), f"set -e\n{script}"],
        env=clean_environment(), capture_output=True, text=True, timeout=TIMEOUT, check=False,
    )  # fmt: skip
    if check and done.returncode != 0:
        raise AssertionError(f"exit {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done
