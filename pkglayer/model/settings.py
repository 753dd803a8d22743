"""pkglayer's own settings, `/etc/pkglayer/pkglayer.toml`: every key, its default and its meaning.

`KEYS` is the one table of them: validation, defaults, documentation and tests read it.
`parse_settings(text, filename)` is pure; `system.config.read_settings` finds and reads the file.
Repositories are not configured here but in `.repo` files, as for dnf.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pkglayer.model.errors import ConfigError
from pkglayer.model.request import POLICIES
from pkglayer.model.scriptrules import SETTINGS_SOURCE, Rule, RuleError, parse_rules

SETTINGS_PATH = "pkglayer/pkglayer.toml"
"""Below /etc of the merge deployment."""


@dataclass(frozen=True)
class Settings:
    """All settings, validated; see `KEYS` for what each does. Sizes are in bytes, times in s."""

    gpgcheck: bool = True
    localpkg_gpgcheck: bool = True
    recommends: bool = True
    documentation: bool = True
    post_failure: str = "abort"
    script_timeout: int = 600
    script_memory: int = 2 * 1024**3
    script_processes: int = 512
    script_disk: int = 2 * 1024**3
    script_rules: tuple[Rule, ...] = ()
    keep_states: int = 1
    cachedir: str = "/var/cache/pkglayer"
    on_conflict: str = "fail"
    unattended: str = "skip"
    max_hold: int = 7
    repository_policy: Mapping[str, str] = field(default_factory=dict)
    sign_key: str = ""
    sign_trusted: tuple[str, ...] = ()
    base_updates: bool = False


class _Wrong(ValueError):
    """A value a key cannot have; the text completes "must be ..."."""


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise _Wrong("true or false")
    return value


def _number(low: int, high: int) -> Callable[[object], int]:
    def check(value: object) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
            raise _Wrong(f"a whole number from {low} to {high}")
        return value

    return check


_UNITS = {"": 1, "K": 1024, "M": 1024**2, "G": 1024**3}


def _size(value: object) -> int:
    """Bytes from `"512M"` (binary units K, M, G) or a plain number; at least one MiB."""
    match = re.fullmatch(r"(\d{1,12})([KMG]?)", str(value) if type(value) in (int, str) else "")
    if not match or (size := int(match[1]) * _UNITS[match[2]]) < _UNITS["M"]:
        raise _Wrong('a size of at least "1M", such as "512M" or "2G"')
    return size


def _choice(*allowed: str) -> Callable[[object], str]:
    def check(value: object) -> str:
        if value not in allowed:
            raise _Wrong(" or ".join(f'"{a}"' for a in allowed))
        return str(value)

    return check


def _absolute(value: object) -> str:
    parts = value.split("/") if isinstance(value, str) else []
    if len(parts) < 3 or parts[0] or {".", "..", ""} & set(parts[1:]):
        raise _Wrong('an absolute path below a directory, such as "/var/cache/pkglayer"')
    return str(value)


def _key_file(value: object) -> str:
    parts = value.split("/") if isinstance(value, str) else [""]
    if parts == [""] and value == "":
        return ""
    if parts[:2] not in (["", "etc"], ["", "var"]) or {".", "..", ""} & set(parts[1:]):
        raise _Wrong('a path below /etc or /var, such as "/etc/pkglayer/sign.asc"')
    return str(value)


def _key_files(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(value):
        raise _Wrong('a list of paths, such as ["/etc/pkglayer/old-key.asc"]')
    return tuple(map(_key_file, value))


def _policies(value: object) -> dict[str, str]:
    rows = value if isinstance(value, dict) else {"": ""}
    if not all(isinstance(k, str) and k and v in POLICIES for k, v in rows.items()):
        raise _Wrong('a table of repository ids and policies, such as { updates = "hold" }')
    return dict(rows)


def _rules(value: object) -> tuple[Rule, ...]:
    return parse_rules(value, SETTINGS_SOURCE)


@dataclass(frozen=True)
class Key:
    """One row: where the key stands in the file, which field it fills, its rule and its purpose."""

    table: str
    name: str
    field: str
    check: Callable[[object], Any]
    purpose: str


KEYS = (
    Key("packages", "gpgcheck", "gpgcheck", _flag,
        "check package signatures where neither the .repo file nor dnf.conf says so; libdnf's own "
        "default is no check, ours is safe"),
    Key("packages", "localpkg-gpgcheck", "localpkg_gpgcheck", _flag,
        "demand a trusted signature of RPM files given on the command line too"),
    Key("packages", "recommends", "recommends", _flag,
        "install weak dependencies (Recommends) of what is requested"),
    Key("packages", "documentation", "documentation", _flag,
        "install files that packages mark as documentation, such as manual pages; licences always "
        "come. It is rpm's --nodocs (dnf's tsflags=nodocs), for the packages of the layer alone"),
    Key("scripts", "post-failure", "post_failure", _choice("abort", "warn"),
        "what a failing %post, %posttrans or trigger does: abort leaves the system unchanged; warn "
        "records it and goes on, as rpm itself does. A failing %pre or %pretrans always aborts"),
    Key("scripts", "timeout", "script_timeout", _number(1, 86400),
        "seconds that one scriptlet may take"),
    Key("scripts", "memory", "script_memory", _size, "memory that one scriptlet may use"),
    Key("scripts", "processes", "script_processes", _number(8, 32768),
        "processes that may exist in one scriptlet at once"),
    Key("scripts", "disk", "script_disk", _size, "how large a file a scriptlet may write"),
    Key("scripts", "rules", "script_rules", _rules,
        "rows about scriptlets of certain packages, each a table [[scripts.rules]]; see RULES"),
    Key("states", "keep", "keep_states", _number(1, 100),
        "how many states stay to roll back to from the next change on, beside the pinned ones; "
        "where a state is running, it is the first of them"),
    Key("cache", "dir", "cachedir", _absolute,
        "where repository metadata and downloaded packages lie; must belong to root"),
    Key("conflicts", "default", "on_conflict", _choice(*POLICIES),
        "what happens when a request cannot be had on a new base: fail changes nothing, hold keeps "
        "the last good base and layer, skip goes on without it and tries again each time"),
    Key("conflicts", "unattended", "unattended", _choice(*POLICIES),
        "the same where nobody is at the terminal (upgrade --unattended, or no terminal at all)"),
    Key("conflicts", "max-hold", "max_hold", _number(0, 3650),
        "days that a base may be held back; after that status warns and upgrade fails loudly"),
    Key("conflicts", "repositories", "repository_policy", _policies,
        'policy of requests whose packages come from a repository: { updates = "hold" }'),
    Key("conflicts", "base-updates", "base_updates", _flag,
        "before a request is given up, let in the fewest newer packages of the base that it needs, "
        "until the base has them itself; for single requests: install --allow-base-updates"),
    Key("sign", "key", "sign_key", _key_file,
        "secret OpenPGP key that every layered commit is signed with: a file of gpg "
        "--export-secret-keys without a passphrase, root's, mode 0600; empty: commits are not "
        "signed"),
    Key("sign", "trusted", "sign_trusted", _key_files,
        "public keys that verify takes signatures of, beside the one above: those that were used "
        "before (with their revocation, if they were revoked), or another machine's"),
)  # fmt: skip


def parse_settings(text: str, filename: str = SETTINGS_PATH) -> Settings:
    """Read the file's text; raises ConfigError naming file, line and key for what is wrong."""
    import tomllib  # most machines have no such file, and its parser is slow to load

    try:
        tables = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as e:
        raise ConfigError(
            f"{filename}: not valid TOML: {e}", hint="correct the line", data={"file": filename}
        ) from e
    known = {(k.table, k.name): k for k in KEYS}
    values: dict[str, Any] = {}
    for table, content in tables.items():
        if not isinstance(content, Mapping):
            raise _error(text, filename, "", table, f"unknown key; {_nearby('', table)}")
        if not any(k.table == table for k in KEYS):
            raise _error(text, filename, table, "", f"unknown table; {_nearby(table, '')}")
        for name, value in content.items():
            key = known.get((table, name))
            if key is None:
                raise _error(text, filename, table, name, f"unknown key; {_nearby(table, name)}")
            try:
                values[key.field] = key.check(value)
            except RuleError as e:
                raise _error(text, filename, table, name, str(e)) from None
            except _Wrong as e:
                raise _error(text, filename, table, name, f"must be {e}, not {value!r}") from None
    return Settings(**values)


