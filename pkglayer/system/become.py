"""Putting a program in place of this process, where nothing of ours is left to do after it.

Loads nothing: `run` is the door for all other commands.
"""

import os
import signal
from collections.abc import Sequence
from typing import NoReturn

CLEAN_ENV = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}
"""The environment of every command."""


def become(argv: Sequence[str]) -> NoReturn:
    """Run `argv` instead of us, without input; raises OSError where it cannot be started."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # Python ignores it, and who comes would, too
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.execvpe(argv[0], list(argv), CLEAN_ENV)
