"""Bytes that claim to be a directory object are read or refused, and nothing else."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pkglayer.model.objects import DirTree, parse_dirtree

ONE_FILE = b"a\0" + b"\1" * 32 + b"\2" + b"\x23" + b"\x24"
"""By hand: the row (name, checksum, where the name ends), where the row ends, where the files."""


def test_reads_a_directory_with_one_file() -> None:
    assert parse_dirtree(ONE_FILE) == DirTree({"a": "01" * 32}, {})


@pytest.mark.parametrize("length", range(1, len(ONE_FILE)))
def test_refuses_a_directory_that_was_cut_short(length: int) -> None:
    with contextlib.suppress(ValueError):
        assert parse_dirtree(ONE_FILE[:length]).files != {"a": "01" * 32}


@given(st.binary(max_size=600))
def test_fails_in_one_way_only(data: bytes) -> None:
    with contextlib.suppress(ValueError):
        parse_dirtree(data)
