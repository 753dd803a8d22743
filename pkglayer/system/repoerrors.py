"""GLib's errors leave the border as ours."""

from collections.abc import Iterator
from contextlib import contextmanager

from gi.repository import GLib

from pkglayer.model.errors import DeployError, PkglayerError


@contextmanager
def ostree_errors(
    what: str, cls: type[PkglayerError] = DeployError, hint: str = ""
) -> Iterator[None]:
    """Turn a GLib.Error of the body into `cls`, with `what` in front of libostree's words."""
    try:
        yield
    except GLib.Error as e:
        raise cls(f"{what}: {e.message}", hint=hint) from e
