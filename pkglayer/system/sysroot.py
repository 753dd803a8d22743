"""The sysroot and its deployments, through GObject introspection.

Reading needs no root. Everything that writes happens under libostree's own lock (`Sysroot.locked`),
which `ostree admin` takes too, in a private mount namespace.
"""

import os
import stat
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any

import gi

gi.require_version("OSTree", "1.0")
from gi.repository import Gio, GLib, OSTree  # noqa: E402  (require_version must come first)

from pkglayer.log import log, printable  # noqa: E402
from pkglayer.model.deployment import Deployment  # noqa: E402
from pkglayer.model.errors import (  # noqa: E402
    DeployError,
    LockedError,
    PrivilegeError,
    StateError,
    UsageError,
)
from pkglayer.model.kargs import parse_kargs  # noqa: E402
from pkglayer.model.keeping import plan_kept  # noqa: E402
from pkglayer.model.plan import Base  # noqa: E402
from pkglayer.model.roles import role_of  # noqa: E402
from pkglayer.system.holders import name_holder, write_note  # noqa: E402
from pkglayer.system.interrupts import no_return  # noqa: E402
from pkglayer.system.repo import Repo  # noqa: E402
from pkglayer.system.repoerrors import ostree_errors  # noqa: E402
from pkglayer.system.sysrootread import (  # noqa: E402
    TRANSIENT,
    find_layerer,
    read_origin,
    read_record,
)
from pkglayer.system.sysrootwrite import Key, deployment_keys, made_or_failed  # noqa: E402

BASE_KEY = "pkglayer.base"
"""Commit metadata of a layered commit: the base commit's checksum."""
KEPT_KEY = "pkglayer-kept"
"""Beside libostree's `pinned`: not a person pinned the deployment, but the setting `keep`."""
_LOCK_SECONDS = 0.2


