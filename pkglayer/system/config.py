"""Reads configuration of a deployment: settings, repository files, dnf variables, os-release.

`read_settings(etc)`, `find_repo_files(etc, usr)`, `read_variables(etc, environ)`,
`read_os_release(root)`, `find_inside(root, path)`, `read_inside(root, path)`. Directories are
always handed in (`etc` of the merge deployment, `usr` of the target tree), never `/etc` by itself.
Symlinks are followed as they will mean it inside the deployment; what a .repo file says is for
`rpmmd`.
"""

import os
import re
import shlex
import stat
from collections.abc import Mapping
from pathlib import Path

from pkglayer.model.errors import ConfigError
from pkglayer.model.settings import SETTINGS_PATH, Settings, parse_settings
from pkglayer.system.inroot import resolve_in

MAX_BYTES = 1024 * 1024
"""No configuration file is larger; more is a mistake or an attack."""


def read_settings(etc: Path) -> Settings:
    """The administrator's settings, or all defaults where there is no file.

    Errors call the file as whoever edits it does, and not by its place in a deployment.
    """
    name = f"/etc/{SETTINGS_PATH}"
    try:
        text = _read_text(etc / SETTINGS_PATH, name)
    except FileNotFoundError:
        return Settings()
    return parse_settings(text, name)


def find_repo_files(etc: Path, usr: Path) -> list[Path]:
    """All .repo files that count, in order of name.

    The administrator's `etc/yum.repos.d` masks the distribution's `usr/share/dnf5/repos.d` by file
    name; an empty file or a link to /dev/null there switches the distribution's file off.
    """
    found: dict[str, Path] = {}
    for directory in (usr / "share/dnf5/repos.d", etc / "yum.repos.d"):
        if directory.is_dir():
            found |= {p.name: p for p in directory.iterdir() if p.name.endswith(".repo")}
    paths = (_in_tree(found[name], etc, usr) for name in sorted(found))
    return [p for p in paths if p is not None and p.is_file() and p.stat().st_size]


def _in_tree(path: Path, etc: Path, usr: Path) -> Path | None:
    """Where a link leads inside the tree that it lies in; None for a dangling or masking one."""
    if not path.is_symlink():
        return path
    top = etc if path.is_relative_to(etc) else usr
    return find_inside(top.parent, f"/{path.relative_to(top.parent)}")


def read_variables(etc: Path, environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """dnf's variables: files of `etc/yum/vars`, then `etc/dnf/vars`, then `DNF_VAR_*`."""
    values: dict[str, str] = {}
    for directory in (etc / "yum/vars", etc / "dnf/vars"):
        for path in sorted(directory.iterdir()) if directory.is_dir() else ():
            if re.fullmatch(r"\w+", path.name, re.ASCII) and path.is_file():
                lines = _read_text(path).splitlines()
                values[path.name] = lines[0].strip() if lines else ""
    for name, value in (os.environ if environ is None else environ).items():
        if match := re.fullmatch(r"DNF_VAR_(\w+)", name, re.ASCII):
            values[match[1]] = value
    return values


def read_os_release(root: Path) -> dict[str, str]:
    """os-release(5) of a tree: `usr/lib/os-release`, else the copy in /etc; empty without one."""
    for name in ("/usr/lib/os-release", "/etc/os-release", "/usr/etc/os-release"):
        path = find_inside(root, name)
        if path is not None and path.is_file():
            return parse_os_release(_read_text(path))
    return {}


def parse_os_release(text: str) -> dict[str, str]:
    """Shell-like assignments to a mapping; lines that are none are left out."""
    values: dict[str, str] = {}
    for line in text.splitlines():
        name, equals, rest = line.strip().partition("=")
        if equals and re.fullmatch(r"[A-Z0-9_]+", name):
            try:
                values[name] = "".join(shlex.split(rest))
            except ValueError:
                continue
    return values


def find_inside(root: Path, path: str) -> Path | None:
    """Where `path` is when `root` is the root directory; None if nothing is there."""
    found = resolve_in(root, path)
    return found if found is not None and found.exists() else None


def read_inside(root: Path, path: str) -> bytes:
    """The content of a configuration file at `path` inside `root`.

    Raises FileNotFoundError, or ConfigError for what is no regular file of sensible size.
    """
    found = find_inside(root, path)
    if found is None:
        raise FileNotFoundError(path)
    return _read_bytes(found)


def _read_text(path: Path, name: str = "") -> str:
    try:
        return _read_bytes(path, name).decode()
    except UnicodeDecodeError as e:
        raise ConfigError(f"{name or path}: not UTF-8 text", hint="save the file as UTF-8") from e


def _read_bytes(path: Path, name: str = "") -> bytes:
    name = name or str(path)
    try:
        # Non-blocking, so that a FIFO in place of the file cannot hold us up.
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        with os.fdopen(fd, "rb") as file:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                raise ConfigError(f"{name}: not a regular file", hint="see what it is; remove it")
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise
    except OSError as e:
        raise ConfigError(f"{name}: cannot be read: {e.strerror}") from e
    if len(data) > MAX_BYTES:
        raise ConfigError(f"{name}: larger than {MAX_BYTES} bytes", hint="is it the right file?")
    return data
