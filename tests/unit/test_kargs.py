"""Kernel arguments: splitting, and each kind of change."""

import pytest

from pkglayer.model.errors import UsageError
from pkglayer.model.kargs import KargChanges, change_kargs, diff_kargs, parse_kargs

NOW = ("root=LABEL=root", "rw", "console=tty0", "console=ttyS0", "quiet")


def test_splits_as_the_kernel_does() -> None:
    text = 'root=/dev/sda  dyndbg="file a.c +p; file b.c" ostree=/ostree/boot.0/x quiet\n'
    assert parse_kargs(text) == ("root=/dev/sda", 'dyndbg="file a.c +p; file b.c"', "quiet")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (KargChanges(append=("quiet",)), (*NOW, "quiet")),
        (KargChanges(append_if_missing=("quiet", "nosmt")), (*NOW, "nosmt")),
        (KargChanges(append=("x=a b",)), (*NOW, 'x="a b"')),
        (KargChanges(delete=("quiet",)), NOW[:-1]),
        (KargChanges(delete=("console=tty0",)), (*NOW[:2], *NOW[3:])),
        (KargChanges(delete_if_present=("nosmt",)), NOW),
        (KargChanges(replace=("root=LABEL=new",)), ("root=LABEL=new", *NOW[1:])),
        (KargChanges(replace=("console=tty0=tty1",)), (*NOW[:2], "console=tty1", *NOW[3:])),
        (KargChanges(delete=("quiet",), append=("quiet",)), NOW),
    ],
)
def test_changes(changes: KargChanges, expected: tuple[str, ...]) -> None:
    assert change_kargs(NOW, changes) == expected


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (KargChanges(delete=("nosmt",)), "there is no kernel argument 'nosmt'"),
        (KargChanges(delete=("console",)), "several times: console=tty0, console=ttyS0"),
        (KargChanges(replace=("nosmt=1",)), "no kernel argument 'nosmt' to replace"),
        (KargChanges(replace=("console=x",)), "several times"),
        (KargChanges(replace=("quiet",)), "has no new value"),
        (KargChanges(append=("ostree=/x",)), "is no kernel argument"),
        (KargChanges(append=("",)), "is no kernel argument"),
        (KargChanges(append=("a\nb",)), "is no kernel argument"),
        (KargChanges(append=('a" b',)), "has no end"),
    ],
)
def test_refuses(changes: KargChanges, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        change_kargs(NOW, changes)
    assert said in caught.value.message


def test_tells_what_went_and_came() -> None:
    assert diff_kargs(("a", "b", "b"), ("b", "c")) == (["a", "b"], ["c"])
