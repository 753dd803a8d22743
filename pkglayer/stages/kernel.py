"""Kernel: what a state with another kernel, more modules or an initramfs of its own still needs.

One kernel is in the tree, `depmod` has seen its modules, and its initramfs is made by the tree's
own dracut, all in the sandbox. Boot entries are libostree's; nothing happens where no package
touches `/usr/lib/modules` and no initramfs is asked for.
"""

import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

from pkglayer.log import Progress
from pkglayer.model.errors import PackageError, ScriptError
from pkglayer.model.header import Header, Imported
from pkglayer.model.kernelfiles import find_modules, find_versions
from pkglayer.model.record import Note
from pkglayer.model.request import INITRAMFS, Request
from pkglayer.model.scriptlet import Limits
from pkglayer.system.inroot import resolve_in
from pkglayer.system.overlayroot import Root
from pkglayer.system.repotree import Tree
from pkglayer.system.rpmremoved import Removal
from pkglayer.system.sandbox import run_sandboxed

MODULES = "usr/lib/modules"
BOOT = "usr/lib/ostree-boot"
"""Where files go that packages have in /boot."""
DEPMOD = ("/usr/sbin/depmod", "/sbin/depmod", "/usr/bin/depmod")
DRACUT = ("/usr/bin/dracut", "/usr/sbin/dracut")


def finish_kernel(
    root: Root,
    packages: Sequence[Imported],
    removal: Removal | None,
    request: Request,
    *,
    epoch: int,
    limits: Limits,
    progress: Progress,
) -> None:
    """Bring kernel, modules and initramfs of the mounted root in line with its packages.

    Raises PackageError when there would not be exactly one kernel, or a package's modules are all
    for another one; ScriptError when depmod or dracut is missing or fails.
    """
    wanted = next((w for w in request.wants if w.kind == INITRAMFS), None)
    headers = [p.header for p in packages]
    headers += [r.header for r in removal.packages] if removal else []
    touched = any(find_versions(_paths(h)) for h in headers)
    if not (touched or wanted):
        return
    tools = _Tools(root, epoch, limits, progress)
    replaced = removal is not None and any(
        find_versions(_paths(r.header)) for r in removal.packages
    )
    if touched:
        adopt_boot_kernels(root)
        sweep_modules(root)
    version = _only_kernel(root)
    if touched:
        check_modules(packages, version)
        tools.depmod(version)
    if wanted or (replaced and _base_has_initramfs(root)):
        tools.dracut(version, wanted.args if wanted else ())
    root.kernel = version


def find_kernels(tree: Path) -> list[str]:
    """Versions of the kernels in a tree, each a directory of modules with a kernel in it."""
    return sorted(p.parent.name for p in (tree / MODULES).glob("*/vmlinuz"))


def _base_has_initramfs(root: Root) -> bool:
    modules = root.tree.find(MODULES)
    names = modules.names() if isinstance(modules, Tree) else ()
    return any(root.tree.find(f"{MODULES}/{name}/initramfs.img") for name in names)


def _paths(header: Header) -> list[str]:
    return [f.path for f in header.files]


def adopt_boot_kernels(root: Root) -> None:
    """A kernel that its package has in /boot comes where libostree looks for it."""
    for kernel in sorted((root.path / BOOT).glob("vmlinuz-*")):
        version = kernel.name.removeprefix("vmlinuz-")
        directory = resolve_in(root.path, f"{MODULES}/{version}")
        if directory and directory.is_dir() and not (directory / "vmlinuz").exists():
            shutil.copyfile(kernel, directory / "vmlinuz")
            (directory / "vmlinuz").chmod(0o644)
            why = "libostree takes the kernel from there"
            root.notes.append(Note("", f"/boot/{kernel.name} -> /{MODULES}/{version}", why))


