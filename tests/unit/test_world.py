"""How Debian's words become RPM's: the pure parts of the test world."""

import gzip
from pathlib import Path

import pytest

pytest.importorskip("apt_pkg", reason="Fedora's packages are RPMs already")

from tests.support.world import layout
from tests.support.world.boot import parse_entry
from tests.support.world.changelog import read_changelog
from tests.support.world.changes import plan_changes
from tests.support.world.maintainer import Accounts, find_effects
from tests.support.world.model import Deb, Plan
from tests.support.world.payload import Entry
from tests.support.world.relations import Evr, Universe, provides, to_evr
from tests.support.world.spec import file_line

NOBODY = Accounts(frozenset({"root", "www-data"}), frozenset({"root", "adm"}))


def deb(name: str, version: str = "1.0-1", **control: str) -> Deb:
    fields = {"Architecture": "amd64"} | {key.replace("_", "-"): v for key, v in control.items()}
    return Deb(name, version, 1, "", "", fields)


def universe(*debs: Deb) -> Universe:
    return Universe.of(debs, {deb.name: "w1" for deb in debs})


@pytest.mark.parametrize(
    ("version", "expected"),
    [
        ("1.0", Evr("0", "1.0", "")),
        ("2:1.2-3+b1", Evr("2", "1.2", "3+b1")),
        ("1.0-rc1-2", Evr("0", "1.0.rc1", "2")),
        ("9.53.3~dfsg-7", Evr("0", "9.53.3~dfsg", "7")),
    ],
)
def test_versions(version: str, expected: Evr) -> None:
    assert to_evr(version) == expected


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        ("a", ["a"]),
        ("a (>= 0.5), b:any", ["a >= 0.5", "b"]),
        # A dependency on exactly one build follows the release that the RPM gets.
        ("a (= 1.0-1)", ["a = 1.0-1.w1"]),
        # Alternatives outside the world are dropped, virtual names stay.
        ("a | gone, gone | virtual", ["a", "virtual"]),
        ("a | b (<< 3)", ["(a or b < 3)"]),
        ("gone", []),
    ],
)
def test_hard_dependencies(field: str, expected: list[str]) -> None:
    known = universe(deb("a"), deb("b"), deb("c", Provides="virtual"))
    assert known.requires(field) == expected


def test_weak_dependencies_may_lead_outside() -> None:
    assert universe(deb("a")).requires("gone | a", weak=True) == ["(gone or a)"]


def test_a_range_is_dropped_where_rpm_alone_would_call_it_unmet() -> None:
    known = universe(deb("a"))
    assert known.requires("a (<= 1.0-1)") == ["a"]  # the RPM's release is higher, by its tag
    assert known.requires("a (<= 0.9)") == ["a <= 0.9"]


def test_conflicts() -> None:
    known = universe(deb("a"), deb("b", Provides="mta"), deb("c", Provides="api (= 2)"))
    assert known.conflicts("a (<< 0.9), gone", "x") == ["a < 0.9", "gone"]
    assert known.conflicts("x", "x") == []
    # An unversioned Provides would meet any range in rpm, a versioned one is compared.
    assert known.conflicts("mta (<< 3)", "x") == []
    assert known.conflicts("api (<< 1)", "x") == ["api < 1"]


def test_obsoletes_need_a_conflict_and_a_name_that_is_gone() -> None:
    known = universe(deb("a"))
    control = {"Replaces": "old (<< 2), a (<< 1), kept", "Breaks": "old (<< 2), a (<< 1)"}
    assert known.obsoletes(control, "new") == ["old < 2"]


def test_provides() -> None:
    assert provides({"Provides": "mta, api (= 2-1)"}) == ["mta", "api = 2-1"]


