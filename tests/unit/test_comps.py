"""Package groups as comps.xml writes them."""

from xml.etree.ElementTree import ParseError

import pytest

from pkglayer.system.comps import Group, fill_environments, find_group, parse_comps

COMPS = b"""<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE comps PUBLIC "-//Red Hat, Inc.//DTD Comps info//EN" "comps.dtd">
<comps>
 <group><id>web</id><name>Web Server</name><name xml:lang="de">Webserver</name>
  <packagelist>
   <packagereq type="mandatory">httpd</packagereq>
   <packagereq>plain</packagereq>
   <packagereq type="default"> mod_ssl </packagereq>
   <packagereq type="optional">squid</packagereq>
   <packagereq type="conditional" requires="python3">mod_wsgi</packagereq>
   <packagereq type="mandatory"/>
  </packagelist></group>
 <group><id>db</id><name>web server</name><packagelist>
   <packagereq type="mandatory">httpd</packagereq>
   <packagereq type="mandatory">postgresql</packagereq></packagelist></group>
 <group><id></id><name>nameless</name></group>
 <environment><id>server</id><name>Server</name>
  <grouplist><groupid>web</groupid><groupid>db</groupid><groupid>gone</groupid></grouplist>
  <optionlist><groupid>web</groupid></optionlist></environment>
</comps>"""

WEB = Group("web", "Web Server", ("httpd", "plain"), ("mod_ssl",), (("mod_wsgi", "python3"),))


def test_groups_and_environments() -> None:
    web, db, server = fill_environments(parse_comps(COMPS))
    assert web == WEB
    assert db.mandatory == ("httpd", "postgresql")
    assert server == Group(
        "server", "Server", ("httpd", "plain", "postgresql"), WEB.default, WEB.conditional,
        environment=True, groups=("web", "db", "gone"), gone=("gone",),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("@web", "web"),
        ("@Web Server", "web"),
        ("@SERVER", "server"),
        ("@^server", "server"),
        ("@^Server", "server"),
        ("@^web", None),
        ("@none", None),
        ("@", None),
        ("@^", None),
    ],
)
def test_group_by_id_else_by_name(spec: str, expected: str | None) -> None:
    found = find_group(parse_comps(COMPS), spec)
    assert (found.id if found else None) == expected


def test_an_environment_may_have_the_id_of_a_group() -> None:
    group, environment = Group("web"), Group("web", environment=True, groups=("web",))
    assert find_group([group, environment], "@web") is group
    assert find_group([group, environment], "@^web") is environment


@pytest.mark.parametrize(
    "data", [b"", b"<comps>", b"\xff\xfe", b'<!DOCTYPE c [<!ENTITY a "b">]><comps>&a;</comps>']
)
def test_broken_files_are_refused(data: bytes) -> None:
    with pytest.raises((ValueError, ParseError)):
        parse_comps(data)
