"""The floor: what no layering tool can be below.

libostree deploys a commit that is there already, without cleaning up, and the layer's bytes are
read, hashed and written once:

    python floor.py SYSROOT COMMIT [LAYER-FILE]
"""

import hashlib
import sys
import tempfile
from pathlib import Path

import gi

gi.require_version("OSTree", "1.0")
from gi.repository import Gio, OSTree  # noqa: E402  (require_version must come first)

CHUNK = 1 << 20


def main() -> None:
    """Deploy, then write and hash the layer."""
    sysroot, commit, *layer = sys.argv[1:]
    deploy(sysroot, commit)
    for path in layer:
        copy_and_hash(Path(path), Path(sysroot))


def deploy(path: str, commit: str) -> None:
    """`deploy_tree` and `simple_write_deployment` with NO_CLEAN."""
    sysroot = OSTree.Sysroot.new(Gio.File.new_for_path(path))
    sysroot.load(None)
    sysroot.lock()
    merge = sysroot.get_merge_deployment("test")
    origin = merge.get_origin()
    _, new = sysroot.deploy_tree("test", commit, origin, merge, None, None)
    flags = OSTree.SysrootSimpleWriteDeploymentFlags.NO_CLEAN
    sysroot.simple_write_deployment("test", new, merge, flags, None)
    sysroot.unlock()


def copy_and_hash(source: Path, where: Path) -> str:
    """Write a copy of a file that is gone afterwards; returns its SHA-256."""
    digest = hashlib.sha256()
    with source.open("rb") as file, tempfile.TemporaryFile(dir=where) as copy:
        while data := file.read(CHUNK):
            digest.update(data)
            copy.write(data)
    return digest.hexdigest()


if __name__ == "__main__":
    main()
