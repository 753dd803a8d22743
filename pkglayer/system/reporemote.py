"""Remotes of a repository: pulling from them, and what is configured for them."""

import threading
from typing import Any

import gi

gi.require_version("OSTree", "1.0")
from gi.repository import Gio, GLib, OSTree  # noqa: E402  (require_version must come first)

from pkglayer.log import Progress  # noqa: E402
from pkglayer.model.errors import RepositoryError  # noqa: E402
from pkglayer.system.repo import Repo  # noqa: E402
from pkglayer.system.repoerrors import ostree_errors  # noqa: E402

_POLL_SECONDS = 0.1
_CANCEL_SECONDS = 3.0


def pull(
    repo: Repo, remote: str, ref: str, progress: Progress, *, subdirs: tuple[str, ...] = (),
    commit: str = "", metadata_only: bool = False, depth: int = 0,
) -> None:  # fmt: skip
    """Pull a ref (or one commit of it); `subdirs` fetches only these absolute paths, and
    `depth` parents of the commit come along (-1 for all there are).

    Raises RepositoryError with libostree's reason.
    """
    options: dict[str, Any] = {"refs": GLib.Variant("as", [ref])}
    if commit:
        options["override-commit-ids"] = GLib.Variant("as", [commit])
    flags = OSTree.RepoPullFlags.COMMIT_ONLY if metadata_only else OSTree.RepoPullFlags.NONE
    options["flags"] = GLib.Variant("i", int(flags))
    if depth:
        options["depth"] = GLib.Variant("i", depth)
    if subdirs:
        options["subdirs"] = GLib.Variant("as", list(subdirs))
    meter = OSTree.AsyncProgress.new()
    progress.start(f"Pulling {remote}:{ref}")
    with ostree_errors(
        f"cannot pull {ref} from the remote {remote}", RepositoryError,
        hint=f"check the network and the remote's URL ({remote_url(repo, remote)})",
    ):  # fmt: skip
        _pull(repo, remote, options, meter, progress)
    meter.finish()
    progress.done()


def remote_url(repo: Repo, remote: str) -> str:
    """The remote's URL, or "" when there is no such remote."""
    try:
        return str(repo.handle.remote_get_url(remote)[1])
    except GLib.Error:
        return ""


def remotes(repo: Repo) -> tuple[str, ...]:
    """Names of the configured remotes."""
    return tuple(repo.handle.remote_list() or ())


def read_config(repo: Repo, group: str, key: str) -> str:
    """One value of the repository's config file, "" when unset."""
    try:
        return str(repo.handle.get_config().get_string(group, key))
    except GLib.Error:
        return ""


def _pull(
    repo: Repo, remote: str, options: dict[str, Any], meter: Any, progress: Progress
) -> None:
    """Pull in another thread: libostree does not come back to Python while a server is slow, and
    a signal must not have to wait for that. Raises GLib.Error."""
    cancel, failures = Gio.Cancellable.new(), []

    def run() -> None:
        try:
            repo.handle.pull_with_options(remote, GLib.Variant("a{sv}", options), meter, cancel)
        except GLib.Error as e:
            failures.append(e)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    seen = 0
    try:
        while thread.is_alive():
            thread.join(_POLL_SECONDS)
            fetched = meter.get_uint("fetched") or 0
            progress.advance(max(0, fetched - seen))
            seen = max(seen, fetched)
    except BaseException:
        cancel.cancel()
        thread.join(_CANCEL_SECONDS)
        raise
    if failures:
        raise failures[0]
