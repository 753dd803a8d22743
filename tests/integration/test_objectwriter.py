"""Objects written without libostree are those that libostree itself would have written."""

from collections.abc import Iterable
from functools import partial
from pathlib import Path

import pytest

from pkglayer.model.objects import Xattrs
from pkglayer.system.objectwriter import ObjectWriter, QuickWriter
from pkglayer.system.repo import Repo, open_repo
from tests.support.ostree import run_ostree

CAPABILITY = b"\1\0\0\2\0\4" + bytes(14)


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    run_ostree("init", f"--repo={tmp_path}/repo", "--mode=bare")
    return open_repo(tmp_path / "repo")


@pytest.mark.parametrize("size", [0, 5, 3_000_000])
@pytest.mark.parametrize("pieces", [1, 2])
@pytest.mark.parametrize(
    ("mode", "xattrs"),
    [
        (0o644, ()),
        (0o4755, ()),
        (0o755, ((b"security.capability\0", CAPABILITY),)),
        (0o600, ((b"user.a\0", b"x" * 205), (b"user.b\0", b"z"))),
        (0o600, ((b"user.a\0", b"x" * 230),)),
        (0o600, ((b"user.a\0", b"x" * 300),)),
    ],
)
def test_files_have_the_checksum_of_libostree(
    repo: Repo, size: int, pieces: int, mode: int, xattrs: Xattrs
) -> None:
    data = b"y" * size
    chunks = [data] if pieces == 1 else [data[: size // 2], data[size // 2 :]]
    with repo.transaction(), repo.content() as writer:
        ours = writer.write_file(chunks, mode, xattrs)
        assert ours == repo.write_file([data], size, mode, xattrs=xattrs)
    info = repo.read_info(ours)
    assert (info.mode & 0o7777, info.size, info.xattrs) == (mode, size, xattrs)
    assert repo.object_path(ours).stat().st_mtime == 0


@pytest.mark.parametrize("target", ["a", "../x/y", "\u00e9" * 130, "z" * 230, "z" * 240, "z" * 999])
def test_links_have_the_checksum_of_libostree(repo: Repo, target: str) -> None:
    with repo.transaction(), repo.content() as writer:
        ours = writer.write_symlink(target)
        assert ours == repo.write_symlink(target)
    assert repo.read_info(ours).target == target


def test_nothing_appears_when_the_body_fails(repo: Repo) -> None:
    written = []
    with pytest.raises(ZeroDivisionError), repo.transaction(), repo.content() as writer:
        written.append(writer.write_file([b"data"], 0o644))
        raise ZeroDivisionError
    assert not repo.object_path(written[0]).exists()
    assert list((repo.path / "tmp").glob("pkglayer-objects-*")) == []


def test_an_object_that_is_there_keeps_its_inode(repo: Repo) -> None:
    inodes = []
    for _ in range(2):
        with repo.transaction(), repo.content() as writer:
            checksum = writer.write_file([b"data"], 0o644)
        inodes.append(repo.object_path(checksum).stat().st_ino)
    assert inodes[0] == inodes[1]


def test_what_a_killed_writer_left_is_no_object(tmp_path: Path, repo: Repo) -> None:
    ObjectWriter(repo.path).write_file([b"data"], 0o644)
    assert "no errors" in run_ostree("fsck", f"--repo={tmp_path}/repo")


@pytest.mark.parametrize("threads", [0, 3])
def test_quick_writing_gives_the_same(repo: Repo, threads: int) -> None:
    contents = [b"%d" % n * (n + 1) for n in range(200)] + [b"large" * 300_000]
    with repo.transaction(), repo.content() as writer:
        quick = QuickWriter(writer, threads)
        with quick.started():
            found = [
                quick.write(partial(writer.write_file, mode=0o644), [c], len(c)) for c in contents
            ]
            checksums = [get() for get in found]
        assert checksums == [repo.write_file([c], len(c), 0o644) for c in contents]
    assert repo.read_object(checksums[7]) == contents[7]


def test_a_failure_in_a_thread_is_told(repo: Repo) -> None:
    def fail(_chunks: Iterable[bytes]) -> str:
        raise ZeroDivisionError

    with repo.transaction(), repo.content() as writer:
        quick = QuickWriter(writer, 2)
        with quick.started():
            rows = [quick.write(fail, [b"x"], 1) for _ in range(100)]
        for get in rows:
            with pytest.raises(ZeroDivisionError):
                get()