def _nearby(table: str, name: str) -> str:
    homes = [k.table for k in KEYS if k.name == name]
    if homes:
        return f"it belongs into [{homes[0]}]"
    if name and table:
        return "known here: " + ", ".join(k.name for k in KEYS if k.table == table)
    return "known tables: " + ", ".join(dict.fromkeys(f"[{k.table}]" for k in KEYS))


def _error(text: str, filename: str, table: str, name: str, why: str) -> ConfigError:
    line = _line_of(text, table, name)
    where = f"{filename}:{line}" if line else filename
    key = f"[{table}] {name}".strip() if table else name
    return ConfigError(
        f"{where}: {key}: {why}",
        hint="correct the line, or remove it to have the default",
        data={"file": filename, "line": line, "table": table, "key": name},
    )


def _line_of(text: str, table: str, name: str) -> int:
    """The line (from 1) a key stands on; 0 when it is written in a form not looked for."""
    current = ""
    for number, line in enumerate(text.splitlines(), 1):
        if header := re.match(r"\s*\[+\s*([^\[\]]+?)\s*\]", line):
            current = header[1].strip("'\"")
            if current == ".".join(filter(None, (table, name))):
                return number
        key = re.match(r"\s*([\w.'\" -]+?)\s*=", line)
        path = [p.strip(" '\"") for p in key[1].split(".")] if key else []
        if path and [*([current] if current else []), *path] == [*filter(None, (table, name))]:
            return number
    return 0
