"""Remotes of a repository: pulling from them, and what is configured for them."""

from collections.abc import Callable
from typing import Any

import gi

gi.require_version("OSTree", "1.0")
from gi.repository import GLib, OSTree  # noqa: E402  (require_version must come first)

from pkglayer.log import Progress  # noqa: E402
from pkglayer.model.errors import RepositoryError  # noqa: E402
from pkglayer.system.repo import Repo  # noqa: E402
from pkglayer.system.repoerrors import ostree_errors  # noqa: E402


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
    meter.connect("changed", _pull_meter(progress))
    progress.start(f"Pulling {remote}:{ref}")
    with ostree_errors(
        f"cannot pull {ref} from the remote {remote}", RepositoryError,
        hint=f"check the network and the remote's URL ({remote_url(repo, remote)})",
    ):  # fmt: skip
        repo.handle.pull_with_options(remote, GLib.Variant("a{sv}", options), meter, None)
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


def remote_refs(repo: Repo, remote: str) -> dict[str, str]:
    """The refs that a remote's summary offers; raises RepositoryError."""
    with ostree_errors(f"cannot list the refs of the remote {remote}", RepositoryError):
        _, refs = repo.handle.remote_list_refs(remote, None)
    return dict(refs)


def read_config(repo: Repo, group: str, key: str) -> str:
    """One value of the repository's config file, "" when unset."""
    try:
        return str(repo.handle.get_config().get_string(group, key))
    except GLib.Error:
        return ""


def _pull_meter(progress: Progress) -> Callable[[Any], None]:
    seen = 0

    def changed(meter: Any) -> None:
        nonlocal seen
        fetched = meter.get_uint("fetched") or 0
        if fetched > seen:
            progress.advance(fetched - seen, meter.get_status() or "")
            seen = fetched

    return changed
