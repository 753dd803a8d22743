"""Small JSON files below /var/lib/pkglayer that outlive a run: read whole, replaced whole.

`read_state(path)`, `write_state(path, data)`; they are written under the sysroot's lock, so that
`drop_unfinished` can remove what a killed run left of a write. Losing one loses a date or a
forecast and no wish: what is wanted lives in origins and layer files.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pkglayer.model.errors import StateError

MAX_BYTES = 16 << 20
_UNFINISHED = ".new"


def read_state(path: Path) -> dict[str, Any] | None:
    """The file's values, None where there is none; raises StateError for what is no JSON object."""
    try:
        with path.open("rb") as file:
            data = json.loads(file.read(MAX_BYTES))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, RecursionError) as e:
        raise StateError(
            f"{path} cannot be read: {e}", hint="it holds no wish of yours: move it away"
        ) from e
    if not isinstance(data, dict):
        raise StateError(f"{path} holds no JSON object", hint="move it away")
    return data


def write_state(path: Path, data: Mapping[str, Any]) -> None:
    """Replace the file as a whole; readable by all, durable before this returns."""
    import tempfile  # readers do without

    path.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
    handle, name = tempfile.mkstemp(_UNFINISHED, f".{path.name}-", path.parent)
    made = Path(name)
    try:
        with os.fdopen(handle, "w") as file:
            json.dump(data, file, indent=1, sort_keys=True)
            file.write("\n")
            file.flush()
            os.fchmod(file.fileno(), 0o644)
            os.fsync(file.fileno())
        made.replace(path)
        sync_directory(path.parent)
    except BaseException:
        made.unlink(missing_ok=True)
        raise


def sync_directory(path: Path) -> None:
    """Wait until the names in a directory are on the disk."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def drop_unfinished(directory: Path) -> None:
    """Remove what writes that were cut short left beside the files."""
    for path in directory.glob(f".*{_UNFINISHED}"):
        path.unlink(missing_ok=True)
