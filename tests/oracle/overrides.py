"""Packages of the base that are replaced, updated or removed: by pkglayer's overrides, and by rpm.

Each change starts from the bare base. What pkglayer builds in one transaction is one for rpm too.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.oracle.corpus import BASE_FILES, Packages, both_classes, build_packages, show
from tests.support.rpms import Entry, RpmTree, Script, Trigger, config, ghost
from tests.support.trees import Dir, File, Hardlink, Link, Node

KINDS = ("pretrans", "pre", "post", "preun", "postun", "posttrans")
UN_TRIGGERS = ("triggerin", "triggerun", "triggerpostun")
FILE_TRIGGERS = ("filetriggerin", "filetriggerun", "filetriggerpostun")
TRANS_TRIGGERS = ("transfiletriggerin", "transfiletriggerun", "transfiletriggerpostun")

_CONFIGS = [
    (f"etc/changing/{'n' if keep else 'r'}-{base}-{new}", keep, base, new)
    for keep in (True, False)
    for base in ("kept", "edited", "lost")
    for new in ("same", "other", "gone")
]
"""Configuration files: whether `noreplace`; what the base did to them after their package came;
what the new package has."""


def _scripts(label: str, *kinds: str) -> dict[str, Script]:
    return {kind: f'echo "{label} {kind} $*" >> /etc/journal' for kind in kinds or KINDS}


def _triggers(on: str, prefix: str, label: str) -> list[Trigger]:
    found = [Trigger(kind, on, show(f"{label} {kind}")) for kind in UN_TRIGGERS]
    for number, kind in enumerate((*FILE_TRIGGERS, *TRANS_TRIGGERS)):
        for priority in (200_000 + number, 50 + number):
            found.append(Trigger(kind, prefix, show(f"{label} {kind} {priority}"), priority))
    return found


def _configs(version: int) -> RpmTree:
    rows: dict[str, Entry] = {}
    for path, keep, _, new in _CONFIGS:
        if version > 1 and new == "gone":
            continue
        text = f"of version {version}\n" if new == "other" else "the same\n"
        rows[path] = config(text, noreplace=keep)
    return rows


def _changing(version: int, **more: Any) -> dict[str, Any]:
    files: dict[str, Node | Entry] = {
        "usr/share/changing": Dir(0o755),
        "usr/share/changing/same": "same\n",
        "usr/share/changing/other": f"{version}\n",
        f"usr/share/changing/only-{version}": "x",
        f"usr/share/changing/dir-{version}": Dir(0o750),
        f"usr/share/changing/dir-{version}/file": "x",
        "usr/share/changing/link": Link(f"only-{version}"),
        "usr/share/changing/turns": "a file\n" if version == 1 else Link("same"),
        "usr/share/changing/a": f"hard {version}\n",
        "usr/share/changing/b": Hardlink("usr/share/changing/a"),
        "usr/share/changing/mode": File("x", 0o4755 if version == 1 else 0o755),
        "usr/bin/changing": File("x", 0o755, caps="" if version == 1 else "cap_net_raw=ep"),
        "usr/share/shared/common": "common\n",
        "usr/share/changing/owned": Entry(File("x", 0o640), "changer", "changer"),
        "usr/share/doc/changing/README": Entry(File(f"{version}\n"), tag="%doc"),
        "usr/share/changing/ghost": ghost(),
        "var/lib/changing": Dir(0o700),
        **_configs(version),
    }
    if version > 1:
        files |= {"var/lib/changing/data": "data\n", "opt/changing/file": "x"}
    scripts = _scripts(f"changing-{version}")
    scripts["pre"] = f"getent passwd changer || useradd -r changer; {scripts['pre']}"
    triggers = _triggers("sharing", "/usr/share/shared", f"changing-{version}")
    triggers += [Trigger(kind, "changing", show(f"self-{version} {kind}")) for kind in UN_TRIGGERS]
    words = {"version": str(version), "files": files, "scripts": scripts, "triggers": triggers}
    return words | more


def _leaving(name: str, requires: Sequence[str] = ()) -> dict[str, Any]:
    return {
        "requires": requires,
        "files": {
            f"usr/share/{name}": Dir(0o755), f"usr/share/{name}/x": "x",
            f"usr/share/{name}/d": Dir(), f"etc/{name}/kept": config("k\n"),
            f"etc/{name}": Dir(0o750), f"etc/{name}/edited": config("e\n"),
            f"etc/{name}/replaced": config("e\n", noreplace=False),
            f"etc/{name}/plain": "p\n", "usr/share/shared/common": "common\n",
            f"var/lib/{name}": Dir(0o700), f"usr/share/{name}/ghost": ghost(),
            f"usr/bin/{name}": File("#!/bin/sh\n", 0o4755), f"usr/bin/{name}-link": Link(name),
        },
        "scripts": _scripts(name),
        "triggers": _triggers("sharing", "/usr/share/shared", name),
    }  # fmt: skip


BASE: Packages = {
    "sharing": {"files": {"usr/share/shared/common": "common\n", "usr/share/shared/sharing": "x"},
                "scripts": _scripts("sharing")},
    "watching": {"triggers": [
        *_triggers("changing", "/usr/share/changing", "watching changing"),
        *_triggers("leaving", "/usr/share/leaving", "watching leaving"),
        Trigger("triggerun", "changing < 2", show("watching old")),
        Trigger("triggerprein", "changing", show("watching prein")),
        Trigger("filetriggerun", "/usr/share/changing /usr/share/leaving", ("<lua>",
                ('f = io.open("/etc/journal", "a"); l = rpm.next_file(); while l do '
                 'f:write("lua ", l, "\\n"); l = rpm.next_file() end; f:close()')), 150_000),
    ]},
    "changing": _changing(1),
    "leaving": _leaving("leaving"),
    "needing": _leaving("needing", ["leaving"]),
    "plain": {"files": {"usr/share/plain/x": "1"}, "scripts": _scripts("plain-1")},
    **both_classes("twice", {"usr/share/twice": "1"}),
}  # fmt: skip

NEW: Mapping[str, Packages] = {
    "2": {"changing": _changing(2)},
    "3": {"changing": _changing(3, scripts=_scripts("changing-3", "post", "postun"), triggers=[])},
    "0": {"changing": _changing(0)},
    "plain": {"plain": {"version": "2", "files": {"usr/share/plain/x": "2"},
                        "scripts": _scripts("plain-2")}},
    "twice": both_classes("twice", {"usr/share/twice": "2"}, version="2"),
    "coming": {"coming": {"requires": ["plain >= 2"], "files": {"usr/share/changing/coming": "x"},
                          "scripts": _scripts("coming"), "triggers":
                          _triggers("plain", "/usr/share/plain", "coming")}},
}  # fmt: skip
"""Packages that take the place of the base's, by a name for them."""