class Sysroot:
    """A loaded sysroot; `deployments` are those of its stateroot, next boot first."""

    def __init__(self, handle: Any, path: Path, osname: str) -> None:
        self.handle = handle
        self.path = path
        self.repo = Repo(handle.get_repo(None)[1])
        self.osname = osname or self._default_osname()
        self.booted_host = handle.get_booted_deployment() is not None
        self._deployments: tuple[Deployment, ...] | None = None

    # --- reading ---------------------------------------------------------------------------

    @property
    def deployments(self) -> tuple[Deployment, ...]:
        """The deployments of this stateroot, index 0 is the next boot."""
        if self._deployments is None:
            mine = [d for d in self.handle.get_deployments() if d.get_osname() == self.osname]
            booted = self.handle.get_booted_deployment()
            self._deployments = tuple(
                self._read(number, d, mine, booted) for number, d in enumerate(mine)
            )
        return self._deployments

    def foreign(self) -> tuple[Deployment, ...]:
        """The deployments of other stateroots, which share the repository."""
        others = [d for d in self.handle.get_deployments() if d.get_osname() != self.osname]
        booted = self.handle.get_booted_deployment()
        return tuple(self._read(number, d, others, booted) for number, d in enumerate(others))

    @property
    def booted(self) -> Deployment | None:
        """The running deployment of this stateroot, None on a sysroot that is not booted."""
        return next((d for d in self.deployments if d.booted), None)

    @property
    def newest(self) -> Deployment:
        """The next boot, whose requests a change starts from; raises StateError without any."""
        if not self.deployments:
            raise StateError(
                f"the stateroot {self.osname} of {self.path} has no deployment",
                hint="deploy a base first: ostree admin deploy --os=NAME REFSPEC",
            )
        return self.deployments[0]

    @property
    def state_dir(self) -> Path:
        """The stateroot's /var; the mounted one on the running system."""
        if self.booted_host and self.path == Path("/"):
            return Path("/var")
        return self.path / "ostree/deploy" / self.osname / "var"

    @property
    def private_dir(self) -> Path:
        """pkglayer's own directory, on the repository's file system; made by `locked`."""
        return self.path / "ostree/pkglayer"

    def _default_osname(self) -> str:
        booted = self.handle.get_booted_deployment()
        if booted is not None:
            return str(booted.get_osname())
        names = sorted(p.name for p in (self.path / "ostree/deploy").iterdir() if p.is_dir())
        deployed = list(dict.fromkeys(d.get_osname() for d in self.handle.get_deployments()))
        if len(names) == 1:
            return names[0]
        if not names:
            raise StateError(f"{self.path} has no stateroot", hint="ostree admin os-init NAME")
        if len(deployed) == 1:
            return str(deployed[0])
        raise UsageError(
            f"{self.path} has several stateroots: {', '.join(names)}",
            hint="choose one with --stateroot NAME",
            data={"stateroots": names},
        )

    def _read(self, index: int, d: Any, mine: Sequence[Any], booted: Any) -> Deployment:
        root = Path(self.handle.get_deployment_directory(d).get_path())
        checksum = d.get_csum()
        origin, wrong_origin = read_origin(d)
        record, wrong_record = read_record(root)
        layerer = find_layerer(origin, self._metadata(checksum))
        foreign = f"it was layered by {layerer}, and is no base to build on" if layerer else ""
        base = self._base(checksum, origin.get("origin", {}).get("refspec", ""))
        running = None
        if booted is not None:
            running = next((i for i, x in enumerate(mine) if x.equal(booted)), -1)
        return Deployment(
            index=index,
            osname=d.get_osname(),
            checksum=checksum,
            serial=d.get_deployserial(),
            root=str(root),
            base=base,
            booted=index == running,
            staged=d.is_staged(),
            pinned=d.is_pinned() and not _is_held(d),
            role=role_of(index, running),
            origin=origin,
            record=record,
            problem="; ".join(filter(None, (foreign, wrong_origin, wrong_record))),
            layered_by=layerer,
        )

    def _metadata(self, checksum: str) -> Mapping[str, Any]:
        try:
            return self.repo.read_commit(checksum).metadata
        except StateError:
            return {}

    def _base(self, checksum: str, refspec: str) -> Base:
        try:
            commit = self.repo.read_commit(checksum)
            if base := commit.metadata.get(BASE_KEY):
                version = commit.metadata.get("pkglayer.base-version", "")
                return Base(refspec, base, version, commit.timestamp)
            return Base(refspec, checksum, commit.version, commit.timestamp)
        except StateError as e:
            log.debug("%s", e)
            return Base(refspec, checksum)

    # --- changing --------------------------------------------------------------------------

    @contextmanager
    def locked(self, on_wait: Callable[[str], None] | None = None) -> Iterator[None]:
        """Hold libostree's lock for the body, in a private mount namespace.

        Raises PrivilegeError without root; LockedError, naming the holder, when another process
        has the lock. With `on_wait` it is told the holder's name instead, and this waits.
        """
        if os.geteuid() != 0:
            raise PrivilegeError("this changes the system and needs root", hint="use sudo")
        if not self._try_lock():
            holder = name_holder(self.private_dir / "holder", self.path / "ostree/lock")
            if on_wait is None:
                raise LockedError(
                    f"the system is being changed by {holder}",
                    hint="wait until it is done, or use --wait",
                    data={"holder": holder},
                )
            on_wait(holder)
            # libostree's own waiting would not let a signal through.
            while not self._try_lock():
                time.sleep(_LOCK_SECONDS)
        try:
            self._prepare_private()
            try:
                self.reload()
                yield
            finally:
                (self.private_dir / "holder").unlink(missing_ok=True)
        finally:
            self.handle.unlock()

    def _try_lock(self) -> bool:
        with ostree_errors("cannot lock the sysroot", LockedError):
            return bool(self.handle.try_lock()[1])

    def _prepare_private(self) -> None:
        with suppress(FileExistsError):
            self.private_dir.mkdir(mode=0o700)
        info = self.private_dir.lstat()
        if not stat.S_ISDIR(info.st_mode) or info.st_uid != 0 or info.st_mode & 0o022:
            raise StateError(
                f"{self.private_dir} is no directory, not root's, or writable by others",
                hint="find out who made it and remove it",
            )
        write_note(self.private_dir / "holder", sys.argv)

    def reload(self) -> None:
        """Read the deployments again."""
        with ostree_errors("cannot read the sysroot", StateError):
            self.handle.load_if_changed(None)
        self._deployments = None

    def deploy(
        self, checksum: str, origin: Mapping[str, Mapping[str, str]], *, keep: int,
        kargs: Sequence[str] | None = None, instead_of: Deployment | None = None,
    ) -> None:  # fmt: skip
        """Make a commit the next boot: staged on a booted host, written directly elsewhere.

        `keep` deployments stay to roll back to, beside the pinned ones and, where nothing is
        booted, without `instead_of`. The running deployment is the first of them; a pending one is
        replaced. /etc is merged from libostree's merge deployment; the kernel arguments are
        `kargs`, by default those of the next boot, pending changes among them. Cleans nothing.
        """
        keyfile = _keyfile(origin)
        merge = self.handle.get_merge_deployment(self.osname)
        booted = self.handle.get_booted_deployment()
        if kargs is None and self.deployments:
            kargs = parse_kargs(self.read_options(self.newest))
        override = list(kargs) if kargs is not None else None
        with ostree_errors(f"cannot deploy {checksum[:12]}", DeployError):
            kept = plan_kept([d for d in self.deployments if d != instead_of], keep)
            if booted is not None and booted.get_osname() == self.osname:
                self._hold(kept)
                before = deployment_keys(self._mine())
                with self._no_return(lambda now: not set(now) <= set(before)):
                    self.handle.stage_tree(self.osname, checksum, keyfile, booted, override, None)
            else:
                _, new = self.handle.deploy_tree(
                    self.osname, checksum, keyfile, merge, override, None
                )
                self._write([new, *map(self._handle, kept)])
        self.reload()

    def _hold(self, kept: Sequence[Deployment]) -> None:
        """Pin what is to outlive the shutdown, when libostree drops what is not pinned.

        What people pinned is left alone; what is held from an earlier change and is not `kept` now
        is let go.
        """
        for deployment in self.deployments:
            handle = self._handle(deployment)
            wanted = deployment in kept and not deployment.pinned
            if _is_held(handle) != wanted and not deployment.staged:
                self._set_keys(handle, wanted, ("pinned", KEPT_KEY))

    def _set_keys(self, handle: Any, wanted: bool, keys: Sequence[str]) -> None:
        origin = handle.get_origin()
        for key in keys:
            if wanted:
                origin.set_boolean(TRANSIENT, key, True)
            else:
                origin.remove_key(TRANSIENT, key)
        self.handle.write_origin_file(handle, origin, None)

    def read_options(self, deployment: Deployment) -> str:
        """The kernel's command line as the deployment's boot entry has it."""
        boot = self._handle(deployment).get_bootconfig()
        return str((boot.get("options") if boot else "") or "")

    def write_order(self, order: Sequence[Deployment]) -> None:
        """Keep exactly these deployments of this stateroot, in this order; others untouched."""
        handles = {(d.get_csum(), d.get_deployserial()): d for d in self._mine()}
        with ostree_errors("cannot write the deployments", DeployError):
            self._write([handles[d.checksum, d.serial] for d in order])
        self.reload()

    def _write(self, mine: Sequence[Any]) -> None:
        """Exactly these are the stateroot's deployments from now on."""
        foreign = [d for d in self.handle.get_deployments() if d.get_osname() != self.osname]
        options = OSTree.SysrootWriteDeploymentsOpts()
        options.do_postclean = False
        wanted = [*mine, *foreign]
        with self._no_return(lambda now: now == deployment_keys(wanted)):
            self.handle.write_deployments_with_options(wanted, options, None)

    def _no_return(self, is_made: Callable[[list[Key]], bool]) -> AbstractContextManager[None]:
        return made_or_failed(self.handle, self.path, is_made)

    def set_pinned(self, deployment: Deployment, pinned: bool) -> None:
        """Pin or unpin; a staged deployment cannot be pinned (libostree refuses)."""
        handle = self._handle(deployment)
        what = f"cannot change the pin of state {deployment.index}"
        with ostree_errors(what, StateError), no_return():
            if _is_held(handle):
                self._set_keys(handle, False, (KEPT_KEY,))
            self.handle.deployment_set_pinned(handle, pinned)
        self.reload()

    def cleanup(self) -> None:
        """Remove deployment directories and boot files that nothing refers to; objects stay."""
        with ostree_errors("cannot clean up"):
            self.handle.prepare_cleanup(None)

    def _mine(self) -> list[Any]:
        return [d for d in self.handle.get_deployments() if d.get_osname() == self.osname]

    def _handle(self, deployment: Deployment) -> Any:
        for d in self._mine():
            if (d.get_csum(), d.get_deployserial()) == (deployment.checksum, deployment.serial):
                return d
        raise StateError(f"state {deployment.index} is gone", hint="look at: pkglayer status")


