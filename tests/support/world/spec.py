"""Writes the spec of one converted package: preamble, file list, scriptlets, changelog.

Pure text; `debian.py` gathers what goes in.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tests.support.world import facts, layout
from tests.support.world.maintainer import Accounts, Effects
from tests.support.world.model import Deb
from tests.support.world.payload import Entry
from tests.support.world.relations import Universe, provides

# The database of alternatives has to be in the tree: /var is not part of an OSTree base.
_ALTERNATIVES = "update-alternatives --quiet --admindir /usr/lib/sysimage/alternatives"

_WRITTEN_BESIDE_KERNEL = (
    "initramfs.img",
    "modules.alias",
    "modules.alias.bin",
    "modules.builtin.alias.bin",
    "modules.builtin.bin",
    "modules.dep",
    "modules.dep.bin",
    "modules.devname",
    "modules.softdep",
    "modules.symbols",
    "modules.symbols.bin",
)


@dataclass(frozen=True)
class Package:
    """All that a spec says about one package."""

    deb: Deb
    entries: tuple[Entry, ...]
    config_files: frozenset[str]
    effects: Effects
    units: tuple[str, ...]
    changelog: str
    extra_preamble: tuple[str, ...]

    @property
    def kernel_version(self) -> str | None:
        versions = (layout.kernel_version(entry.path) for entry in self.entries)
        return next((version for version in versions if version), None)

    @property
    def ghosts(self) -> tuple[str, ...]:
        """Paths that depmod and dracut will write beside a kernel; they belong to it."""
        if not (version := self.kernel_version):
            return ()
        return tuple(f"usr/lib/modules/{version}/{name}" for name in _WRITTEN_BESIDE_KERNEL)


def to_spec(package: Package, universe: Universe, known: Accounts) -> str:
    triggers = facts.TRIGGERS.get(package.deb.name, ())
    parts = [
        *_preamble(package, universe, known),
        "%description",
        _escape(_description(package.deb)),
        "%files",
        *(file_line(entry, package.config_files) for entry in package.entries),
        *map(_ghost_line, package.ghosts),
        *_scriptlets(package),
        *(f"{header}\n{_escape(body)}" for header, body in triggers),
        "%changelog",
        package.changelog,
    ]
    return "\n".join(parts) + "\n"


def _escape(text: str) -> str:
    return text.replace("%", "%%")


def _description(deb: Deb) -> str:
    text = deb.control.get("Description", deb.name).strip()
    return text.splitlines()[0]


def _preamble(package: Package, universe: Universe, known: Accounts) -> Iterable[str]:
    deb, control = package.deb, package.deb.control
    evr = universe.built_evr(deb.name)
    yield f"Name: {deb.name}\nVersion: {evr.version}\nRelease: {evr.release}"
    if evr.epoch != "0":
        yield f"Epoch: {evr.epoch}"
    yield f"Summary: {_escape(_description(deb))}"
    yield f"License: see /usr/share/doc/{deb.name}/copyright"
    yield f"Group: {control.get('Section', 'misc')}"
    if url := control.get("Homepage"):
        yield f"URL: {_escape(url)}"
    if deb.is_noarch:
        yield "BuildArch: noarch"
    yield from dict.fromkeys(_relations(package, universe, known))


def _relations(package: Package, universe: Universe, known: Accounts) -> Iterable[str]:
    name, control = package.deb.name, package.deb.control
    for tag, found in (
        ("Requires(pre)", universe.requires(control.get("Pre-Depends", ""))),
        ("Requires", universe.requires(control.get("Depends", ""))),
        ("Recommends", universe.requires(control.get("Recommends", ""), weak=True)),
        ("Suggests", universe.requires(control.get("Suggests", ""), weak=True)),
        ("Provides", provides(control)),
        ("Conflicts", universe.conflicts(control.get("Conflicts", ""), name)),
        ("Conflicts", universe.conflicts(control.get("Breaks", ""), name)),
        ("Obsoletes", universe.obsoletes(control, name)),
        ("Provides", sorted(package.effects.provided_users)),
        ("Requires(pre)", sorted(_needed_users(package, known))),
        ("Requires(pre)", ["passwd"] if package.effects.users else []),
        ("Requires(post)", ["dpkg"] if package.effects.alternatives else []),
    ):
        for dependency in found:
            yield f"{tag}: {dependency}"
    yield from facts.PREAMBLE.get(name, ())
    yield from package.extra_preamble


def _needed_users(package: Package, known: Accounts) -> frozenset[str]:
    users = {entry.user for entry in package.entries} - known.users
    groups = {entry.group for entry in package.entries} - known.groups
    needed = {f"user({user})" for user in users} | {f"group({group})" for group in groups}
    return frozenset(needed) - package.effects.provided_users


def file_line(entry: Entry, config_files: frozenset[str]) -> str:
    """The line for one path in %files."""
    words = []
    if not entry.is_roots:
        words.append(f"%attr({entry.mode:04o},{entry.user},{entry.group})")
    if entry.kind == "dir":
        words.append("%dir")
    elif entry.path in config_files:
        words.append("%config(noreplace)")
    if capabilities := facts.CAPABILITIES.get(entry.path):
        words.append(f"%caps({capabilities})")
    return " ".join([*words, _quoted(entry.path)])


def _quoted(path: str) -> str:
    # rpm takes a name as a glob, and keeps backslashes, only if the glob is complete.
    if re.search(r"[*?]|\[.*\]|\{.*\}", path):
        path = re.sub(r"([\\*?\[\]{}])", r"\\\1", path)
    return f'"/{_escape(path)}"'


def _ghost_line(path: str) -> str:
    mode = "0600" if path.endswith(".img") else "0644"
    return f'%ghost %attr({mode},root,root) "/{path}"'


def _scriptlets(package: Package) -> Iterable[str]:
    before, after, at_end = list(_add_users(package.effects.users)), list[str](), list[str]()
    (at_end if package.deb.name in facts.BEFORE_DPKG else after).extend(
        f"{_ALTERNATIVES} --install {line} || :" for line in package.effects.alternatives
    )
    after += [_add_shell(shell) for shell in package.effects.shells]
    after += _preset(package.units)
    if version := package.kernel_version:
        at_end.append(f"depmod -a {version} || :")
    if package.deb.name in facts.SCRIPTS:
        section, body = facts.SCRIPTS[package.deb.name]
        (after if section == "%post" else at_end).append(body)
    yield from _section("%pre", before)
    yield from _section("%post", after)
    yield from _section("%posttrans", at_end)
    removed = [*_remove_alternatives(package.effects), *_disable(package.units)]
    yield from _section("%preun", removed)
    yield from _section("%postun", [_drop_shell(shell) for shell in package.effects.shells])


def _section(header: str, lines: Sequence[str]) -> Iterable[str]:
    if lines:
        yield "\n".join([header, *map(_escape, lines)])


def _add_users(sysusers_lines: Iterable[str]) -> Iterable[str]:
    for line in sysusers_lines:
        kind, name, *_ = line.split()
        home = line.rsplit(maxsplit=1)[1]
        yield f"getent group {name} >/dev/null || groupadd -r {name}"
        if kind == "u":
            yield (
                f"getent passwd {name} >/dev/null ||"
                f" useradd -r -g {name} -d {home} -M -s /usr/sbin/nologin -c {name} {name}"
            )


def _add_shell(path: str) -> str:
    # In place, as shells of other distributions do: this catches a writable hardlink to the base.
    return f"grep -qxF {path} /etc/shells || echo {path} >> /etc/shells"


def _drop_shell(path: str) -> str:
    return f'[ "$1" != 0 ] || [ ! -f /etc/shells ] || sed -i "\\,^{path}$,d" /etc/shells'


def _preset(units: Sequence[str]) -> list[str]:
    if not units:
        return []
    command = f"systemctl --no-reload preset {' '.join(units)} >/dev/null 2>&1"
    return [f'[ "$1" != 1 ] || [ ! -x /usr/bin/systemctl ] || {command} || :']


def _disable(units: Sequence[str]) -> list[str]:
    if not units:
        return []
    command = f"systemctl --no-reload disable --now {' '.join(units)} >/dev/null 2>&1"
    return [f'[ "$1" != 0 ] || [ ! -x /usr/bin/systemctl ] || {command} || :']


def _remove_alternatives(effects: Effects) -> Iterable[str]:
    for line in effects.alternatives:
        _, name, path, *_ = line.split()
        yield f'[ "$1" != 0 ] || {_ALTERNATIVES} --remove {name} {path} || :'