@dataclass(frozen=True)
class Change:
    """`replace` and `install` name rows of `NEW`, `remove` packages of the base."""

    title: str
    replace: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()
    install: tuple[str, ...] = ()

    def ours(self, rpms: Mapping[str, Sequence[Path]]) -> list[str]:
        """The words for pkglayer."""
        files = [str(path) for name in self.replace for path in rpms[name]]
        if files:
            return ["override", "replace", *files, *(f"--no-gpg-check={f}" for f in files)]
        if self.remove:
            return ["override", "remove", *self.remove]
        return ["install", "--allow-base-updates", *self.install]

    def rpms(self, came: Sequence[Path]) -> list[str]:
        """The words for rpm; `came` are the files of the packages that pkglayer put there."""
        if self.remove:
            return ["--erase", *self.remove]
        return ["--upgrade", "--oldpackage", *map(str, came)]


CHANGES = (
    Change("a newer version", replace=("2",)),
    Change("a newer version with other scriptlets", replace=("3",)),
    Change("an older version", replace=("0",)),
    Change("two at once", replace=("plain", "2")),
    Change("of two classes", replace=("twice",)),
    Change("removed", remove=("needing",)),
    Change("removed with what needs it", remove=("leaving", "needing")),
    Change("removed although others watch it", remove=("changing",)),
    Change("the owner of triggers removed", remove=("watching",)),
    Change("one of two classes removed", remove=("plain", "sharing")),
    Change("updated for a layered package", install=("coming",)),
)


def base_files() -> dict[str, Node]:
    """What the base has beside its packages, edited configuration among it."""
    edited = {path: "edited in the base\n" for path, _, base, _ in _CONFIGS if base == "edited"}
    more = {
        f"etc/{name}/{file}": "edited in the base\n"
        for name in ("leaving", "needing") for file in ("edited", "replaced", "unowned")
    }  # fmt: skip
    return {**BASE_FILES, **edited, **more, "usr/share/leaving/d/left": "nobody's\n"}


def lost_files() -> list[str]:
    """Configuration files that the base removed after their package came."""
    return [path for path, _, base, _ in _CONFIGS if base == "lost"]


def build(directory: Path) -> tuple[list[Path], dict[str, list[Path]]]:
    """The base's packages, and those of `NEW` by their name there."""
    base = build_packages(directory / "base", BASE)
    return base, {name: build_packages(directory / "new", rows) for name, rows in NEW.items()}
