"""What people and programs are shown of plans and differences, to the exact string."""

import json
from dataclasses import replace

from pkglayer.cli.renderplan import diff_json, plan_json, render_diff, render_plan
from pkglayer.model.pkgdiff import Change, ChangelogEntry, PackageDiff
from pkglayer.model.plan import Followed, Override, Plan, Unseen
from pkglayer.model.record import Note
from pkglayer.model.request import Request, Want
from tests.unit.test_render import BASE1, BASE2, DAY, HTOP, LIBNL, PLAN, TOOL, WANTS, compare, n


def test_plan_for_a_bare_base() -> None:
    notes = [Note("tool-2-1.x86_64", "/usr/bin/tool", "setuid root")]
    assert (
        render_plan(PLAN, None, compare, notes=notes)
        == f"""\
Base  origin:os/stable, version 2, of 2023-11-15 22:13 UTC
      {"b" * 64}
Requests
  + @dev  (by layer build)
  + htop  (by command)
  + tool-2-1.x86_64 (local RPM)  (by command)
  + vim  (by command)
  + zsh  (by layer shells)
Adding 5 packages
  docs-1-1.noarch   main     2.0 kB    recommended by htop
  gcc-2:9-1.x86_64  main     20 B      in @dev
  htop-3-1.x86_64   main     300.0 kB  requested
  libnl-3-1.x86_64  updates  90.0 kB   needed by htop
  tool-2-1.x86_64   @local   1.5 MB    requested
Inactive
  vim: the base has vim-9-1.x86_64
Skipped
  zsh: no repository has zsh
Note
  tool-2-1.x86_64: /usr/bin/tool: setuid root
The layer has 5 packages, 1.9 MB; 157.9 kB to download at most.
"""
    )


def test_plan_tells_what_was_followed_ended_and_cannot_be_known() -> None:
    update = Override("update", "lib-1-1.noarch", "lib-2-1.noarch", ("app",))
    before = Plan(BASE1, Request("origin:os/stable"), overrides=(update,))
    after = Plan(
        BASE1,
        Request("origin:os/stable"),
        (HTOP,),
        followed=(Followed("htop-2-1.x86_64", "htop-3-1.x86_64", "the same vendor, Acme"),),
        unseen=(Unseen("kmod-1-1.x86_64", "whether it has modules for 6.1 shows later"),),
    )
    lines = render_plan(after, before, compare).splitlines()
    told = """\
No longer overridden
  lib-1-1.noarch -> lib-2-1.noarch until the base has it (for app): the base's own will do
Followed
  htop-2-1.x86_64: now htop-3-1.x86_64: the same vendor, Acme
Not known yet
  kmod-1-1.x86_64: whether it has modules for 6.1 shows later
"""
    assert [line for line in lines if line in told.splitlines()] == told.splitlines()
    assert plan_json(after, before, compare)["ended_updates"][0]["new"] == "lib-2-1.noarch"
    again = replace(after, overrides=(update,))
    assert plan_json(again, before, compare)["ended_updates"] == []


def test_plan_against_the_state_before() -> None:
    before = Plan(
        BASE1,
        Request("origin:os/stable", (Want("htop"), Want("old"))),
        (
            replace(HTOP, nevra=n("htop", "2")),
            replace(LIBNL, nevra=n("libnl", "4")),
            replace(TOOL, nevra=n("old")),
        ),
    )
    after = Plan(BASE2, Request("origin:os/stable", (Want("htop"),)), (HTOP, LIBNL))
    assert (
        render_plan(after, before, compare)
        == f"""\
Base  origin:os/stable, version 2, of 2023-11-15 22:13 UTC
      {"b" * 64}
from  origin:os/stable, version 1, of 2023-11-14 22:13 UTC
Requests
  - old  (by command)
Upgrading 1 package
  htop.x86_64  2-1 -> 3-1  main  300.0 kB  requested
Downgrading 1 package
  libnl.x86_64  4-1 -> 3-1  updates  90.0 kB  needed by htop
Removing 1 package
  old-1-1.x86_64
The layer has 2 packages, 390.0 kB; 150.0 kB to download at most.
"""
    )


def test_a_plan_that_changes_nothing_says_so() -> None:
    lines = render_plan(PLAN, PLAN, compare).splitlines()
    assert lines[-2:] == [
        "No package of the layer changes.",
        "The layer has 5 packages, 1.9 MB; nothing to download.",
    ]
    assert "Requests" not in lines


def test_an_override_is_told_from_a_package_to_layer() -> None:
    request = Request("r", (Want("nano", kind="override-remove"),))
    lines = render_plan(Plan(BASE1, request, ()), None, compare).splitlines()
    assert "  + nano (removed from the base)  (by command)" in lines
    assert lines[-1] == "The layer is empty; nothing to download."


def test_many_requests_behind_a_dependency_are_cut() -> None:
    package = replace(LIBNL, requests=("a", "b", "c", "d"))
    text = render_plan(Plan(BASE1, Request("r"), (package,)), None, compare)
    assert "needed by a, b, c, ...\n" in text


def test_plan_as_data() -> None:
    data = json.loads(json.dumps(plan_json(PLAN, None, compare)))
    assert data["base"]["commit"] == "b" * 64
    assert data["previous_base"] is None
    assert data["install_size"] == 1_892_020
    assert [p["nevra"] for p in data["changes"]["added"]] == [str(p.nevra) for p in PLAN.packages]
    assert [w["spec"] for w in data["requests"]] == [w.spec for w in WANTS]
    assert data["inactive"][0]["want"]["spec"] == "vim"


DIFF = PackageDiff(
    added=(n("come"),),
    removed=(n("gone"), n("more")),
    upgraded=(Change(n("up"), n("up", "2")), Change(n("longer-name"), n("longer-name", "3", 1))),
    downgraded=(Change(n("down", "2"), n("down")),),
)


def test_difference() -> None:
    assert render_diff(PackageDiff()) == "No package differs.\n"
    assert (
        render_diff(DIFF)
        == """\
Upgraded 2 packages
  up.x86_64           1-1 -> 2-1
  longer-name.x86_64  1-1 -> 1:3-1
Downgraded 1 package
  down.x86_64  2-1 -> 1-1
Added 1 package
  come-1-1.x86_64
Removed 2 packages
  gone-1-1.x86_64
  more-1-1.x86_64
"""
    )


def test_difference_with_changelogs() -> None:
    news = {
        n("up", "2"): [ChangelogEntry(DAY, "Ann <a@b.c> - 2-1", "- One\n- Two")],
        n("down", "2"): [ChangelogEntry(DAY, "Bob", "- Lost")],
    }
    assert (
        render_diff(replace(DIFF, added=(), removed=()), news)
        == """\
Upgraded 2 packages
  up.x86_64           1-1 -> 2-1
    2023-11-14 Ann <a@b.c> - 2-1
      - One
      - Two
  longer-name.x86_64  1-1 -> 1:3-1
Downgraded 1 package
  down.x86_64  2-1 -> 1-1
    2023-11-14 Bob
      - Lost
"""
    )
    data = diff_json(DIFF, news)
    assert data["changelogs"]["up-2-1.x86_64"][0]["author"] == "Ann <a@b.c> - 2-1"
    assert data["upgraded"][1]["to"] == {
        "nevra": "longer-name-1:3-1.x86_64", "name": "longer-name", "epoch": 1, "version": "3",
        "release": "1", "arch": "x86_64",
    }  # fmt: skip
    assert "changelogs" not in diff_json(DIFF)
