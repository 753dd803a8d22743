"""What paths of packages say about kernels: whose kernel, whose modules.

Paths are as headers have them; `/lib` and `/usr/lib` are one.
"""

from collections.abc import Iterable, Iterator

_MODULE = (".ko", ".ko.xz", ".ko.zst", ".ko.gz")


def find_versions(paths: Iterable[str]) -> set[str]:
    """Kernel versions for which there are files at all."""
    return {version for version, _ in _below_modules(paths)}


def find_modules(paths: Iterable[str]) -> set[str]:
    """Kernel versions for which there are modules."""
    return {version for version, name in _below_modules(paths) if name.endswith(_MODULE)}


def find_kernels(paths: Iterable[str]) -> set[str]:
    """Versions of the kernels themselves, in /boot or beside their modules."""
    paths = list(paths)
    boot = (p.strip("/").removeprefix("boot/vmlinuz-") for p in paths if "/vmlinuz-" in p)
    beside = {version for version, name in _below_modules(paths) if name == "vmlinuz"}
    return beside | {version for version in boot if "/" not in version}


def _below_modules(paths: Iterable[str]) -> Iterator[tuple[str, str]]:
    """(kernel version, file name)."""
    for path in paths:
        parts = path.strip("/").removeprefix("usr/").split("/")
        if parts[:2] == ["lib", "modules"] and len(parts) > 3:
            yield parts[2], parts[-1]
