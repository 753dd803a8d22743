"""What `history`, `layer list` and `layer show` print, to the exact string."""

from dataclasses import replace

from pkglayer.cli.history import render_history
from pkglayer.cli.layers import is_applied, render_layer, render_layers, state_of
from pkglayer.model.deployment import Deployment
from pkglayer.model.history import HistoryEntry
from pkglayer.model.layer import Layer, to_wants
from pkglayer.model.package import Nevra, Package
from pkglayer.model.plan import Base, Inactive, Plan, Skipped
from pkglayer.model.record import Record
from pkglayer.model.request import REMOVE, Request, Want
from pkglayer.model.wish import Difference, to_json

WEB = Layer("web", ("nginx", "curl", "nope"), "Serves pages", filename="/etc/l/web.toml")
NEW = Layer("new", ("zsh",), recommends=False, filename="/usr/l/new.toml")
BASE = Base("origin:os", "a" * 64)


def state(*layers: Layer, inactive: str = "", skipped: str = "") -> Deployment:
    wants = to_wants(layers)
    nginx = Package(
        Nevra("nginx", 0, "1", "1", "noarch"), "r", "", reason="user", requests=("nginx",)
    )
    lib = Package(Nevra("lib", 0, "1", "1", "noarch"), "r", "", requests=("nginx",))
    plan = Plan(
        BASE,
        Request("origin:os", wants),
        (lib, nginx),
        tuple(Inactive(w, "curl-1-1.noarch") for w in wants if w.spec == inactive),
        tuple(Skipped(w, "no repository has it") for w in wants if w.spec == skipped),
    )
    return Deployment(0, "os", "b" * 64, 0, "/r", BASE, record=Record(plan, "d"))


APPLIED = state(WEB, inactive="curl", skipped="nope")


def test_layers() -> None:
    assert render_layers([NEW, WEB], APPLIED) == (
        "new  not applied  1 request   -             /usr/l/new.toml\n"
        "web  applied      3 requests  Serves pages  /etc/l/web.toml\n"
    )
    assert render_layers([WEB], None) == "web  3 requests  Serves pages  /etc/l/web.toml\n"
    assert render_layers([], None) .startswith("No layer is declared. Ready-made ones: pkglayer ")


def test_one_layer() -> None:
    assert render_layer(WEB, APPLIED) == (
        "web: Serves pages\n"
        "  file: /etc/l/web.toml\n"
        "  weak dependencies come along\n"
        "  requests:\n"
        "    nginx  nginx-1-1.noarch\n"
        "    curl   inactive: the base has curl-1-1.noarch\n"
        "    nope   skipped: no repository has it\n"
    )
    assert render_layer(NEW, APPLIED) == (
        "new: (no description)\n"
        "  file: /usr/l/new.toml\n"
        "  weak dependencies are left out\n"
        "  requests:\n"
        "    zsh  not applied yet\n"
    )


def test_a_layer_is_applied_when_the_state_was_built_from_exactly_it() -> None:
    assert is_applied(WEB, APPLIED)
    assert not is_applied(replace(WEB, packages=("nginx",)), APPLIED)
    assert not is_applied(replace(WEB, recommends=False), APPLIED)
    assert not is_applied(WEB, replace(APPLIED, record=None))
    assert state_of(WEB, "nginx", replace(APPLIED, record=None)) == "not applied yet"
    assert state_of(WEB, "nginx", None) == "not in force"


def test_a_request_of_another_source_is_not_the_layers() -> None:
    other = state()
    assert other.record is not None
    wants = (Want("nginx"),)
    plan = replace(other.record.plan, request=Request("origin:os", wants))
    commanded = replace(other, record=replace(other.record, plan=plan))
    assert state_of(WEB, "nginx", commanded) == "not applied yet"


def test_history() -> None:
    done = HistoryEntry(
        1_700_000_000, "ann", 1000, "pkglayer install x", "a" * 64, "b" * 64, number=10
    )
    failed = HistoryEntry(
        1_700_000_060, "r\x1b", 0, "pkglayer rollback", "b" * 64, "b" * 64,
        outcome="failed", message="no state\nto go to", number=9,
    )  # fmt: skip
    assert render_history([done, failed]) == (
        "10  2023-11-14 22:13 UTC  ann  done       pkglayer install x\n"
        "    aaaaaaaaaaaa -> bbbbbbbbbbbb\n"
        " 9  2023-11-14 22:14 UTC  r\\x1b  failed     pkglayer rollback\n"
        "    no state\n"
        "    to go to\n"
    )
    asked = (
        Difference("request", "x\x1b", (), (Want("x\x1b"),)),
        Difference("request", "y", (Want("y"),), (Want("y", version="1*", exclude=("a", "b")),)),
        Difference("override", "z", (Want("z", kind=REMOVE),), ()),
        Difference("layer:web", "nginx", (), (Want("nginx", source="layer:web"),)),
        Difference("karg", "quiet", ("quiet",), ("quiet=1",)),
        Difference("karg", "console", ("console=a", "console=b"), ("console=b", "console=a")),
        Difference("base", "", ("origin:os", "a" * 64, ""), ("origin:os", "b" * 64, "2")),
    )
    why = replace(done, changes=to_json(asked), comment="so\nwhat", after=done.before)
    assert render_history([why]).splitlines()[1:] == [
        "    + x\\x1b",
        "    ~ y (version 1*, exclude a b)",
        "    - override: remove z",
        "    + nginx (layer web)",
        "    - kernel argument quiet",
        "    + kernel argument quiet=1",
        "    ~ kernel argument console",
        "    base: origin:os aaaaaaaaaaaa -> origin:os 2",
        "    comment: so\\nwhat",
    ]
    [line] = render_history([replace(why, changes="[1]", comment="")]).splitlines()[1:]
    assert "cannot be read" in line
    first = replace(done, before="", number=1)
    assert render_history([first]).splitlines()[1] == "   nothing -> bbbbbbbbbbbb"
    assert render_history([]) == "Nothing was done yet.\n"
