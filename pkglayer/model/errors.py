"""Every error a user can meet, one class per stage, with the exit code that goes with it.

An error says what happened and why in `message`, what to do next in `hint`, and carries the same
facts for programs in `data`. They are raised where the fault is found and printed once, in
`pkglayer.cli.program`.
"""

from collections.abc import Mapping
from typing import ClassVar


class PkglayerError(Exception):
    """Base of all; `exit_code` is the process's exit status."""

    exit_code: ClassVar[int] = 1
    kind: ClassVar[str] = "error"

    def __init__(
        self, message: str, *, hint: str = "", data: Mapping[str, object] | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.data = dict(data or {})


class UsageError(PkglayerError):
    """The request itself makes no sense (2, as every command line tool has it)."""

    exit_code = 2
    kind = "usage"


class ResolveError(PkglayerError):
    """A package is unknown or the requests cannot be satisfied on this base."""

    exit_code = 3
    kind = "resolve"


class RepositoryError(PkglayerError):
    """A package repository or an OSTree remote cannot be reached or read."""

    exit_code = 4
    kind = "repository"


class SignatureError(PkglayerError):
    """A package or metadata is unsigned, badly signed, or signed by a key that is not trusted."""

    exit_code = 5
    kind = "signature"


class PackageError(PkglayerError):
    """An RPM is corrupt, hostile, or not for this machine."""

    exit_code = 6
    kind = "package"


class ConflictError(PkglayerError):
    """Two owners want different content at one path."""

    exit_code = 7
    kind = "file-conflict"


class ScriptError(PkglayerError):
    """A scriptlet failed, ran out of a limit, or cannot be run in this tree."""

    exit_code = 8
    kind = "scriptlet"


class SpaceError(PkglayerError):
    """There is not enough room for what the plan writes."""

    exit_code = 9
    kind = "space"


class LockedError(PkglayerError):
    """Somebody else is changing the system."""

    exit_code = 10
    kind = "locked"


class StateError(PkglayerError):
    """A deployment, record or origin is missing, unreadable, or of a newer version."""

    exit_code = 11
    kind = "state"


class ConfigError(PkglayerError):
    """A settings, layer or repository file is wrong; the message has file, line and key."""

    exit_code = 12
    kind = "config"


class PrivilegeError(PkglayerError):
    """The verb changes the system and the caller is not root."""

    exit_code = 13
    kind = "privilege"


class DeployError(PkglayerError):
    """libostree could not write or stage the deployment."""

    exit_code = 14
    kind = "deploy"
