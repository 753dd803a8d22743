"""Declared layers: the TOML format, its checks, and how layers become requests.

A layer file says which packages every next state shall have. This module turns text into values and
names file, line and key of whatever is wrong; `system.layerfiles` finds and reads the files.
"""

import difflib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Any, NoReturn

from pkglayer.model.errors import ConfigError, UsageError
from pkglayer.model.request import POLICIES, SOURCE_PREFIX, Want, parse_spec
from pkglayer.model.scriptrules import Rule, RuleError, parse_rules

SUFFIX = ".toml"
SHIPPED = PurePosixPath("/usr/lib/pkglayer/layers.d")
"""Where the base's layers are; `WRITTEN` the administrator's."""
WRITTEN = PurePosixPath("/etc/pkglayer/layers.d")


@dataclass(frozen=True)
class Key:
    """One key of the format: its type, its default and what it means (the documentation's text)."""

    name: str
    kind: type
    default: object
    meaning: str


KEYS = (
    Key("description", str, "", "One line for people, shown by `layer list`."),
    Key(
        "packages",
        list,
        [],
        "What to layer: names, NEVRAs, globs, capabilities, file paths, version comparisons and "
        "@groups, as `install` takes them, but no local RPM files. At least one.",
    ),
    Key(
        "recommends",
        bool,
        True,
        "Whether the weak dependencies of these packages come along.",
    ),
    Key(
        "on-conflict",
        str,
        "",
        "What happens when one of them cannot be had on a new base: `fail`, `hold` or `skip`; "
        "empty for what the settings say. Earlier versions spelled it `on_conflict`, which is read "
        "as well.",
    ),
    Key(
        "exclude",
        list,
        [],
        "Globs of packages that must not come along, whoever recommends or offers them.",
    ),
    Key(
        "scripts",
        list,
        [],
        "Rows about scriptlets, each a table `[[scripts]]` as **pkglayer.toml**(5) has them in "
        "`[[scripts.rules]]`, whose own rows come first.",
    ),
)
"""Every key there is; an unknown one is an error, since ignoring it would lose a wish silently.

`_` in a key is read as `-`, which is how settings are spelled.
"""


@dataclass(frozen=True)
class Layer:
    """One layer file. `name` is the file's name without `.toml`; `filename` says where it was."""

    name: str
    packages: tuple[str, ...]
    description: str = ""
    recommends: bool = True
    filename: str = ""
    on_conflict: str = ""
    exclude: tuple[str, ...] = ()
    scripts: tuple[Rule, ...] = ()

    @property
    def source(self) -> str:
        """What the requests of this layer carry as their source."""
        return SOURCE_PREFIX + self.name


def parse_layer(text: str, filename: str) -> Layer:
    """Read one layer file; raises ConfigError that names file, line and key."""
    import tomllib  # most machines have no such file, and its parser is slow to load

    try:
        data = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as e:
        found = re.search(r"at line (\d+)", str(e))
        line = found[1] if found else len(text.splitlines())
        raise ConfigError(
            f"{filename}:{line}: not valid TOML: {e}", hint="a list is written packages = ['vim']"
        ) from e
    values: dict[str, Any] = {key.name: key.default for key in KEYS}
    for name, value in data.items():
        key = name.replace("_", "-")
        if key != name and key in data:
            _fail(filename, text, name, f"'{_shown(name)}' is there as '{_shown(key)}' already")
        _check(name, key, value, text, filename)
        values[key] = value
    if not values["packages"]:
        _fail(filename, text, "packages", "a layer needs at least one package")
    name = layer_name(filename)
    return Layer(
        name=name,
        packages=tuple(dict.fromkeys(values["packages"])),
        description=values["description"],
        recommends=values["recommends"],
        filename=filename,
        on_conflict=values["on-conflict"],
        exclude=tuple(dict.fromkeys(values["exclude"])),
        scripts=_parse_scripts(values["scripts"], SOURCE_PREFIX + name, text, filename),
    )


def _parse_scripts(value: object, source: str, text: str, filename: str) -> tuple[Rule, ...]:
    try:
        return parse_rules(value, source)
    except RuleError as e:
        _fail(filename, text, "scripts", f"'scripts': {e}")


