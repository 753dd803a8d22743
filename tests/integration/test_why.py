"""What a refusal says, for each kind of conflict: text repositories and the real solver.

The base has glue-1, libx-1, libz-2 and core-1 (which conflicts with rival); a case adds packages.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from pkglayer.model.explain import KINDS, Blocked, Trouble
from pkglayer.model.package import Nevra, Package
from pkglayer.model.plan import Base
from pkglayer.model.request import Request, Want, parse_spec
from pkglayer.model.settings import Settings
from pkglayer.stages.resolve import resolve
from pkglayer.system.rpmmd import Repository
from pkglayer.system.sack import load_sack
from tests.sim.textrepo import DBPATH, Pkg, cached_head, make_root, write_repo

BASE = (
    Pkg("glue"),
    Pkg("libx", provides=("libx.so.1",)),
    Pkg("libz", "2"),
    Pkg("core", conflicts=("rival",)),
)


def p(name: str, version: str = "1", requires: str = "", **more: str) -> Pkg:
    """A package; several relations of a kind are separated by commas."""
    fields = {k: tuple(v.split(", ")) for k, v in {"requires": requires, **more}.items() if v}
    arch = fields.pop("arch", ("noarch",))[0]
    return Pkg(name, version, arch=arch, **fields)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Case:
    """`wants` are refused with `kind`, and the sentence of the first trouble is `says`."""

    name: str
    repo: Sequence[Pkg]
    wants: Sequence[str | Want]
    kind: str
    says: str
    disabled: Sequence[Pkg] = ()
    local: Pkg | None = None
    options: dict[str, tuple[str, ...]] = field(default_factory=dict)
    way: str = ""


CANNOT = "app cannot be layered on this base: app-1-1.noarch needs"
KEEPS = "the base has libx-1-1.noarch, which does not change"
CASES = (
    Case("unknown name", [p("httpd")], ["nothing"], "missing", "nothing provides 'nothing'"),
    Case("misspelt", [p("httpd")], ["htpd"], "missing",
         "nothing provides 'htpd' (did you mean httpd?)", way="pkglayer install httpd"),
    Case("unknown capability", [p("a")], ["perl(Foo)"], "missing", "nothing provides 'perl(Foo)'"),
    Case("unknown path", [p("a")], ["/usr/bin/x"], "missing", "nothing provides '/usr/bin/x'"),
    Case("glob without a match", [p("a")], ["zz*"], "missing", "nothing provides 'zz*'"),
    Case("unknown group", [p("a")], ["@desk"], "group", "no repository has a group '@desk'"),
    Case("only in a disabled repository", [p("a")], ["app"], "disabled",
         "'app' is only in the disabled repository off", disabled=[p("app")],
         way="pkglayer install app --enablerepo=off"),
    Case("excluded", [p("app")], ["app"], "excluded",
         "'app' is kept out by excludepkgs or includepkgs of r", options={"excludepkgs": ("app",)}),
    Case("not included", [p("app"), p("b")], ["app"], "excluded",
         "'app' is kept out by excludepkgs or includepkgs of r", options={"includepkgs": ("b",)}),
    Case("too new a version", [p("app", "2")], ["app >= 3"], "version",
         "no version fits 'app >= 3'; there is app-2-1.noarch from r", way="pkglayer install app"),
    Case("a glob of versions", [p("app", "2")], ["app = 3*"], "version",
         "no version fits 'app = 3*'; there is app-2-1.noarch from r"),
    Case("a NEVRA that is gone", [p("app", "2")], ["app-1-1.noarch"], "version",
         "no version fits 'app-1-1.noarch'; there is app-2-1.noarch from r"),
    Case("pinned to a version that is gone", [p("app", "2")], [Want("app", version="1*")],
         "version", "'app' is wanted in version 1*; there is app-2-1.noarch from r",
         way="pkglayer unpin-version app"),
    Case("other processor", [p("app", arch="s390x")], ["app"], "architecture",
         "'app' exists only for s390x, which this machine does not run"),
    Case("newer than the base's own", [p("glue", "2")], ["glue-2"], "in-base",
         "'glue-2' is glue-2-1.noarch from r, and the base has glue-1-1.noarch in its place, "
         "which does not change", way="pkglayer forecast"),
    Case("obsoletes the base's", [p("gum", obsoletes="glue")], ["gum"], "obsoletes",
         "'gum' is gum-1-1.noarch from r, and the base has glue-1-1.noarch in its place, "
         "which does not change"),
    Case("needs what nobody has", [p("app", requires="nix")], ["app"], "requires",
         f"{CANNOT} nix; no repository in sight offers it"),
    Case("needs a file nobody has", [p("app", requires="/usr/bin/nix")], ["app"], "requires",
         f"{CANNOT} /usr/bin/nix; no repository in sight offers it"),
    Case("base too old, repository ahead", [p("app", requires="libx >= 2"), p("libx", "2")],
         ["app"], "base-version", f"{CANNOT} libx >= 2; {KEEPS}, and the repositories offer it "
         "only with libx-2-1.noarch from r", way="pkglayer forecast"),
    Case("base too old", [p("app", requires="libx >= 2")], ["app"], "base-version",
         f"{CANNOT} libx >= 2; {KEEPS}, and no repository in sight offers it"),
    Case("base too new", [p("app", requires="libz < 2")], ["app"], "base-version",
         f"{CANNOT} libz < 2; the base has libz-2-1.noarch, which does not change, and no "
         "repository in sight offers it"),
    Case("version lock pair", [p("app", requires="libx = 1-2")], ["app"], "base-version",
         f"{CANNOT} libx = 1-2; {KEEPS}, and no repository in sight offers it"),
    Case("library the base lost", [p("app", requires="libx.so.0")], ["app"], "requires",
         f"{CANNOT} libx.so.0; no repository in sight offers it"),
    Case("further down", [p("app", requires="mid"), p("mid", requires="low"),
                          p("low", requires="libz = 1")], ["app"], "base-version",
         f"{CANNOT} mid-1-1.noarch, which needs low-1-1.noarch, which needs libz = 1; the base has "
         "libz-2-1.noarch, which does not change, and no repository in sight offers it"),
    Case("need excluded", [p("app", requires="dep"), p("dep")], ["app"], "excluded-need",
         f"{CANNOT} dep; excludepkgs or includepkgs keep dep-1-1.noarch from r out",
         options={"excludepkgs": ("dep",)}),
    Case("need in a disabled repository", [p("app", requires="dep")], ["app"], "disabled-need",
         f"{CANNOT} dep; only the disabled repository off has it", disabled=[p("dep")],
         way="pkglayer install app --enablerepo=off"),
    Case("conflicts with the base", [p("app", conflicts="glue")], ["app"], "conflicts",
         "app cannot be layered on this base: app-1-1.noarch conflicts with glue-1-1.noarch of "
         "the base"),
    Case("the base conflicts with it", [p("rival")], ["rival"], "conflicts",
         "rival cannot be layered on this base: rival-1-1.noarch conflicts with core-1-1.noarch of "
         "the base"),
    Case("two requests conflict", [p("a", conflicts="b"), p("b")], ["a", "b"], "together",
         "a and b cannot be in one layer: b-1-1.noarch conflicts with a-1-1.noarch",
         way="pkglayer uninstall a"),
    Case("two need other versions", [p("a", requires="c = 1"), p("b", requires="c = 2"),
                                     p("c"), p("c", "2")], ["a", "b"], "together",
         "a and b cannot be in one layer: a brings c-1-1.noarch, and b brings c-2-1.noarch"),
    Case("rich dependency", [p("app", requires="(nix or nox)")], ["app"], "requires",
         f"{CANNOT} (nix or nox); no repository in sight offers it"),
    Case("local needs too much", [p("a")], [], "base-version",
         f"app-1-1.noarch cannot be layered on this base: app-1-1.noarch needs libx >= 5; {KEEPS}, "
         "and no repository in sight offers it", local=p("app", requires="libx >= 5")),
    Case("local is gone", [p("a")], [Want("tool-1-1.noarch", "local", header_checksum="f" * 64)],
         "local-gone", "the imported copy of the local package tool-1-1.noarch is gone"),
)  # fmt: skip


@pytest.fixture
def ask(tmp_path: Path) -> Callable[[Case], Blocked]:
    """Resolve a case in a directory of its own; it must be refused."""

    def run(case: Case) -> Blocked:
        root = make_root(tmp_path / "root", BASE)
        repo = replace(write_repo(tmp_path / "r", "r", case.repo), **case.options)  # type: ignore[arg-type]
        off: list[Repository] = []
        if case.disabled:
            off = [replace(write_repo(tmp_path / "off", "off", case.disabled), enabled=False)]
        heads, wants = [], [parse_spec(w) if isinstance(w, str) else w for w in case.wants]
        if case.local:
            package = Package(Nevra(case.local.name, 0, "1", "1", "noarch"), "@local", "")
            heads = [cached_head(tmp_path, package, case.local)]
            checksum = heads[0].header_checksum
            wants.append(Want(case.local.nevra, "local", header_checksum=checksum))
        cachedir = tmp_path / "cache"
        cachedir.mkdir(mode=0o700)
        sack = load_sack(root, DBPATH, [repo], cached=heads, disabled=off, cachedir=cachedir)
        request = Request("test").with_wants(wants)
        with pytest.raises(Blocked) as refused:
            resolve(sack, Base("test", "0" * 64), request, settings=Settings())
        return refused.value

    return run


@pytest.mark.parametrize("case", CASES, ids=[c.name for c in CASES])
def test_refusal_is_one_plain_sentence(case: Case, ask: Callable[[Case], Blocked]) -> None:
    error = ask(case)
    trouble: Trouble = error.troubles[0]
    assert (trouble.kind, trouble.sentence) == (case.kind, case.says)
    assert trouble.kind in KINDS
    if case.way:
        assert case.way in [way.command for way in trouble.ways]


def test_every_request_in_trouble_is_told_at_once(ask: Callable[[Case], Blocked]) -> None:
    repo = [p("old", requires="libz < 2"), p("new", requires="libx > 1"), p("good"),
            p("x", conflicts="good")]  # fmt: skip
    error = ask(Case("", repo, ["old", "new", "good", "x", "never"], "", ""))
    assert {t.want.spec: t.kind for t in error.troubles} == {
        "never": "missing", "old": "base-version", "new": "base-version", "x": "together",
    }  # fmt: skip


def test_the_table_covers_the_kinds() -> None:
    assert len(CASES) >= 25
    # Modules and clashing files are seen in files: test_kernel.py, test_file_conflicts.py.
    others = {"other", "modules", "file-conflict"}
    assert {c.kind for c in CASES} == KINDS.keys() - others
