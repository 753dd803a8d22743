"""Which package and which request yields when two owners want one path."""

import pytest

from pkglayer.engine.clashes import find_clashes, find_detour, to_troubles
from pkglayer.model.errors import ConflictError
from pkglayer.model.explain import Clash, Detour, FilesClash
from pkglayer.model.package import Nevra, Package
from pkglayer.model.plan import Base, Plan, Skipped
from pkglayer.model.policy import Held, Rules, key_of
from pkglayer.model.request import HOLD, SKIP, Request, Want

A, B = Want("a"), Want("b")
BASE = Base("test", "0" * 64, "7")
RULES = Rules(default=SKIP)


def package(nevra: str, *requests: str) -> Package:
    return Package(Nevra.parse(nevra), "r", "", requests=requests)


PLAN = Plan(
    BASE,
    Request("test").with_wants([A, B]),
    (package("a-1-1.noarch", "a"), package("b-1-1.noarch", "b"), package("lib-1-1.noarch", "a")),
)


def error(*rows: tuple[str, str, str]) -> ConflictError:
    keys = ("path", "package", "other")
    return ConflictError(
        "clash", data={"conflicts": [dict(zip(keys, row, strict=True)) for row in rows]}
    )


def plan_without(detour: Detour) -> Plan:
    """Every package can be had in another version."""
    return PLAN


def plan_skipping(detour: Detour) -> Plan:
    """What clashes is all that there is of it."""
    specs = {spec for c in detour.clashes for spec in c.requests}
    skipped = tuple(Skipped(w, "x") for w in PLAN.request.wants if w.spec in specs)
    return Plan(BASE, PLAN.request, skipped=skipped)


@pytest.mark.parametrize("rows", [
    [("/x", "lib-1-1.noarch", "core-1-1.noarch"), ("/y", "lib-1-1.noarch", "core-1-1.noarch")],
    [("/x", "core-1-1.noarch", "lib-1-1.noarch"), ("/y", "lib-1-1.noarch", "core-1-1.noarch")],
])  # fmt: skip
def test_base_never_yields_and_paths_of_a_pair_are_together(
    rows: list[tuple[str, str, str]],
) -> None:
    [clash] = find_clashes(error(*rows), PLAN, RULES)
    assert clash == Clash("lib-1-1.noarch", "core-1-1.noarch", ("/x", "/y"), ("a",))
    [trouble] = to_troubles([clash], PLAN)
    assert (trouble.want, trouble.base) == (A, ("core-1-1.noarch",))
    assert trouble.sentence == (
        "a cannot be layered on this base: /x, /y of lib-1-1.noarch have other content in "
        "core-1-1.noarch of the base"
    )


@pytest.mark.parametrize(("rules", "yields"), [
    (Rules(default=SKIP), "b-1-1.noarch"),
    (Rules(default=SKIP, fresh=frozenset({key_of(A)})), "a-1-1.noarch"),
])  # fmt: skip
def test_of_two_packages_that_of_the_later_request_yields(rules: Rules, yields: str) -> None:
    [clash] = find_clashes(error(("/x", "a-1-1.noarch", "b-1-1.noarch")), PLAN, rules)
    assert clash.nevra == yields
    [trouble] = to_troubles([clash], PLAN)
    assert trouble.sentence.startswith("a and b cannot be in one layer: /x of ")


def test_many_paths_are_counted() -> None:
    clash = Clash("a-1-1.noarch", "the base", tuple(f"/{n}" for n in range(9)), ("a",))
    assert clash.words == "/0, /1, /2 and 6 more of a-1-1.noarch have other content in the base"


def test_package_gives_way_before_its_request() -> None:
    conflict = error(("/x", "a-1-1.noarch", "core-1-1.noarch"))
    first = find_detour(conflict, PLAN, None, RULES, Detour(), plan_without)
    assert [c.nevra for c in first.clashes] == ["a-1-1.noarch"]
    assert first.left_out == {}
    # It clashes all the same, as a file would that has no other version.
    second = find_detour(conflict, PLAN, None, RULES, first, plan_without)
    assert list(second.left_out) == [A]


def test_request_falls_under_its_policy_when_nothing_else_meets_it() -> None:
    conflict = error(("/x", "a-1-1.noarch", "core-1-1.noarch"))
    detour = find_detour(conflict, PLAN, None, RULES, Detour(), plan_skipping)
    assert list(detour.left_out) == [A]
    with pytest.raises(Held):
        find_detour(conflict, PLAN, None, Rules(default=HOLD), Detour(), plan_skipping)
    with pytest.raises(FilesClash) as refused:
        find_detour(conflict, PLAN, None, Rules(), Detour(), plan_skipping)
    assert refused.value.exit_code == ConflictError.exit_code
    assert [t.want for t in refused.value.troubles] == [A]
    assert "pkglayer upgrade --skip-broken" in refused.value.hint


def test_conflict_that_no_request_is_behind_stays_an_error() -> None:
    conflict = error(("/x", "core-1-1.noarch", "other-1-1.noarch"))
    with pytest.raises(ConflictError) as caught:
        find_detour(conflict, PLAN, None, RULES, Detour(), plan_without)
    assert caught.value is conflict