def layer_name(filename: str) -> str:
    """The layer's name, from its file's name; raises ConfigError for a name that cannot be one."""
    name = filename.rpartition("/")[2].removesuffix(SUFFIX)
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,127}", name):
        raise ConfigError(
            f"{filename!r} is no name for a layer file",
            hint="use letters, digits, and . _ + - within the name",
        )
    return name


def merge_layers(shipped: Mapping[str, str], written: Mapping[str, str]) -> tuple[Layer, ...]:
    """The layers in force, by name, from file name -> text of both places.

    A file the administrator has written hides the shipped one of the same name; an empty text (an
    empty file, or a link to /dev/null) switches the layer off.
    """
    texts = {
        **{name: (SHIPPED, text) for name, text in shipped.items()},
        **{name: (WRITTEN, text) for name, text in written.items()},
    }
    return tuple(
        parse_layer(text, f"{directory}/{name}")
        for name, (directory, text) in sorted(texts.items())
        if text.strip()
    )


def to_wants(layers: Iterable[Layer]) -> tuple[Want, ...]:
    """The requests of these layers, each with `layer:NAME` as its source.

    A declared request may be inactive: that the base has the package is what the layer wants.
    """
    return tuple(
        replace(
            want,
            source=layer.source,
            recommends=layer.recommends,
            allow_inactive=True,
            on_conflict=layer.on_conflict,
            exclude=layer.exclude,
        )
        for layer in layers
        for want in map(parse_spec, layer.packages)
    )


def _check(name: str, known_as: str, value: Any, text: str, filename: str) -> None:
    key = next((k for k in KEYS if k.name == known_as), None)
    if key is None:
        near = difflib.get_close_matches(known_as, [k.name for k in KEYS], n=1)
        known = ", ".join(k.name for k in KEYS)
        _fail(
            filename, text, name, f"unknown key '{_shown(name)}'",
            hint=f"did you mean '{near[0]}'?" if near else f"the keys are: {known}",
        )  # fmt: skip
    if type(value) is not key.kind:
        _fail(filename, text, name, f"'{name}' must be {_words(key.kind)}, not {_toml(value)}")
    if key.name == "on-conflict" and value not in POLICIES:
        words = ", ".join(f"'{p}'" for p in POLICIES)
        _fail(filename, text, name, f"'{name}' must be one of {words}, not '{_shown(str(value))}'")
    if isinstance(value, list) and name != "scripts":
        for item in value:
            _check_spec(item, name, text, filename)


def _check_spec(item: Any, name: str, text: str, filename: str) -> None:
    if not isinstance(item, str):
        _fail(filename, text, name, f"'{name}' must hold strings, not {_toml(item)}")
    line = _line_of_item(text, name, item)
    try:
        want = parse_spec(item)
    except UsageError as e:
        raise _error(filename, line, name, f"'{name}': {e.message}", e.hint) from e
    if want.kind == "local":
        why = f"'{name}' names the file '{_shown(item)}', and a layer file cannot hold local RPMs"
        by_command = f"install it by command: pkglayer install {_shown(item)}"
        raise _error(filename, line, name, why, by_command)


def _fail(filename: str, text: str, key: str, why: str, hint: str = "") -> NoReturn:
    raise _error(filename, _line_of(text, key), key, why, hint)


def _error(filename: str, line: int, key: str, why: str, hint: str) -> ConfigError:
    return ConfigError(
        f"{filename}:{line}: {why}",
        hint=hint or "man pkglayer-layer shows the format",
        data={"file": filename, "line": line, "key": key},
    )


def _line_of(text: str, key: str) -> int:
    """The line of a top-level key or table, counted from 1; 1 where it is written another way."""
    pattern = re.compile(rf"""^\s*\[*\s*["']?{re.escape(key)}["']?\s*[].=]""")
    lines = enumerate(text.splitlines(), 1)
    return next((number for number, line in lines if pattern.match(line)), 1)


def _line_of_item(text: str, key: str, item: str) -> int:
    start = _line_of(text, key)
    rest = text.splitlines()[start - 1 :]
    return next((n for n, line in enumerate(rest, start) if item and item in line), start)


def _shown(text: str) -> str:
    return text[:60].encode("unicode_escape").decode()


def _words(kind: type) -> str:
    return {str: "a string", bool: "true or false", list: "a list of strings"}[kind]


def _toml(value: Any) -> str:
    names = {str: "a string", bool: "a boolean", int: "a number", float: "a number", list: "a list"}
    return names.get(type(value), "a table" if isinstance(value, dict) else "a date")
