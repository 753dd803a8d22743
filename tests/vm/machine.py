"""A virtual machine with pkglayer in it: made once, booted step by step."""

import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.support import world
from tests.support.world.boot import BootResult, boot
from tests.support.world.image import make_image

PROJECT = Path(__file__).parents[2]

PROLOGUE = """
set -e
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin LANG=C.UTF-8
check() { echo "check: $*" >&2; "$@"; }
fails() { echo "fails: $*" >&2; if "$@" 2>&1; then echo "it should have failed"; exit 1; fi; }
next() { pkglayer status --json | python3 -c "
import json,sys
d = json.load(sys.stdin)['deployments'][0]
print(d$1)"; }
"""

INSTALL_PKGLAYER = """
mkdir -p /var/lib/pkglayer-source && tar -xf source.tar -C /var/lib/pkglayer-source
printf '%s\\n' '#!/bin/sh' \
    'PYTHONPATH=/var/lib/pkglayer-source exec /usr/bin/python3 -m pkglayer "$@"' \
    > /usr/local/bin/pkglayer
chmod 755 /usr/local/bin/pkglayer
mkdir -p /etc/yum.repos.d && cp /run/world-data/world.repo /etc/yum.repos.d/
for unit in pkglayer-reconcile.path pkglayer-reconcile.service; do
    sed 's,/usr/bin/pkglayer,/usr/local/bin/pkglayer,' /var/lib/pkglayer-source/hooks/$unit \
        > /etc/systemd/system/$unit
done
mkdir -p /etc/pkglayer && printf '[scripts]\\ntimeout = 3600\\n' > /etc/pkglayer/pkglayer.toml
systemctl daemon-reload
"""
"""The program as it is in the checkout, and its hooks, on a machine that has neither."""


@dataclass
class Machine:
    """One disk image, and what goes into it at its first boot."""

    image: Path
    full: world.World
    source: Path

    def run(
        self, script: str, files: Mapping[str, Path | str] | None = None, *,
        timeout: float = 2400, log: Path | None = None, cut_after: float | None = None,
    ) -> BootResult:  # fmt: skip
        """Boot the default entry, run the script, power off; fails unless the script exits 0.

        `files` are put beside the script; `log` and `cut_after` are those of `boot`.
        """
        result = boot(
            self.image,
            PROLOGUE + script,
            files={"source.tar": self.source, **(files or {})},
            data=self.full.data_image,
            timeout=timeout,
            log=log,
            cut_after=cut_after,
        )
        assert result.rc == 0, result.output
        return result


def make_machine(directory: Path) -> Machine:
    """An image with the first base, which knows nothing of pkglayer yet."""
    full = world.build("full")
    image = directory / "disk.img"
    make_image(full, image)
    source = directory / "source.tar"
    with tarfile.open(source, "w") as tar:
        for name in ("pkglayer", "hooks", "layers"):
            tar.add(PROJECT / name, arcname=name, filter=_without_caches)
    return Machine(image, full, source)


def _without_caches(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    return None if "__pycache__" in member.name else member
