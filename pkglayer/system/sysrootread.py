"""What lies in and beside a deployment: its origin file, its record, the marks of other programs.

Each is read with the reason why it cannot be; nothing is raised, and nothing is guessed.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gi.repository import GLib

from pkglayer.model import record as records
from pkglayer.model.errors import StateError
from pkglayer.model.request import ORIGIN_GROUP, from_origin

TRANSIENT = "libostree-transient"
"""Group of an origin file in which libostree keeps what is about this deployment alone."""

Origin = dict[str, dict[str, str]]

_RPM_OSTREE_GROUPS = ("packages", "modules", "overrides")


def read_origin(deployment: Any) -> tuple[Origin, str]:
    """All groups of an OSTree.Deployment's origin but libostree's own, and what is wrong."""
    keyfile = deployment.get_origin()
    if keyfile is None:
        return {}, "the deployment has no origin file"
    groups: Origin = {}
    try:
        for group in keyfile.get_groups()[0]:
            keys = keyfile.get_keys(group)[0]
            groups[group] = {key: keyfile.get_value(group, key) for key in keys}
    except GLib.Error as e:
        return groups, f"the origin file cannot be read: {e.message}"
    groups.pop(TRANSIENT, None)
    try:
        from_origin("", groups.get(ORIGIN_GROUP, {}))
    except StateError as e:
        return groups, e.message
    return groups, ""


def read_record(root: Path) -> tuple[records.Record | None, str]:
    """The record in a deployment's tree, and why there is none though there is a file."""
    try:
        return records.from_json((root / records.RECORD_PATH).read_text()), ""
    except FileNotFoundError:
        return None, ""
    except (OSError, UnicodeDecodeError) as e:
        return None, f"the state's record cannot be read: {e}"
    except StateError as e:
        return None, e.message


def find_layerer(origin: Mapping[str, Mapping[str, str]], metadata: Mapping[str, Any]) -> str:
    """Another program that layered packages in this deployment; "" for none."""
    asked = any(any(origin.get(group, {}).values()) for group in _RPM_OSTREE_GROUPS)
    return "rpm-ostree" if asked or "rpmostree.clientlayer" in metadata else ""
