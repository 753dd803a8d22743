"""A package imported in several parts is the package imported in one."""

import hashlib
from pathlib import Path

import pytest

from pkglayer.log import Quiet
from pkglayer.model.errors import PackageError
from pkglayer.model.header import Imported
from pkglayer.model.package import Package
from pkglayer.stages import importer
from pkglayer.system import rpmlib, workers
from pkglayer.system.repo import open_repo
from tests.support.ostree import run_ostree
from tests.support.rpms import build_rpm, corrupt
from tests.support.trees import File, Hardlink, Link, Node

FILES: dict[str, Node] = {
    **{f"usr/share/many/f{n}": File(f"content {n} " * (1 + 97 * n)) for n in range(40)},
    "usr/share/many/large": File(bytes(range(256)) * 10_000),
    "usr/share/many/link": Link("f1"),
    "usr/share/many/twin": Hardlink("usr/share/many/f2"),
    "usr/share/many/empty": File(""),
}


class Counted(Quiet):
    """Counts what is told to be done."""

    count = 0

    def advance(self, amount: int = 1, detail: str = "") -> None:
        self.count += amount


def import_into(repo: Path, rpms: list[Path], progress: Quiet | None = None) -> list[Imported]:
    run_ostree("init", f"--repo={repo}", "--mode=bare")
    rows = []
    for path in rpms:
        file = path.open("rb")
        header = rpmlib.read_header(rpmlib.read_head(file))
        size = path.stat().st_size
        rows.append((Package(header.nevra, "test", "", size, 0, path.name, "user"), file))
    try:
        return importer.import_packages(open_repo(repo), rows, progress or Quiet())
    finally:
        for _, file in rows:
            file.close()


@pytest.mark.parametrize("payload", ["w3.zstdio", "w3.gzdio"])
def test_parts_give_the_same_commits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, payload: str
) -> None:
    macros = {"_binary_payload": payload}
    large = build_rpm(tmp_path, "large", files=FILES, macros=macros)
    small = build_rpm(tmp_path, "small", files={"usr/bin/small": File("x")}, macros=macros)
    commits, counts = [], []
    for processors in (1, 2, 8):
        monkeypatch.setattr(workers, "count_processors", lambda n=processors: n)
        progress, repo = Counted(), tmp_path / f"repo{processors}"
        commits.append([i.commit for i in import_into(repo, [large, small], progress)])
        counts.append(progress.count)
        assert "no errors" in run_ostree("fsck", f"--repo={repo}")
    assert commits[0] == commits[1] == commits[2]
    assert counts == [2, 2, 2]


def test_every_part_notices_a_damaged_payload(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workers, "count_processors", lambda: 4)
    whole = build_rpm(tmp_path, "large", files=FILES, macros={"_binary_payload": "w3.zstdio"})
    damaged = corrupt(whole, whole.stat().st_size - 2_000)
    with pytest.raises(PackageError, match="large"):
        import_into(tmp_path / "repo", [damaged])


@pytest.mark.parametrize("processors", [1, 4])
def test_a_file_that_is_not_what_the_header_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, processors: int
) -> None:
    """As rpm refuses it, though nothing was damaged on the way: the maker's header is wrong."""
    monkeypatch.setattr(workers, "count_processors", lambda: processors)
    rpm = build_rpm(tmp_path, "large", files=FILES, macros={"_binary_payload": "w3.zstdio"})
    content = b"content 7 " * (1 + 97 * 7)
    told = hashlib.sha256(content).hexdigest().encode()
    assert rpm.read_bytes().count(told) == 1
    rpm.write_bytes(rpm.read_bytes().replace(told, told[::-1]))
    with pytest.raises(PackageError, match=r"/f7 of large-1-1\.noarch does not have"):
        import_into(tmp_path / "repo", [rpm])
    assert run_ostree("refs", f"--repo={tmp_path}/repo") == ""


def test_parts_have_each_path_once_and_hardlinks_together(tmp_path: Path) -> None:
    rpm = build_rpm(tmp_path, "large", files=FILES)
    with rpm.open("rb") as file:
        header = rpmlib.read_header(rpmlib.read_head(file))
    parts = importer.split_files(header, 3)
    assert sorted(p for part in parts for p in part) == sorted(e.path for e in header.files)
    linked = {e.path for e in header.files if e.hardlink >= 0}
    assert len(linked) == 2
    assert sum(bool(linked & part) for part in parts) == 1
    assert all(len(part) > 5 for part in parts)