def sweep_modules(root: Root) -> None:
    """Of a kernel that is gone, take away what no package owned: its initramfs and indexes."""
    for directory in sorted((root.path / MODULES).iterdir()):
        left = [p for p in directory.rglob("*") if not p.is_dir()] if directory.is_dir() else []
        generated = all(p.name.startswith(("modules.", "initramfs")) for p in left)
        if directory.is_dir() and generated and not (directory / "vmlinuz").exists():
            shutil.rmtree(directory)
            root.notes.append(Note("", f"/{MODULES}/{directory.name}", "its kernel is gone"))


def _only_kernel(root: Root) -> str:
    found = find_kernels(root.path)
    if len(found) == 1:
        return found[0]
    what = f"{len(found)} kernels: {', '.join(found)}" if found else "no kernel"
    raise PackageError(
        f"the state would have {what}; a tree has exactly one",
        hint="put another kernel in the place of the base's: pkglayer override replace",
        data={"kernels": found},
    )


def check_modules(packages: Iterable[Imported], version: str) -> None:
    """Raises PackageError for packages whose modules are all for other kernels."""
    wrong = [
        f"{p.header.nevra} (for {', '.join(sorted(found))})"
        for p in packages
        if (found := find_modules(_paths(p.header))) and version not in found
    ]
    if wrong:
        raise PackageError(
            f"no module for the state's kernel {version} is in {'; '.join(wrong)}",
            hint="choose the build of the package that is for this kernel",
            data={"kernel": version, "packages": wrong},
        )


class _Tools:
    """The tree's own programs, run in the sandbox."""

    def __init__(self, root: Root, epoch: int, limits: Limits, progress: Progress) -> None:
        self.root = root
        self.epoch = epoch
        self.limits = limits
        self.progress = progress

    def depmod(self, version: str) -> None:
        """Index the modules, for what comes with them to be found."""
        self._run(DEPMOD, ["-a", version], "kmod", "kernel modules cannot be indexed")

    def dracut(self, version: str, args: Sequence[str]) -> None:
        """Make the initramfs: the same input gives the same bytes, nothing of this host is in."""
        target = f"/{MODULES}/{version}/initramfs.img"
        fixed = ["--force", "--reproducible", "--no-hostonly", "--kver", version]
        if any((self.root.path / "usr/lib/dracut/modules.d").glob("*ostree")):
            fixed += ["--add", "ostree"]  # without it the deployment is not found at boot
        self.progress.start(f"Making the initramfs of {version}")
        self._run(
            DRACUT, [*fixed, *args, target], "dracut", "the state needs an initramfs of its own"
        )
        self.progress.done()
        made = self.root.path / target.strip("/")
        if not made.is_file() or not made.stat().st_size:
            raise ScriptError("dracut made no initramfs", hint="look at its output with --debug")

    def _run(self, places: Sequence[str], args: Sequence[str], package: str, why: str) -> None:
        found = [p for p in places if (at := resolve_in(self.root.path, p)) and at.is_file()]
        if not found:
            raise ScriptError(
                f"{why}, and the tree has no {Path(places[0]).name}",
                hint=f"layer {package} as well",
            )
        name = Path(found[0]).name
        outcome = run_sandboxed(
            self.root.path,
            self.root.var,
            [found[0], *args],
            env={"SOURCE_DATE_EPOCH": str(self.epoch)},
            limits=self.limits,
            on_line=lambda line: self.progress.note(f"{name}: {line}"),
        )
        if outcome.exit_code or outcome.killed_by:
            last = "\n  ".join(outcome.output.strip().splitlines()[-5:])
            ended = f"limit on {outcome.killed_by}" if outcome.killed_by else outcome.exit_code
            raise ScriptError(
                f"{name} failed ({ended}):\n  {last}",
                hint=f"nothing was changed{_raise_limit(outcome.killed_by)}",
                data={"program": name, "exit_code": outcome.exit_code, "output": outcome.output},
            )


def _raise_limit(name: str) -> str:
    """Where the limit that ended a program is set."""
    key = {"time": "timeout"}.get(name, name)
    if key not in ("timeout", "memory", "processes", "disk"):
        return ""
    return f"; a machine that needs more can set {key} of [scripts] in its settings"
