"""Finds and reads the declared layers of a state: those of its base and the administrator's.

Links are followed within the tree they belong to and never out of it, since the tree need not be
the running one. What the texts mean is `model.layer`'s business.
"""

import os
import stat
from pathlib import Path, PurePath

from pkglayer.model.errors import ConfigError
from pkglayer.model.layer import (
    SHIPPED,
    SUFFIX,
    WRITTEN,
    Layer,
    layer_name,
    merge_layers,
    parse_layer,
    to_wants,
)

__all__ = ["read_layers", "read_presets", "to_wants"]

PRESETS_DIR = "share/pkglayer/layers"
MAX_SIZE = 1 << 20
_MAX_LINKS = 40  # as the kernel has it


def read_layers(usr: Path, etc: Path) -> tuple[Layer, ...]:
    """The layers in force: of `usr`, the /usr of the target tree, and of `etc`, the merged /etc.

    A file in /etc hides the one of the same name in /usr; an empty one switches it off, as does a
    link to /dev/null. Raises ConfigError naming file, line and key.
    """
    return merge_layers(
        shipped=_read_texts(SHIPPED, usr / SHIPPED.relative_to("/usr"), usr, etc),
        written=_read_texts(WRITTEN, etc / WRITTEN.relative_to("/etc"), usr, etc),
    )


def read_presets(directory: Path) -> tuple[Layer, ...]:
    """The ready-made layers in `directory` that a layer directory can link to or copy."""
    texts = _read_texts(directory, directory, directory, directory)
    return tuple(parse_layer(text, f"{directory}/{name}") for name, text in sorted(texts.items()))


def _read_texts(called: PurePath, directory: Path, usr: Path, etc: Path) -> dict[str, str]:
    """File name -> text of a directory, which in the tree is `called` so."""
    if not directory.is_dir():
        return {}
    names = sorted(p.name for p in directory.iterdir() if p.name.endswith(SUFFIX))
    for name in names:
        layer_name(name)
    return {name: _read_text(called / name, directory / name, usr, etc) for name in names}


def _read_text(called: PurePath, path: Path, usr: Path, etc: Path) -> str:
    try:
        target = _follow(called, path, usr, etc)
        if target is None:
            return ""
        # A link that was swapped for the file meanwhile is refused, not followed.
        fd = os.open(target, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
        with os.fdopen(fd, "rb") as file:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                raise ConfigError(f"{called} is not a file")
            data = file.read(MAX_SIZE + 1)
        if len(data) > MAX_SIZE:
            raise ConfigError(f"{called} has more than {MAX_SIZE >> 20} MiB")
        return data.decode()
    except FileNotFoundError as e:
        raise ConfigError(
            f"the layer file {called} is a link to {os.fspath(path.readlink())!r}, "
            "which cannot be read on the target base",
            hint="copy the file instead",
        ) from e
    except OSError as e:
        raise ConfigError(
            f"the layer file {called} cannot be read: {e.strerror}",
            hint="an empty file, or a link to /dev/null, switches a layer off",
        ) from e
    except UnicodeDecodeError as e:
        line = data[: e.start].count(b"\n") + 1
        raise ConfigError(f"{called}:{line}: not UTF-8 text", hint="save the file as UTF-8") from e


def _follow(called: PurePath, path: Path, usr: Path, etc: Path) -> Path | None:
    """Where `path` leads within the tree, None for /dev/null; raises ConfigError when it leaves."""
    for _ in range(_MAX_LINKS):
        if not path.is_symlink():
            return path
        link = os.path.normpath(_in_tree(path.parent, usr, etc) / path.readlink())
        if link == "/dev/null":
            return None
        for place, root in (("/usr/", usr), ("/etc/", etc)):
            if link.startswith(place):
                path = root / link.removeprefix(place)
                break
        else:
            raise ConfigError(
                f"the layer file {called} is a link out of /usr and /etc, to {link!r}",
                hint="copy the file instead",
            )
    raise ConfigError(f"the layer file {called} is a circle of links")


def _in_tree(directory: Path, usr: Path, etc: Path) -> Path:
    """How a directory of /usr or /etc is called by whoever lives in the tree."""
    for place, root in (("/usr", usr), ("/etc", etc)):
        if directory.is_relative_to(root):
            return Path(place, directory.relative_to(root))
    return directory
