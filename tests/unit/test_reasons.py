"""Why a package is there: walks over small graphs."""

from pkglayer.model.reasons import Reason, Root, find_reasons, reach

HARD = {"app": {"lib"}, "lib": {"deep"}, "deep": {"lib"}, "docs": {"fonts"}, "tool": {"deep"}}
WEAK = {"app": {"docs"}, "fonts": {"emoji"}}
ALL = ("app", "lib", "deep", "docs", "fonts", "emoji", "tool")


def test_reach_ends_in_loops_and_follows_weak_links_only_when_asked() -> None:
    assert reach(["app"], HARD) == {"app", "lib", "deep"}
    assert reach(["app"], HARD, WEAK) == {"app", "lib", "deep", "docs", "fonts", "emoji"}
    assert reach([], HARD, WEAK) == set()


def test_reasons_of_everything() -> None:
    roots = [Root("app", ("app",)), Root("@tools", ("tool",), group=True)]
    assert find_reasons(ALL, roots, HARD, WEAK) == {
        "app": Reason("user", ("app",)),
        "lib": Reason("dependency", ("@tools", "app")),
        "deep": Reason("dependency", ("@tools", "app")),
        "docs": Reason("weak-dependency", ("app",)),
        "fonts": Reason("dependency", ("app",)),
        "emoji": Reason("weak-dependency", ("app",)),
        "tool": Reason("group", ("@tools",)),
    }


def test_weak_links_do_not_count_for_a_request_without_recommends() -> None:
    reasons = find_reasons(ALL, [Root("app", ("app",), weak=False)], HARD, WEAK)
    assert reasons["docs"] == Reason("weak-dependency", ())
    assert reasons["lib"].requests == ("app",)


def test_what_was_asked_for_is_the_user_s_even_in_a_group() -> None:
    roots = [Root("@all", ("app", "tool"), group=True), Root("tool", ("tool",))]
    reasons = find_reasons(["app", "tool"], roots, HARD, WEAK)
    assert (reasons["app"].kind, reasons["tool"].kind) == ("group", "user")
    assert reasons["tool"].requests == ("@all", "tool")
