"""Only plain queries get through to rpm: options that act, expand or redirect do not."""

import pytest

from pkglayer.model.errors import UsageError
from pkglayer.model.rpmargs import looks_at_files, plan_query


@pytest.mark.parametrize(
    "args",
    [
        ["bash"],
        ["-a"],
        ["-qil", "bash"],
        ["-a", "--qf", "%{NAME}\\n"],
        ["--queryformat=%{NAME} %(x)", "bash"],
        ["--qf", "--eval=x", "bash"],
        ["-f", "/usr/share/100%"],
        ["--whatprovides", "config(bash) = 5.1"],
        ["--changelog", "a;reboot", "$(x)", "`x`", "*"],
    ],
)
def test_queries_are_passed_on_as_they_are(args: list[str]) -> None:
    assert plan_query(args) == ["-q", *args]


def test_verify_never_runs_a_script() -> None:
    assert plan_query(["-V", "bash"]) == ["--noscript", "-V", "bash"]
    assert plan_query(["--verify", "--nofiles", "-a"]) == [
        "--noscript",
        "--verify",
        "--nofiles",
        "-a",
    ]


@pytest.mark.parametrize(
    "args",
    [
        *(["-e", "bash"], ["--erase", "bash"], ["-U", "x.rpm"], ["-F", "x"], ["--install", "x"]),
        *(["--root=/", "-a"], ["--root", "/"], ["-r", "/"], ["--dbpath=/x"], ["--dbpath", "/x"]),
        *(["--pipe", "sh"], ["--pipe=sh"], ["--define", "a b"], ["-D", "a b"], ["--eval", "%(id)"]),
        *(["-E", "%(id)"], ["--load=/x"], ["--macros=/x"], ["--rcfile", "x"], ["--undefine=x"]),
        *(["-p", "http://localhost/x.rpm"], ["-qp", "x.rpm"], ["--package=x"], ["--specfile", "x"]),
        *(
            ["--rebuilddb"],
            ["--initdb"],
            ["--import", "key"],
            ["--setperms", "bash"],
            ["--restore"],
        ),
        *(["-"], ["--"], ["-a", "-"], ["-aex"], ["-qai", "--force"], ["--showrc"], ["-b"]),
        *(["-f", "%(touch x)"], ["%{lua:os.exit()}"]),
        # A format's value may be any text, but what follows it may not.
        *(["--qf", "--qf", "-e", "bash"], ["--qf", "x", "--eval=1"]),
    ],
)
def test_everything_else_is_refused(args: list[str]) -> None:
    with pytest.raises(UsageError):
        plan_query(args)


def test_refusals_help() -> None:
    with pytest.raises(UsageError, match="'--whatprovide' is no query of a state") as caught:
        plan_query(["--whatprovide", "x"])
    assert caught.value.hint == "did you mean '--whatprovides'?"
    with pytest.raises(UsageError, match="no query was given") as caught:
        plan_query([])
    assert "db query" in caught.value.hint
    with pytest.raises(UsageError) as caught:
        plan_query(["-\x1b[31m"])
    assert "\x1b" not in caught.value.message


@pytest.mark.parametrize(
    ("args", "expected"),
    [
        (["-a"], False),
        (["-qi", "bash"], False),
        (["--whatprovides", "/bin/sh"], False),
        (["-f", "/bin/sh"], True),
        (["-qif", "/bin/sh"], True),
        (["--file", "/bin/sh"], True),
        (["--path=/bin/sh"], True),
        (["-V", "bash"], True),
    ],
)
def test_which_queries_need_the_files(args: list[str], expected: bool) -> None:
    assert looks_at_files(args) is expected
