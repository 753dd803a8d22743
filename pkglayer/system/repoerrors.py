"""GLib's errors leave the border as ours."""

from collections.abc import Iterator
from contextlib import contextmanager

from gi.repository import Gio, GLib

from pkglayer.model.errors import DeployError, PkglayerError, SpaceError

_RESERVED = "min-free-space"
"""What libostree's words for its own limit begin with; it gives it no code."""


@contextmanager
def ostree_errors(
    what: str, cls: type[PkglayerError] = DeployError, hint: str = ""
) -> Iterator[None]:
    """Turn a GLib.Error of the body into `cls`, with `what` in front of libostree's words.

    A full disk is a SpaceError whatever was tried.
    """
    try:
        yield
    except GLib.Error as e:
        full = e.matches(Gio.io_error_quark(), Gio.IOErrorEnum.NO_SPACE)
        if full or _RESERVED in e.message:
            raise SpaceError(f"{what}: {e.message}") from e
        raise cls(f"{what}: {e.message}", hint=hint) from e
