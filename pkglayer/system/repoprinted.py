"""What scriptlets printed while a commit was built, beside the commit: its detached metadata.

The words may differ from run to run, so they must be no part of what the checksum is about.
Detached metadata come and go with their commit, and are pulled along with it.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

from gi.repository import GLib

from pkglayer.model.errors import StateError
from pkglayer.model.record import ScriptRun
from pkglayer.system.repo import Repo
from pkglayer.system.repoerrors import ostree_errors

KEY = "pkglayer.scripts"
LIMIT = 1 << 20
"""Characters of all scriptlets together; libostree reads 10 MiB of metadata at most."""
SHORTEST = 1024


def keep_printed(repo: Repo, commit: str, runs: Sequence[ScriptRun]) -> None:
    """Keep what these runs printed with a commit; where it is very much, the end of each."""
    share = max(SHORTEST, LIMIT // max(1, len(runs)))
    rows = [asdict(replace(run, output=run.output[-share:])) for run in runs]
    values = {**_read(repo, commit), KEY: GLib.Variant("s", json.dumps(rows))}
    with ostree_errors("cannot keep what scriptlets printed"):
        repo.handle.write_commit_detached_metadata(commit, GLib.Variant("a{sv}", values), None)


def read_printed(repo: Repo, commit: str) -> tuple[ScriptRun, ...] | None:
    """The runs with what they printed, None where nothing was kept; raises StateError."""
    found = _read(repo, commit).get(KEY)
    if found is None:
        return None
    try:
        return tuple(ScriptRun(**row) for row in json.loads(found.get_string()))
    except (ValueError, TypeError) as e:
        raise StateError(
            f"what was kept beside the commit {commit[:12]} cannot be read: {e}",
            hint="nothing depends on it; it is made again when the state is built anew",
        ) from e


def _read(repo: Repo, commit: str) -> dict[str, Any]:
    with ostree_errors(f"cannot read what is kept beside the commit {commit[:12]}", StateError):
        _, found = repo.handle.read_commit_detached_metadata(commit, None)
    if found is None:
        return {}
    return {key: found.lookup_value(key, None) for key in found.keys()}  # noqa: SIM118
