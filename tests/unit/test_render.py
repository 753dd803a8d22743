"""What people and programs are shown, to the exact string."""

import json
from dataclasses import replace
from typing import Any

import pytest

from pkglayer.cli.render import columns, render_status, status_json, time_text
from pkglayer.cli.renderplan import render_diff, render_plan
from pkglayer.model.deployment import Deployment
from pkglayer.model.package import Nevra, Package
from pkglayer.model.pkgdiff import Change, ChangelogEntry, PackageDiff
from pkglayer.model.plan import Base, Inactive, Plan, Skipped
from pkglayer.model.record import Note, Record, ScriptRun
from pkglayer.model.request import Request, Want, to_origin

DAY = 1_700_000_000


def n(name: str, version: str = "1", epoch: int = 0, arch: str = "x86_64") -> Nevra:
    return Nevra(name, epoch, version, "1", arch)


def compare(a: Nevra, b: Nevra) -> int:
    x, y = (a.epoch, int(a.version)), (b.epoch, int(b.version))
    return (x > y) - (x < y)


BASE1 = Base("origin:os/stable", "a" * 64, "1", DAY)
BASE2 = Base("origin:os/stable", "b" * 64, "2", DAY + 86400)
HTOP = Package(n("htop", "3"), "main", "sha256:00", 100_000, 300_000, "", "user", ("htop",))
LIBNL = Package(
    n("libnl", "3"), "updates", "sha256:01", 50_000, 90_000, "", "dependency", ("htop",)
)
DOCS = Package(
    n("docs", arch="noarch"), "main", "sha256:02", 7_000, 2_000, "", "weak-dependency", ("htop",)
)
TOOL = Package(
    n("tool", "2"), "@local", "sha256:03", 900, 1_500_000, "", "user", ("tool-2-1.x86_64",)
)
GROUP = Package(n("gcc", "9", epoch=2), "main", "sha256:04", 10, 20, "", "group", ("@dev",))
WANTS = (
    Want("@dev", "group", "layer:build"),
    Want("htop"),
    Want("tool-2-1.x86_64", "local", header_checksum="e" * 64),
    Want("vim"),
    Want("zsh", source="layer:shells"),
)
PLAN = Plan(
    BASE2,
    Request("origin:os/stable", WANTS),
    (DOCS, GROUP, HTOP, LIBNL, TOOL),
    (Inactive(Want("vim"), "vim-9-1.x86_64"),),
    (Skipped(Want("zsh", source="layer:shells"), "no repository has zsh"),),
)
RECORD = Record(
    PLAN,
    "d" * 64,
    scripts=(ScriptRun("htop-3-1.x86_64", "post", 1, "oops\n"), ScriptRun("tool", "pre", 0)),
    notes=(Note("htop-3-1.x86_64", "/var/lib/htop", "copied at first boot"),),
)
LAYERED = Deployment(
    0, "os", "c" * 64, 0, "/root0", BASE2, staged=True, role="pending", record=RECORD,
    origin={"origin": {"refspec": "origin:os/stable"}, "pkglayer": to_origin(PLAN.request)},
)  # fmt: skip
PLAIN = Deployment(
    1, "os", "a" * 64, 1, "/root1", BASE1, booted=True, pinned=True, role="booted",
    origin={"origin": {"refspec": "origin:os/stable"}},
)  # fmt: skip


def test_status_of_a_layered_and_a_plain_state() -> None:
    assert (
        render_status([LAYERED, PLAIN])
        == f"""\
  0  next boot, staged
    Base        origin:os/stable, version 2, of 2023-11-15 22:13 UTC
    Base commit {"b" * 64}
    Commit      {"c" * 64}
    Requested   htop, tool-2-1.x86_64 (local RPM), vim (by command)
                @dev (by layer build)
                zsh (by layer shells)
    Layered     5 packages, 1.9 MB: gcc-2:9-1.x86_64, htop-3-1.x86_64, tool-2-1.x86_64 and 2 they
                need
    Inactive    vim: the base has vim-9-1.x86_64
    Skipped     zsh: no repository has zsh
    Warning     %post of htop-3-1.x86_64 ended with exit code 1
    Notes       1 (pkglayer status --verbose shows them)

* 1  booted, pinned
    Base        origin:os/stable, version 1, of 2023-11-14 22:13 UTC
    Base commit {"a" * 64}
"""
    )


def test_verbose_status_shows_every_package_and_note() -> None:
    text = render_status([LAYERED], verbose=True)
    assert "5 packages, 1.9 MB: docs-1-1.noarch, gcc-2:9-1.x86_64, htop-3-1.x86_64," in text
    assert "                libnl-3-1.x86_64, tool-2-1.x86_64\n" in text
    assert "    Note        htop-3-1.x86_64: /var/lib/htop: copied at first boot\n" in text
    assert "Notes" not in text


