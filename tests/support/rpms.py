"""Builds real RPM packages with rpmbuild from a few words, and breaks them.

`build_rpm(tmp, "foo", requires=["bar"], files={...}, scripts={"post": "..."})` takes about 0.05 s
and gives the same bytes for the same words, so that a process builds each once. It signs nothing
(`keys.py`) and writes no repository metadata (`repos.py`).
"""

import hashlib
import os
import subprocess
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tests.support.trees import Dir, Fifo, File, Hardlink, Link, Node, Tree, make_tree

BUILD_TIME = 1_700_000_000
"""Seconds since the epoch that every built package carries as build time and as file time."""

Script = str | tuple[str, str]
"""The body, run by /bin/sh, or (interpreter, body); `("<lua>", "...")` is rpm's own Lua."""


@dataclass(frozen=True)
class Entry:
    """A file as the header shall have it: owner names, and a directive such as `%config`."""

    node: Node
    user: str = "root"
    group: str = "root"
    tag: str = ""


@dataclass(frozen=True)
class Trigger:
    """A trigger: kind is `triggerin`, `filetriggerin`, `transfiletriggerin` and so on."""

    kind: str
    on: str
    script: Script
    priority: int | None = None


RpmTree = Mapping[str, Node | Entry]

_KEPT_SIZE = 4 << 20
_kept: dict[bytes, tuple[str, bytes]] = {}
"""File name and bytes of what was built here, by a digest of the words."""

_MACROS = {
    "_build_id_links": "none",
    "__spec_install_pre": "%{nil}",
    "__spec_install_post": "%{nil}",
    "_binary_payload": "w1.zstdio",
    "_buildhost": "localhost",
    "clamp_mtime_to_source_date_epoch": "1",
    "build_mtime_policy": "clamp_to_source_date_epoch",
    "debug_package": "%{nil}",
    "source_date_epoch_from_changelog": "0",
    "use_source_date_epoch_as_buildtime": "1",
}


def config(content: str | bytes = "", mode: int = 0o644, *, noreplace: bool = True) -> Entry:
    """Return a configuration file, by default one that keeps the administrator's changes."""
    return Entry(File(content, mode), tag="%config(noreplace)" if noreplace else "%config")


def ghost(mode: int = 0o644) -> Entry:
    """Return a file that the package owns and does not ship."""
    return Entry(File("", mode), tag="%ghost")


def build_rpm(
    tmp: Path,
    name: str,
    *,
    version: str = "1",
    release: str = "1",
    epoch: int | None = None,
    arch: str = "noarch",
    requires: Sequence[str] = (),
    provides: Sequence[str] = (),
    conflicts: Sequence[str] = (),
    obsoletes: Sequence[str] = (),
    recommends: Sequence[str] = (),
    files: RpmTree | None = None,
    scripts: Mapping[str, Script] | None = None,
    triggers: Sequence[Trigger] = (),
    extra_spec: str = "",
    changelog: str = "",
    macros: Mapping[str, str] | None = None,
) -> Path:
    """Build one package into `tmp` and return its path.

    `extra_spec` is put into the preamble as it is (`Requires(post): x`, `Suggests: y`);
    `changelog` is the text of that section; `macros` override ours, such as
    `{"_binary_payload": "w9.xzdio"}`.
    """
    files = files or {}
    preamble = [
        *_preamble(name, version, release, epoch, arch),
        *(f"Requires: {word}" for word in requires),
        *(f"Provides: {word}" for word in provides),
        *(f"Conflicts: {word}" for word in conflicts),
        *(f"Obsoletes: {word}" for word in obsoletes),
        *(f"Recommends: {word}" for word in recommends),
        extra_spec,
    ]
    sections = [*_script_lines(scripts or {}), *_trigger_lines(triggers)]
    if changelog:
        sections += ["%changelog", changelog]
    spec = "\n".join([*preamble, *_body(files), *sections, ""])
    source = {path: _node(file) for path, file in files.items()}
    file_name, content = _build(spec, source, arch, _MACROS | dict(macros or {}))
    tmp.mkdir(parents=True, exist_ok=True)
    (tmp / file_name).write_bytes(content)
    return tmp / file_name


def forget() -> None:
    """Let everything be built anew, whatever was built before."""
    _kept.clear()


