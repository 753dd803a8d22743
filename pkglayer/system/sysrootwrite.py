"""The call of libostree that makes a change: whole or not at all, and told truly.

It syncs and cleans up after the change within the same call, so that its failure alone does not say
whether the new state is there.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from gi.repository import GLib

from pkglayer.log import log
from pkglayer.system.interrupts import no_return

Key = tuple[str, str, int]


@contextmanager
def made_or_failed(handle: Any, path: Path, is_made: Callable[[list[Key]], bool]) -> Iterator[None]:
    """Let no signal in; a failure after the change is there is warned of and forgotten.

    `handle` is the OSTree.Sysroot at `path`; `is_made` is given the keys of what is there after a
    failure. GLib.Error leaves here when nothing has changed.
    """
    with no_return():
        try:
            yield
        except GLib.Error as e:
            _load_again(handle, path)
            if not is_made(deployment_keys(handle.get_deployments())):
                raise
            log.warning("the change is made, but what came after it failed: %s", e.message)


def deployment_keys(deployments: Iterable[Any]) -> list[Key]:
    """What tells deployments apart: stateroot, checksum, serial; in their order."""
    return [(d.get_osname(), d.get_csum(), d.get_deployserial()) for d in deployments]


def _load_again(handle: Any, path: Path) -> None:
    """libostree goes by the time of this directory, which a call that failed did not set."""
    with suppress(OSError, GLib.Error):
        os.utime(path / "ostree/deploy")
        handle.load_if_changed(None)
