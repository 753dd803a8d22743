"""Paths inside a tree that is not ours to trust: symbolic links never lead out of it.

An absolute link of a tree means the tree's own root, not the host's. Everything that touches a
file of a tree by its path goes through here.
"""

from pathlib import Path

_MAX_LINKS = 40


def resolve_in(root: Path, path: str, *, follow_last: bool = True) -> Path | None:
    """The real place below `root` of an absolute or relative `path` of the tree.

    It need not exist: from the first component that does not, the path is taken as it is written.
    None where there are too many links. With `follow_last` False a link at the end is not
    followed. Nothing else may change the tree meanwhile: no scriptlet runs while we look.
    """
    todo = [p for p in reversed(path.split("/")) if p not in ("", ".")]
    here, links = Path(root), 0
    while todo:
        name = todo.pop()
        if name == "..":
            here = here.parent if here != root else here
            continue
        step = here / name
        if (todo or follow_last) and step.is_symlink():
            links += 1
            if links > _MAX_LINKS:
                return None
            target = str(step.readlink())
            here = Path(root) if target.startswith("/") else here
            todo += [p for p in reversed(target.split("/")) if p not in ("", ".")]
            continue
        here = step
    return here


def is_plain(root: Path, path: str) -> bool:
    """Whether no component of a relative `path` before the last is a symbolic link."""
    return resolve_in(root, path, follow_last=False) == root / path


def resolve_var(var: Path, path: str) -> Path | None:
    """The real place of `path` (relative to /var) in `var`, a directory that stands for /var.

    Like `resolve_in` without following a link at the end; None where links lead out of /var: what
    lies there is another tree's business. Only /run may be reached, where /var/run leads, as the
    directory beside `var`: nobody looks at what is put there.
    """
    found = resolve_in(var.parent, f"{var.name}/{path}", follow_last=False)
    allowed = (var, var.parent / "run")
    if found is None or found in allowed or not any(map(found.is_relative_to, allowed)):
        return None
    return found
