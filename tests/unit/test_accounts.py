"""Users and groups: read, compared, written for sysusers.d, and planned from it."""

import pytest

from pkglayer.model.accounts import (
    Names,
    Renumbering,
    find_added,
    parse_group,
    parse_passwd,
    plan_ids,
    renumber_lines,
    split_added,
    to_lines,
    to_sysusers,
    without_names,
)
from pkglayer.model.record import Account
from pkglayer.model.sysusers import plan_accounts

PASSWD = "root:x:0:0:root:/root:/bin/sh\ndaemon:x:2:2::/:/sbin/nologin\n"
GROUP = "root:x:0:\nwheel:x:10:root\ndaemon:x:2:\n"
BASE = Names(parse_passwd(PASSWD), parse_group(GROUP))


def names(passwd: str = "", group: str = "") -> Names:
    return Names(parse_passwd(PASSWD + passwd), parse_group(GROUP + group))


class TestParse:
    def test_lines_that_make_no_sense_are_passed_over(self) -> None:
        text = "\n# x:y:1:1:::\n+::::::\nshort:x:1\nbad:x:a:1:::\n:x:1:1:::\nok:x:7:8:t:/h:/s\n"
        [user] = parse_passwd(text).values()
        assert (user.name, user.uid, user.gid, user.gecos) == ("ok", 7, 8, "t")

    def test_first_of_two_counts(self) -> None:
        assert parse_group("a:x:1:\na:x:2:\n")["a"].gid == 1

    def test_members(self) -> None:
        assert parse_group("g:x:5:a,b,\n")["g"].members == ("a", "b")


class TestFindAdded:
    def test_groups_before_users_before_members(self) -> None:
        after = names(
            "foo:x:990:991:The Foo:/var/lib/foo:/sbin/nologin\n", "foo:x:991:\nbar:x:992:foo\n"
        )
        assert find_added(BASE, after, "foo") == (
            Account("foo", "group", "bar", 992, -1),
            Account("foo", "group", "foo", 991, -1),
            Account("foo", "user", "foo", 990, 991, "The Foo", "/var/lib/foo", "/sbin/nologin"),
            Account("foo", "member", "foo", -1, 992, group="bar"),
        )

    def test_joining_a_group_of_the_base(self) -> None:
        after = Names(
            BASE.users, parse_group(GROUP.replace("wheel:x:10:root", "wheel:x:10:root,daemon"))
        )
        assert find_added(BASE, after, "p") == (
            Account("p", "member", "daemon", -1, 10, group="wheel"),
        )

    def test_nothing(self) -> None:
        assert find_added(BASE, BASE, "p") == ()


class TestToSysusers:
    def test_lines(self) -> None:
        accounts = (
            Account("foo", "group", "foo", 991, -1),
            Account("foo", "user", "foo", 990, 991, 'A "b" 100%', "/var/lib/foo", "/sbin/nologin"),
            Account("foo", "user", "bare", 989, 991),
            Account("foo", "member", "foo", -1, 10, group="wheel"),
        )
        assert to_sysusers(accounts) == (
            "g foo 991\n"
            'u foo 990:991 "A \\"b\\" 100%%" "/var/lib/foo" "/sbin/nologin"\n'
            "u bare 989:991 - - -\n"
            "m foo wheel\n"
        )

    def test_none(self) -> None:
        assert to_sysusers(()) == ""