@pytest.mark.parametrize(
    ("changes", "labels"),
    [
        ({"role": "booted", "booted": True}, "* 0  booted, next boot"),
        ({"role": "pending"}, "  0  next boot"),
        ({"role": "rollback", "index": 1}, "  1  rollback"),
        ({"role": "rollback", "index": 2, "pinned": True}, "  2  rollback, pinned"),
        ({"role": "", "index": 3}, "  3  kept"),
    ],
)
def test_the_first_line_says_what_a_state_is(changes: dict[str, Any], labels: str) -> None:
    state = replace(PLAIN, **{"booted": False, "pinned": False, "index": 0, **changes})
    assert render_status([state]).splitlines()[0] == labels


def test_requests_that_were_not_applied_are_told_apart() -> None:
    group = to_origin(Request("r", (Want("htop"),)))
    state = replace(PLAIN, origin={**PLAIN.origin, "pkglayer": group})
    assert "    Not applied htop (by command)\n" in render_status([state])
    assert status_json([state])["deployments"][0]["requests"][0]["spec"] == "htop"


def test_a_state_that_cannot_be_read_says_so() -> None:
    state = replace(
        PLAIN, problem="the record cannot be read", origin={"pkglayer": {"version": "9"}}
    )
    text = render_status([state])
    assert "    Problem     the record cannot be read\n" in text
    assert "has version '9'" in text
    assert status_json([state])["deployments"][0]["problem"] == "the record cannot be read"


def test_no_deployment_and_notices() -> None:
    assert render_status([]) == "There is no state.\n"
    assert render_status([PLAIN], notices=["Say this."]).endswith("\n\nSay this.\n")
    assert status_json([]) == {
        "version": 1, "stateroot": None, "booted": None, "deployments": [], "notices": [],
    }  # fmt: skip


def test_status_as_data_is_complete() -> None:
    data = json.loads(json.dumps(status_json([LAYERED, PLAIN], notices=["n"])))
    assert (data["stateroot"], data["booted"], data["notices"]) == ("os", 1, ["n"])
    layered, plain = data["deployments"]
    assert layered["base"] == {
        "refspec": "origin:os/stable", "commit": "b" * 64, "version": "2", "timestamp": DAY + 86400,
    }  # fmt: skip
    assert [w["spec"] for w in layered["requests"]] == [w.spec for w in WANTS]
    assert [w["source"] for w in layered["requests"]][:2] == ["layer:build", "command"]
    assert [p["nevra"] for p in layered["packages"]] == [str(p.nevra) for p in PLAN.packages]
    assert layered["packages"][1] == {
        "nevra": "gcc-2:9-1.x86_64", "name": "gcc", "epoch": 2, "version": "9", "release": "1",
        "arch": "x86_64", "repo": "main", "checksum": "sha256:04", "download_size": 10,
        "install_size": 20, "location": "", "reason": "group", "requests": ["@dev"],
        "header_checksum": "", "key": "",
    }  # fmt: skip
    assert layered["inactive"][0]["provider"] == "vim-9-1.x86_64"
    assert layered["skipped"][0]["why"] == "no repository has zsh"
    assert layered["scripts"][0]["output"] == "oops\n"
    assert layered["notes"][0]["what"] == "/var/lib/htop"
    assert (layered["layered"], layered["digest"], layered["staged"]) == (True, "d" * 64, True)
    assert (plain["layered"], plain["digest"], plain["pinned"]) == (False, None, True)
    assert (plain["packages"], plain["role"], plain["problem"]) == ([], "booted", None)


def test_escape_codes_of_others_do_not_reach_the_terminal() -> None:
    evil = "x\x1b[2J\n\u202ey"
    record = Record(
        Plan(
            replace(BASE2, version=evil),
            Request("r", (Want(evil),)),
            (replace(HTOP, nevra=n(evil)),),
            (Inactive(Want(evil), evil),),
            (Skipped(Want(evil), evil),),
        ),
        "d" * 64,
        scripts=(ScriptRun(evil, evil, 1),),
        notes=(Note(evil, evil, evil),),
    )
    state = replace(LAYERED, base=record.plan.base, record=record, problem=evil)
    shown = render_status([state], notices=[evil], verbose=True)
    shown += render_plan(record.plan, None, compare, notes=record.notes)
    diff = PackageDiff(upgraded=(Change(n(evil), n(evil, "2")),))
    shown += render_diff(diff, {n(evil, "2"): [ChangelogEntry(1, evil, evil)]})
    assert "\x1b" not in shown
    assert "\u202e" not in shown
    assert "\\x1b[2J\\n\\u202ey" in shown


def test_times_and_columns() -> None:
    assert time_text(0) == "1970-01-01 00:00 UTC"
    assert time_text(10**18) == "1000000000000000000 s since 1970"
    assert columns([("a", "bb", "c"), ("aaa", "b", "")]) == ["  a    bb  c", "  aaa  b"]