def open_sysroot(path: Path = Path("/"), stateroot: str = "", *, write: bool = False) -> Sysroot:
    """Open the sysroot at `path`; with `write` in a private mount namespace, which needs root.

    Raises StateError when it is no OSTree sysroot, UsageError for an ambiguous stateroot.
    """
    if write:
        if os.geteuid() != 0:
            raise PrivilegeError("this needs root", hint="use sudo")
        from pkglayer.system import mounts  # reading verbs do without

        mounts.unshare_mounts()
    if not (path / "ostree/repo").is_dir():
        raise StateError(
            f"{path} is not an OSTree sysroot (it has no ostree/repo)",
            hint="pkglayer works on image-based systems; give another one with --sysroot DIR",
        )
    handle = OSTree.Sysroot.new(Gio.File.new_for_path(str(path)))
    hint = "if it is about a .origin file, mend the line it names: ostree cannot read it either"
    with ostree_errors(f"cannot read the sysroot {path}", StateError, hint):
        if write and path == Path("/"):
            handle.set_mount_namespace_in_use()
        handle.load(None)
    known = path / "ostree/deploy" / stateroot
    if stateroot and (stateroot != known.name or not known.is_dir()):
        raise UsageError(f"{path} has no stateroot {printable(stateroot)!r}")
    return Sysroot(handle, path, stateroot)


def _is_held(deployment: Any) -> bool:
    """Whether it is pinned for the setting `keep`, and not by a person."""
    origin = deployment.get_origin()
    if origin is None or not origin.has_group(TRANSIENT):
        return False
    return KEPT_KEY in origin.get_keys(TRANSIENT)[0]


def _keyfile(groups: Mapping[str, Mapping[str, str]]) -> Any:
    keyfile = GLib.KeyFile()
    for group, values in groups.items():
        for key, value in values.items():
            keyfile.set_value(group, key, value)
    return keyfile