def test_effects_of_maintainer_scripts() -> None:
    script = r"""
    # adduser --system commented
    addgroup --system --quiet storage
    adduser --quiet --system --home /var/lib/storage --no-create-home \
        --gecos "Storage daemon" --ingroup storage storage || true
    adduser --system www-data
    adduser --system "$USER"
    update-alternatives --quiet --install /usr/bin/ed ed /usr/bin/real-ed 10 || true
    update-alternatives --install /usr/bin/$x $x /usr/bin/real 10
    add-shell /bin/newsh
    """
    effects = find_effects("storage", {"postinst": script}, NOBODY, "/usr/bin/declared\n")
    assert effects.users == ("g storage -", 'u storage - "storage" /var/lib/storage')
    assert effects.alternatives == ("/usr/bin/ed ed /usr/bin/real-ed 10",)
    assert effects.shells == ("/usr/bin/newsh", "/usr/bin/declared")
    assert effects.provided_users == {"user(storage)", "group(storage)"}


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("./bin/ls", "usr/bin/ls"),
        ("./lib64/x", "usr/lib64/x"),
        ("./library", "library"),
        ("./", "."),
        ("./usr/bin/ls", "usr/bin/ls"),
    ],
)
def test_merged_paths(path: str, expected: str) -> None:
    assert layout.merged_path(path) == expected


def test_a_kernel_moves_beside_its_modules() -> None:
    path = layout.kernel_path("boot/vmlinuz-6.1.0-1-amd64")
    assert path == "usr/lib/modules/6.1.0-1-amd64/vmlinuz"
    assert layout.kernel_version(path) == "6.1.0-1-amd64"
    assert layout.kernel_version("usr/lib/modules/6.1.0-1-amd64/config") is None


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (Entry("file", "usr/bin/[", 0o755, "root", "root"), '"/usr/bin/["'),
        (Entry("file", "usr/x[1]", 0o755, "root", "root"), r'"/usr/x\[1\]"'),
        (Entry("file", "usr/100%", 0o644, "root", "root"), '"/usr/100%%"'),
        (Entry("dir", "var/lib/x", 0o2770, "x", "adm"), '%attr(2770,x,adm) %dir "/var/lib/x"'),
        (Entry("file", "etc/c", 0o644, "root", "root"), '%config(noreplace) "/etc/c"'),
        (Entry("file", "usr/bin/ping", 0o755, "root", "root"), None),
    ],
)
def test_file_list_lines(entry: Entry, expected: str | None) -> None:
    line = file_line(entry, frozenset({"etc/c"}))
    assert line == (expected or '%caps(cap_net_raw=ep) "/usr/bin/ping"')


def test_changelog(tmp_path: Path) -> None:
    text = (
        "foo (1:2-1) unstable; urgency=low\n\n  * 100% new.\n    Really.\n\n"
        " -- A Person <a@example.com>  Mon, 02 Jan 2023 10:00:00 +0100\n"
    )
    (tmp_path / "changelog.Debian.gz").write_bytes(gzip.compress(text.encode()))
    entry = "* Mon Jan 02 2023 A Person <a@example.com> - 1:2-1\n- 100%% new.\n  Really."
    assert read_changelog(tmp_path, None) == entry
    rebuilt = read_changelog(tmp_path, Evr("0", "2", "1.w2"))
    assert rebuilt.endswith(f"- 2-1.w2\n- Rebuilt\n\n{entry}")


def test_rebuilding_a_package_rebuilds_who_needs_exactly_that_build() -> None:
    debs = [
        deb("bash"),
        deb("bash-doc", Depends="bash (= 1.0-1)", Source="documents"),
        deb("sibling", Source="documents"),
        deb("tmux", Depends="bash"),
        deb("jq"),
        deb("nano"),
    ]
    changes = plan_changes(Plan(("bash", "jq", "nano"), {}, {deb.name: deb for deb in debs}))
    assert {"bash", "bash-doc", "sibling"} <= changes.rebuilt
    assert "tmux" not in changes.rebuilt
    assert changes.base == ("bash", "jq-ng", "tree")


def test_boot_entries() -> None:
    entry = parse_entry(
        "title World 1 (ostree:0)\nversion 2\noptions root=LABEL=x rw ostree=/ostree/boot.0/x/0\n"
        "linux /ostree/x/vmlinuz-1\ninitrd /ostree/x/initramfs-1.img\n"
    )
    assert (entry.version, entry.linux) == (2, "/ostree/x/vmlinuz-1")
    assert entry.options == "root=LABEL=x rw ostree=/ostree/boot.0/x/0"