def _build(spec: str, source: Tree, arch: str, macros: Mapping[str, str]) -> tuple[str, bytes]:
    """File name and bytes of the package."""
    words = hashlib.sha256(repr((spec, source, arch, macros)).encode()).digest()
    if words in _kept:
        return _kept[words]
    with tempfile.TemporaryDirectory(prefix="rpmbuild-") as work:
        make_tree(Path(work, "source"), source)
        path = Path(work, "package.spec")
        path.write_text(spec)
        built = _run_rpmbuild(path, arch, macros)
        made = built.name, built.read_bytes()
    if len(made[1]) <= _KEPT_SIZE:
        _kept[words] = made
    return made


def _body(files: RpmTree) -> list[str]:
    # A plain copy keeps hard links and names with odd characters.
    copy = "mkdir -p %{buildroot} && cp -a %{_topdir}/../source/. %{buildroot}/"
    lines = [_file_line(path, file) for path, file in files.items()]
    return ["%description", "Made for a test.", "%install", copy, "%files", *lines]


def _preamble(name: str, version: str, release: str, epoch: int | None, arch: str) -> list[str]:
    return [
        f"Name: {name}",
        f"Version: {version}",
        f"Release: {release}",
        *([f"Epoch: {epoch}"] if epoch is not None else []),
        *(["BuildArch: noarch"] if arch == "noarch" else []),
        f"Summary: Test package {name}",
        "License: LGPL-2.1-or-later",
        "AutoReqProv: no",
    ]


def _node(file: Node | Entry) -> Node:
    node = file.node if isinstance(file, Entry) else file
    if isinstance(node, File):
        if node.uid or node.gid:
            raise ValueError("an RPM has owner names, not numbers: use Entry(user=..., group=...)")
        # Capabilities come from the header; on disk they would only need more rights to write.
        return replace(node, caps="")
    return node


def _file_line(path: str, file: Node | Entry) -> str:
    entry = file if isinstance(file, Entry) else Entry(file)
    mode, words = "-", [entry.tag]
    match entry.node:
        case Dir(mode=bits):
            mode = f"{bits:04o}"
            words.append("%dir")
        case File(mode=bits, caps=caps):
            mode = f"{bits:04o}"
            words += [f"%caps({caps})"] if caps else []
        case Link() | Hardlink() | Fifo() | str() | bytes():
            pass
    quoted = "/" + path.lstrip("/").replace("%", "%%")
    return f'{" ".join(words)} %attr({mode},{entry.user},{entry.group}) "{quoted}"'.strip()


def _section(opening: str, on: str, script: Script) -> str:
    interpreter, body = script if isinstance(script, tuple) else ("", script)
    flag = f" -p {interpreter}" if interpreter else ""
    return f"{opening}{flag}{on}\n{body.replace('%', '%%')}"


def _script_lines(scripts: Mapping[str, Script]) -> Iterable[str]:
    return (_section(f"%{kind}", "", script) for kind, script in scripts.items())


def _trigger_lines(triggers: Iterable[Trigger]) -> Iterable[str]:
    for trigger in triggers:
        priority = f" -P {trigger.priority}" if trigger.priority is not None else ""
        yield _section(f"%{trigger.kind}{priority}", f" -- {trigger.on}", trigger.script)


def _run_rpmbuild(spec: Path, arch: str, macros: Mapping[str, str]) -> Path:
    top = spec.parent / "top"
    defines = [f"--define={name} {value}" for name, value in macros.items()]
    target = [] if arch == "noarch" else [f"--target={arch}"]
    done = subprocess.run(
        ["rpmbuild", "-bb", "--quiet", f"--define=_topdir {top}", *defines, *target, str(spec)],
        env={"PATH": os.environ["PATH"], "HOME": str(spec.parent), "LANG": "C.UTF-8"}
        | {"SOURCE_DATE_EPOCH": str(BUILD_TIME)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise AssertionError(f"rpmbuild failed:\n{done.stderr}\n{spec.read_text()}")
    [built] = (top / "RPMS").rglob("*.rpm")
    return built


def corrupt(path: Path, offset: int = -1) -> Path:
    """Flip the bits of one byte in place; a negative offset counts from the end."""
    content = bytearray(path.read_bytes())
    content[offset] ^= 0xFF
    path.write_bytes(content)
    return path
