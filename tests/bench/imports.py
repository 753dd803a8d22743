"""The import alone: packages into commits, beside unpacking and committing them by hand.

python -m tests.bench.imports REPO RPM...     import these (what is measured)
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

from tests.bench.extras import Fact
from tests.bench.fixtures import HUGE_FILES, Fixtures, build_huge
from tests.bench.measure import Sample, measure, run
from tests.bench.report import Row, to_row

HERE = Path(__file__).parent


def measure_imports(
    made: Fixtures, work: Path, runs: int, say: Callable[[str], None]
) -> Iterator[Row]:
    """Rows of `import-50` and `import-big`, and of `import-none`, which is the programs' own start;
    each run into a new repository.

    Old ones stay until the end: ext4 is slow to give out inodes that were freed just now.
    """
    for case, name in (("import-none", ""), ("import-50", "many"), ("import-big", "big")):
        rpms = sorted((made.repos / name).glob("*.rpm")) if name else []
        commands: dict[str, list[str | Path]] = {
            "pkglayer": [sys.executable, "-m", "tests.bench.imports"],
            "reference": [HERE / "reference.sh", "import"],
        }
        samples: dict[str, list[Sample]] = {tool: [] for tool in commands}
        for number in range(runs):
            for tool, command in commands.items():
                repo = work / f"{case}-{tool}-{number}"
                run("ostree", "init", f"--repo={repo}", "--mode=bare")
                run("ostree", "config", f"--repo={repo}", "set", "core.fsync", "false")
                samples[tool].append(measure([*command, repo, *rpms]))
        best = {tool: min(s.wall_s for s in found) for tool, found in samples.items()}
        say(f"{case}: " + ", ".join(f"{tool} {wall:.2f} s" for tool, wall in best.items()))
        for tool, found in samples.items():
            yield to_row(case, 0, tool, found, {})


def measure_huge(work: Path) -> Iterator[Fact]:
    """How much memory the import of an RPM of 2 GB takes."""
    rpm, repo = build_huge(work / "huge"), work / "huge-repo"
    run("ostree", "init", f"--repo={repo}", "--mode=bare")
    run("ostree", "config", f"--repo={repo}", "set", "core.fsync", "false")
    sample = measure([sys.executable, "-m", "tests.bench.imports", repo, rpm])
    size = f"{rpm.stat().st_size / 1e9:.2f} GB in {HUGE_FILES} files"
    text = f"{sample.peak_mb:.0f} MB in the largest of its processes; {sample.wall_s:.1f} s"
    yield Fact(f"memory for the import of an RPM of {size}", 0, text)


def main() -> None:
    """Import the RPMs of the command line as the pipeline does."""
    from pkglayer.log import Quiet
    from pkglayer.model.package import Package
    from pkglayer.stages import importer
    from pkglayer.system import rpmlib
    from pkglayer.system.repo import open_repo

    repo, *rpms = map(Path, sys.argv[1:])
    with ExitStack() as stack:
        rows = []
        for path in rpms:
            file = stack.enter_context(path.open("rb"))
            header = rpmlib.read_header(rpmlib.read_head(file))
            package = Package(header.nevra, "bench", "", path.stat().st_size, 0, path.name, "user",
                              header_checksum=header.checksum)  # fmt: skip
            rows.append((package, file))
        importer.import_packages(open_repo(repo), rows, Quiet())


if __name__ == "__main__":
    main()
