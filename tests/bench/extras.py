"""Targets that are no command's time: progress, disk, requests; each is a `Fact` of the report.

python -m tests.bench.extras told VERB...     run pkglayer, then tell what its progress cost
"""

import functools
import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from tests.bench.cases import MANY_NAMES, PROGRAM
from tests.bench.fixtures import Fixtures
from tests.bench.measure import run
from tests.bench.stage import Stage
from tests.support.repos import repo_file
from tests.support.servers import http_server


@dataclass(frozen=True)
class Fact:
    """One measured value that is no row of the tables."""

    what: str
    base_files: int
    value: str


def measure_bare(stage: Stage, made: Fixtures) -> Iterator[Fact]:
    """Facts that need a bare sysroot: what progress costs, what a refresh asks for."""
    files = stage.base.files
    stage.enable(("many",))
    stage.chill()
    stage.forget()
    yield Fact("progress on a terminal, of the CPU of install-50-cold", files, _progress(stage))
    stage.restore()
    with http_server(made.repos) as server:
        url = f"{server.url}/index"
        where = stage.deployment / "etc/yum.repos.d"
        (where / "index.repo").write_text(repo_file("index", url, metadata_expire=86400))
        (where / "many.repo").unlink()
        for what in ("cold", "again, nothing changed"):
            server.requests.clear()
            run(PROGRAM, "refresh-md", "--refresh", "--sysroot", stage.path)
            sizes = [made.repos / path.lstrip("/") for path in server.paths()]
            amount = sum(p.stat().st_size for p in sizes if p.is_file())
            text = f"requests: {len(sizes)}; {amount / 1e6:.3f} MB"
            yield Fact(f"metadata of 70,000 packages by HTTP, {what}", files, text)


def measure_fifty(stage: Stage) -> Iterator[Fact]:
    """What a second state with the same layer adds to the disk, beside the base's own update."""
    stage.enable(("many",))
    stage.publish(stage.base.v2)
    run("ostree", "pull", f"--repo={stage.repo}", "origin", stage.base.ref)
    before = _objects(stage)
    run(PROGRAM, "upgrade", "--quiet", "--sysroot", stage.path)
    added = {path: size for path, size in _objects(stage).items() if path not in before}
    content = [size for path, size in added.items() if path.endswith(".file")]
    rest = sum(added.values()) - sum(content)
    yield Fact(
        "objects that the same 50 packages on a new base add",
        stage.base.files,
        f"{len(content)} files, {sum(content) / 1e6:.1f} MB (the largest, the new state's rpmdb, "
        f"{max(content, default=0) / 1e6:.1f} MB); {len(added) - len(content)} directories and "
        f"commits, {rest / 1e6:.2f} MB",
    )
    own = [p.stat() for p in stage.deployment.rglob("*") if p.is_file() and not p.is_symlink()]
    single = [s for s in own if s.st_nlink == 1 and s.st_size]
    yield Fact(
        "files of its deployment that are no links into the repository",
        stage.base.files,
        f"{len(single)}, {sum(s.st_size for s in single) / 1e6:.2f} MB (its /etc)",
    )
    stage.restore()
    stage.publish(stage.base.v1)


def _objects(stage: Stage) -> dict[str, int]:
    found = (stage.repo / "objects").rglob("*.*")
    return {str(path): path.lstat().st_size for path in found}


def _progress(stage: Stage) -> str:
    words = ["install", *MANY_NAMES, "--sysroot", str(stage.path)]
    shown = run(sys.executable, "-m", "tests.bench.extras", "told", *words)
    told = json.loads(shown.strip().splitlines()[-1])
    share = told["progress_s"] / told["cpu_s"]
    return f"{share:.2%} ({told['calls']} calls, {told['progress_s'] * 1e3:.1f} ms)"


def tell() -> None:
    """Run pkglayer's command line with its progress on a terminal and clocks around that."""
    from pkglayer import log
    from pkglayer.cli.app import make_app

    spent: dict[str, float] = {"progress_s": 0.0, "calls": 0}

    def timed(method: Callable[..., None]) -> Callable[..., None]:
        @functools.wraps(method)
        def wrapper(*args: Any, **kwargs: Any) -> None:
            began = time.process_time()
            method(*args, **kwargs)
            spent["progress_s"] += time.process_time() - began
            spent["calls"] += 1

        return wrapper

    for name in ("start", "advance", "note", "done"):
        setattr(log.Lines, name, timed(getattr(log.Lines, name)))
    reader, terminal = os.openpty()
    threading.Thread(target=_drain, args=(reader,), daemon=True).start()
    sys.stderr = os.fdopen(terminal, "w")
    make_app(sys.argv[1:])(prog_name="pkglayer", standalone_mode=False)
    sys.stderr = sys.__stderr__
    used = os.times()
    cpu = used.user + used.system + used.children_user + used.children_system
    sys.stdout.write(json.dumps({**spent, "cpu_s": cpu}) + "\n")


def _drain(terminal: int) -> None:
    while os.read(terminal, 1 << 16):
        pass


if __name__ == "__main__":
    del sys.argv[1]
    tell()