class TestIds:
    SEED = (
        Account("foo", "group", "foo", 991, -1),
        Account("foo", "user", "foo", 990, 991),
        Account("foo", "member", "foo", -1, 10, group="wheel"),
        Account("gone", "user", "gone", 985, 985),
    )

    def plan(self, before: Names, after: Names) -> Renumbering:
        return plan_ids(find_added(before, after, "foo"), self.SEED, after, BASE)

    def test_what_was_just_made_gets_its_ids_back(self) -> None:
        now = names("foo:x:999:998:::\n", "foo:x:998:\n")
        moves = self.plan(names(), now)
        assert (moves.uids, moves.gids, moves.refused) == ({999: 990}, {998: 991}, ())

    def test_same_ids_need_nothing(self) -> None:
        assert not self.plan(names(), names("foo:x:990:991:::\n", "foo:x:991:\n"))

    def test_another_account_of_the_layer_swaps(self) -> None:
        first = names("new:x:990:990:::\n", "")
        now = names("new:x:990:990:::\nfoo:x:989:990:::\n", "")
        assert self.plan(first, now).uids == {989: 990, 990: 989}

    def test_ids_of_the_base_are_its_own(self) -> None:
        seed = [Account("foo", "group", "foo", 10, -1)]
        now = names(group="wheel:x:10:\nfoo:x:998:\n")
        base = names(group="wheel:x:10:\n")
        moves = plan_ids(find_added(base, now, "foo"), seed, now, base)
        assert not moves
        assert [why for _, why in moves.refused] == ["10 now belongs to wheel"]

    def test_a_circle(self) -> None:
        seed = [Account("p", "user", n, uid, 1) for n, uid in (("a", 2), ("b", 3), ("c", 1))]
        now = names("a:x:1:1:::\nb:x:2:1:::\nc:x:3:1:::\n", "")
        moves = plan_ids(find_added(names(), now, "p"), seed, now, names())
        assert moves.uids == {1: 2, 2: 3, 3: 1}
        text = renumber_lines("a:x:1:1:::\nb:x:2:1:::\nc:x:3:1:::\n", {2: moves.uids})
        assert {n: u.uid for n, u in parse_passwd(text).items()} == {"a": 2, "b": 3, "c": 1}

    def test_lines_read_back(self) -> None:
        group, user = self.SEED[:2]
        assert parse_group(to_lines(group)["group"])["foo"].gid == 991
        assert parse_passwd(to_lines(user)["passwd"])["foo"].uid == 990
        assert to_lines(user)["shadow"].split(":")[1] == "!*"
        assert to_lines(self.SEED[2]) == {}


def test_split_added_keeps_changed_lines_of_the_base() -> None:
    kept, added = split_added("root:*:1\nx:!:2\n", "root:new:5\nfoo:!:3\nx:!:2\nbar:!:4\n")
    assert kept == "root:new:5\nx:!:2\n"
    assert added == "foo:!:3\nbar:!:4\n"


class TestPlanAccounts:
    def plan(self, text: str, known: Names = BASE) -> list[tuple[str, str, int, int]]:
        return [(a.kind, a.name, a.uid, a.gid) for a in plan_accounts(text, known, "p")]

    def test_user_brings_its_group(self) -> None:
        [group, user] = plan_accounts('u foo - "The Foo" /var/lib/foo\n', BASE, "p")
        assert (group.kind, group.name, group.uid) == ("group", "foo", 999)
        assert (user.uid, user.gid, user.gecos, user.home) == (999, 999, "The Foo", "/var/lib/foo")
        assert user.shell == "/usr/sbin/nologin"

    def test_fixed_ids(self) -> None:
        assert self.plan("g bar 71\nu foo 70:71\nu baz 72:wheel\n") == [
            ("group", "bar", 71, -1),
            ("user", "foo", 70, 71),
            ("user", "baz", 72, 10),
        ]

    def test_fixed_id_that_is_taken_becomes_another(self) -> None:
        assert self.plan("u foo 2 - /\ng bar 10\n") == [
            ("group", "bar", 999, -1),
            ("group", "foo", 998, -1),
            ("user", "foo", 998, 998),
        ]

    def test_known_names_are_left_alone(self) -> None:
        assert self.plan("u daemon 5\ng wheel 99\n") == []

    def test_members_make_what_is_missing(self) -> None:
        assert self.plan("m foo wheel\n") == [
            ("group", "foo", 999, -1),
            ("user", "foo", 999, 999),
            ("member", "foo", -1, 10),
        ]

    def test_modifiers_comments_and_nonsense(self) -> None:
        text = "# u no -\n\nu! locked -\nr - 500-900\nu bad/name -\nu 'open\nz x\nu\n"
        assert [row[1] for row in self.plan(text)] == ["locked", "locked"]

    def test_line_that_could_forge_another_is_not_taken(self) -> None:
        assert self.plan("u a:0:0 -\n") == []


@pytest.mark.parametrize(
    ("text", "before", "expected"),
    [
        ("a:x:1:\nb:x:2:\n", "a:x:1:\n", "a:x:1:\n"),
        ("b:x:2:\n", "b:x:2:\n", "b:x:2:\n"),
        ("a:x:1:b,c\n", "a:x:1:\n", "a:x:1:c\n"),
        ("a:x:1:b\n", "a:x:1:b\n", "a:x:1:b\n"),
        ("c:x:3:b\n", "", "c:x:3:b\n"),
        ("b:x:2:2:B:/:/bin/sh\n# note\n", "", "# note\n"),
    ],
)
def test_names_that_only_the_boot_makes_are_taken_out(
    text: str, before: str, expected: str
) -> None:
    assert without_names(text, before, {"b"}) == expected
