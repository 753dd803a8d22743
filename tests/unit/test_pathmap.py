"""Paths in tmpfiles.d lines are written so that systemd reads them back, old versions as well."""

import pytest

from pkglayer.model.pathmap import quote, to_argument


@pytest.mark.parametrize(
    ("path", "written"),
    [
        ("/var/lib/plain-1.0_x+y", "/var/lib/plain-1.0_x+y"),
        ("/with space", '"/with space"'),
        ("/it's", '"/it\'s"'),
        ('/a"b', '"/a\\"b"'),
        ("/50%off", '"/50%%off"'),
        ("/back\\slash", '"/back\\\\slash"'),
        ("/grün", "/grün"),
        ("/line\nfeed", '"/line\\x0afeed"'),
        ("/latin\udce4", '"/latin\\xe4"'),
    ],
)
def test_a_path_is_quoted_only_where_it_must_be(path: str, written: str) -> None:
    assert quote(path) == written


@pytest.mark.parametrize(
    ("target", "written"),
    [
        ("../a b/it's \"c\"", "../a b/it's \"c\""),
        ("50%", "50%%"),
        ("back\\slash", "back\\slash"),
        ("x\nL /etc/other", "x\\x0aL /etc/other"),
    ],
)
def test_a_target_is_never_quoted_and_never_a_line_of_its_own(target: str, written: str) -> None:
    assert to_argument(target) == written
