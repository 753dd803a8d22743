"""Kernel arguments as a list, and the changes that can be asked for; pure.

Words are split as libostree splits them: at white space outside double quotes. `ostree=` is
libostree's own word, different for every deployment, and never part of a list here.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pkglayer.model.errors import UsageError


@dataclass(frozen=True)
class KargChanges:
    """What to change, each as `KEY` or `KEY=VALUE`; done in the order of the fields.

    `replace` is `KEY=NEW`, or `KEY=OLD=NEW` where a key is there several times.
    """

    delete: tuple[str, ...] = ()
    delete_if_present: tuple[str, ...] = ()
    replace: tuple[str, ...] = ()
    append: tuple[str, ...] = ()
    append_if_missing: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return any(
            (self.delete, self.delete_if_present, self.replace, self.append, self.append_if_missing)
        )


def parse_kargs(text: str) -> tuple[str, ...]:
    """The words of a command line; raises UsageError for a quote that does not end."""
    words, word, quoted = [], "", False
    for char in text:
        if char.isspace() and not quoted:
            words.append(word)
            word = ""
            continue
        quoted ^= char == '"'
        word += char
    if quoted:
        raise UsageError("a double quote in the kernel arguments has no end", hint="close it")
    return tuple(w for w in [*words, word] if w and not w.startswith("ostree="))


def change_kargs(now: Sequence[str], changes: KargChanges) -> tuple[str, ...]:
    """The arguments after the changes; raises UsageError for one that cannot be made."""
    words = list(now)
    for item in changes.delete:
        _delete(words, item)
    for item in changes.delete_if_present:
        if _matches(words, item):
            _delete(words, item)
    for item in changes.replace:
        _replace(words, item)
    for item in changes.append:
        words += _checked(item)
    for item in changes.append_if_missing:
        words += [w for w in _checked(item) if w not in words]
    return tuple(words)


def diff_kargs(before: Sequence[str], after: Sequence[str]) -> tuple[list[str], list[str]]:
    """Which words went, which came, each with its number of times."""
    return _without(before, after), _without(after, before)


def _without(words: Sequence[str], others: Iterable[str]) -> list[str]:
    left = list(words)
    for other in others:
        if other in left:
            left.remove(other)
    return left


def _checked(item: str) -> list[str]:
    """One argument, whole; quotes are put around a value with white space."""
    if not item.strip() or item.startswith(("ostree=", "=")) or not item.isprintable():
        raise UsageError(f"'{item[:40]}' is no kernel argument", hint="give KEY or KEY=VALUE")
    if any(c.isspace() for c in item) and '"' not in item:
        key, equals, value = item.partition("=")
        item = f'{key}="{value}"' if equals else f'"{item}"'
    if len(parse_kargs(item)) != 1:
        raise UsageError(f"'{item[:40]}' is more than one argument", hint="name each by itself")
    return [item]


def _matches(words: Sequence[str], item: str) -> list[str]:
    return [w for w in words if w == item or ("=" not in item and w.partition("=")[0] == item)]


def _delete(words: list[str], item: str) -> None:
    found = _matches(words, item)
    if not found:
        raise UsageError(
            f"there is no kernel argument '{item}'", hint="pkglayer kargs lists them"
        )
    if len(set(found)) > 1:
        raise UsageError(
            f"'{item}' is there several times: {', '.join(found)}", hint="name it with its value"
        )
    words.remove(found[0])


def _replace(words: list[str], item: str) -> None:
    key, equals, value = item.partition("=")
    if not equals:
        raise UsageError(f"'{item}' has no new value", hint=f"give {item}=VALUE")
    found = _matches(words, key)
    old, has_old, new = value.partition("=")
    if has_old and f"{key}={old}" in found:
        found, value = [f"{key}={old}"], new
    if not found:
        raise UsageError(
            f"there is no kernel argument '{key}' to replace", hint=f"add it: --append {item}"
        )
    if len(found) > 1:
        raise UsageError(
            f"'{key}' is there several times: {', '.join(found)}",
            hint=f"say which: --replace {key}=OLD=NEW",
        )
    words[words.index(found[0])] = _checked(f"{key}={value}")[0]
