"""Ctrl-C, SIGTERM and SIGHUP: they undo a change that is under way, and cannot undo a finished one.

The first signal raises `Interrupted`, which unwinds everything; further ones are ignored, so that
the undoing itself is never cut short. Within `no_return` a signal waits: when the body succeeds it
came too late and is dropped, when it fails there is nothing left to interrupt.
"""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_RETRY_SECONDS = 0.05


class Interrupted(BaseException):
    """A signal came; its number is the argument."""


class _Gate:
    """Whether signals are let through now."""

    closed = False
    done = False
    received = 0


def install() -> None:
    """Let the signals raise `Interrupted` in the main thread from now on."""
    _Gate.closed = _Gate.done = False
    _Gate.received = 0
    for number in SIGNALS:
        signal.signal(number, _interrupt)
    signal.signal(signal.SIGALRM, _interrupt)
    sys.unraisablehook = _not_lost


def ignore() -> None:
    """Nothing is left to undo: the interpreter, which takes the handlers down as it ends, must not
    be killed by a signal that comes then, and the exit code be lost."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


@contextmanager
def no_return() -> Iterator[None]:
    """The step that makes a change real: whole or not at all, and nothing is undone after it."""
    before, _Gate.closed = _Gate.closed, True
    try:
        yield
    except BaseException:
        _Gate.closed = before
        raise
    _Gate.done = True


def is_final() -> bool:
    """Whether a `no_return` step succeeded: the change is made, whatever fails from here on."""
    return _Gate.done


def received() -> int:
    """The signal that began to unwind this run, 0 for none."""
    return _Gate.received


def _interrupt(number: int, _frame: FrameType | None) -> None:
    if _Gate.closed:
        return
    _Gate.closed = True
    _Gate.received = signal.SIGTERM if number == signal.SIGALRM else number
    raise Interrupted(_Gate.received)


def _not_lost(unraisable: Any) -> None:
    """A signal that came within a destructor is swallowed by Python: raise it again outside."""
    kind: type[BaseException] = unraisable.exc_type
    if not issubclass(kind, Interrupted):
        value: BaseException | None = unraisable.exc_value
        trace: TracebackType | None = unraisable.exc_traceback
        sys.__excepthook__(kind, value or kind(), trace)
        return
    if not _Gate.done:
        _Gate.closed = False
        signal.setitimer(signal.ITIMER_REAL, _RETRY_SECONDS)
