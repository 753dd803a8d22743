"""What `why` says, to the exact sentence."""

import pytest

from pkglayer.model.package import Nevra, Package
from pkglayer.model.plan import Override
from pkglayer.model.request import Want
from pkglayer.model.why import Link, explain

TMUX = Want("tmux")
LAYER = Want("tmux", source="layer:editors")


def package(nevra: str, reason: str, *requests: str) -> Package:
    return Package(Nevra.parse(nevra), "r", "", reason=reason, requests=requests)


@pytest.mark.parametrize(
    ("it", "wants", "chain", "says"),
    [
        (package("tmux-3-1.x86_64", "user", "tmux"), [TMUX], "",
         "tmux-3-1.x86_64 was requested by command."),
        (package("tmux-3-1.x86_64", "user", "tmux"), [TMUX, LAYER], "",
         "tmux-3-1.x86_64 was requested by command and by the layer editors."),
        (package("tmux-3-1.x86_64", "user", "tm*"), [Want("tm*")], "",
         "tmux-3-1.x86_64 was requested by command, as 'tm*'."),
        (package("tmux-3-1.x86_64", "user", "tmux-3-1.x86_64"),
         [Want("tmux-3-1.x86_64", "local", header_checksum="f")], "",
         "tmux-3-1.x86_64 was requested by command."),
        (package("vim-9-1.x86_64", "group", "@tools"), [Want("@tools", "group")], "",
         "vim-9-1.x86_64 belongs to @tools, which was requested by command."),
        (package("libevent-2-1.x86_64", "dependency", "tmux"), [TMUX], "tmux needs libevent",
         "libevent-2-1.x86_64 came along for tmux, requested by command: tmux needs libevent."),
        (package("docs-1-1.noarch", "weak-dependency", "tmux"), [LAYER],
         "tmux needs book recommends docs",
         ("docs-1-1.noarch came along for tmux, requested by the layer editors: "
          "tmux needs book, which recommends docs.")),
        (package("lib-1-1.noarch", "dependency", "tmux"), [TMUX], "",
         "lib-1-1.noarch came along for tmux, requested by command."),
    ],
)  # fmt: skip
def test_reason_is_a_sentence(it: Package, wants: list[Want], chain: str, says: str) -> None:
    words = chain.split()
    verbs = [*words[1::2], "needs"] if words else []
    links = [Link(name, verb) for name, verb in zip(words[::2], verbs, strict=True)]
    assert explain(it, wants, (), links).sentence == says


def test_package_in_place_of_the_base_s() -> None:
    tool = package("tool-2-1.noarch", "user", "tool")
    want = Want("tool", "override-replace", repo="r")
    override = Override("replace", "tool-1-1.noarch", "tool-2-1.noarch", ("tool",))
    assert explain(tool, [want], [override], ()).sentence == (
        "tool-2-1.noarch is in place of the base's tool-1-1.noarch, as was requested by command."
    )
    update = Override("update", "tool-1-1.noarch", "tool-2-1.noarch", ("tmux",))
    row = explain(package("tool-2-1.noarch", "dependency", "tmux"), [TMUX], [update], ())
    assert row.sentence == (
        "tool-2-1.noarch is in place of the base's tool-1-1.noarch for as long as the base is "
        "older: tmux cannot do without."
    )
    assert (row.requests, row.sources, row.chain) == (("tmux",), ("command",), ("tool-2-1.noarch",))
