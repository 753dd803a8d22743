"""Lets a person change a text in the editor of their choice (`$VISUAL`, `$EDITOR`, else vi)."""

import os
import shlex

from pkglayer.system.run import run_on_terminal
from pkglayer.system.scratch import scratch


def edit(text: str, suffix: str) -> str:
    """What became of the text; raises PkglayerError when the editor cannot be started or fails."""
    editor = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
    with scratch("edit") as where:
        file = where / f"text{suffix}"
        file.write_text(text)
        run_on_terminal([*shlex.split(editor), str(file)])
        return file.read_text()
