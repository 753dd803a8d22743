"""Packages made for what is hard: each case is a set of packages that is installed together.

They go on the test system's base with `BASE_FILES`, which has something in the way of many.
"""

import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.forge import drop_digests
from tests.support.rpms import Entry, RpmTree, Trigger, build_rpm, config, ghost
from tests.support.trees import DIR, Dir, File, Hardlink, Link, Node, many_files

BASE_FILES: Mapping[str, Node] = {
    "usr/lib/tmpfiles.d/testos.conf": "".join(
        f"d /var/{name} 0755 root root - -\n"
        for name in ("cache", "home", "lib", "log", "mnt", "opt", "spool", "srv", "usrlocal")
    ) + "d /var/roothome 0700 root root - -\n",
    "etc/kept.conf": "the base's own\n",
    "etc/replaced.conf": "the base's own\n",
    "usr/share/shared": Dir(0o755),
    "usr/share/shared/base": "base\n",
    "usr/share/elsewhere": Dir(0o755),
    "usr/share/elsewhere/base": "base\n",
    "usr/share/alias": Link("elsewhere"),
}


Packages = Mapping[str, Mapping[str, Any]]
"""Arguments of `build_rpm` by a package's name, or by its name and architecture."""


@dataclass(frozen=True)
class Case:
    """`change` is what is done to the files once they are built."""

    title: str
    packages: Packages
    change: Callable[[Path], object] = lambda _: None


def build(directory: Path, *, quick: bool = False) -> tuple[list[Path], list[Sequence[str]]]:
    """Build all packages; returns them, and for each case the names to install together."""
    cases = [case for case in CASES if not (quick and case.title in SLOW)]
    rpms = []
    for case in cases:
        built = build_packages(directory, case.packages)
        rpms += built
        for rpm in built:
            case.change(rpm)
    return rpms, [list(case.packages) for case in cases]


def build_packages(directory: Path, packages: Packages) -> list[Path]:
    """Build these packages, and return their files."""
    rows = [(name, f".{words.get('arch', '')}", words) for name, words in packages.items()]
    return [build_rpm(directory, n.removesuffix(suffix), **words) for n, suffix, words in rows]


def show(kind: str) -> str:
    """A scriptlet or trigger that writes down when and with what it ran."""
    return f'echo "{kind} $*" >> /etc/journal; if [ ! -t 0 ]; then cat >> /etc/journal; fi'


def journal(*kinds: str) -> dict[str, str]:
    return {kind: f'echo "{kind} $*" >> /etc/journal' for kind in kinds}


def _payloads() -> Iterator[Case]:
    for name, macro in {
        "gzip": "w9.gzdio", "xz": "w2.xzdio", "zstd": "w3.zstdio", "bzip2": "w9.bzdio",
        "lzma": "w2.lzdio", "none": "w.ufdio",
    }.items():  # fmt: skip
        files = {f"usr/share/payload/{name}": f"{name}\n" * 5000, f"usr/share/payload/{name}0": ""}
        package = {"files": files, "macros": {"_binary_payload": macro}}
        yield Case(f"payload {name}", {f"payload-{name}": package})


def _digests() -> Iterator[Case]:
    for name, number in {"md5": 1, "sha1": 2, "sha512": 10}.items():
        macros = {"_binary_filedigest_algorithm": str(number)}
        files = {f"usr/share/digest/{name}": "text\n", f"usr/share/digest/{name}.empty": ""}
        yield Case(f"digest {name}", {f"digest-{name}": {"files": files, "macros": macros}})


def _undigested() -> Iterator[Case]:
    files = {"usr/share/nodigest/x": "text\n", "usr/share/nodigest/empty": "", "etc/nodigest":
             config("x"), "usr/share/nodigest/y": Hardlink("usr/share/nodigest/x")}  # fmt: skip
    yield Case("no digest at all", {"nodigest": {"files": files}}, drop_digests)


def _elf(bits: int) -> File:
    """The head of a program that nothing can run, for rpm to see its class."""
    ident = b"\x7fELF" + bytes([bits // 32, 1, 1, 0]) + bytes(8)
    if bits == 64:
        head = struct.pack("<HHIQQQIHHHHHH", 3, 62, 1, 0, 0, 0, 0, 64, 0, 0, 0, 0, 0)
    else:
        head = struct.pack("<HHIIIIIHHHHHH", 3, 3, 1, 0, 0, 0, 0, 52, 0, 0, 0, 0, 0)
    return File(ident + head, 0o755)


def both_classes(name: str, files: RpmTree, **more: Any) -> dict[str, Mapping[str, Any]]:
    """One package for two architectures, with a program of either class and a library of each."""
    packages: dict[str, Mapping[str, Any]] = {}
    for arch, lib, bits in (("x86_64", "lib64", 64), ("i686", "lib", 32)):
        own = {f"usr/bin/{name}": _elf(bits), f"usr/{lib}/lib{name}.so": _elf(bits)}
        packages[f"{name}.{arch}"] = {"arch": arch, "files": {**own, **files}, **more}
    return packages


_COLOURS = (
    Case("colours", both_classes("multi", {
        "usr/share/multi/same": "same\n", "etc/multi.conf": config("m")})),
    Case("colours, with scriptlets", both_classes("multiscript", {"usr/share/multiscript/x": "x"},
         scripts=journal("pre", "post", "posttrans"))),
    Case("colours of hard links", both_classes("multilink", {
        "usr/bin/multilink2": Hardlink("usr/bin/multilink")})),
    Case("colours across packages", {
        "colour-a.i686": {"arch": "i686", "files": {"usr/bin/coloured": _elf(32)}},
        "colour-b.x86_64": {"arch": "x86_64", "files": {"usr/bin/coloured": _elf(64)},
                            "requires": ["colour-a"]},
        "colour-c.i686": {"arch": "i686", "files": {"usr/bin/coloured": _elf(32)},
                          "requires": ["colour-b"], "scripts": {"post": "rm -f /usr/bin/none"}},
    }),
    Case("a colour beside the base's", {
        "colour-base.i686": {"arch": "i686", "files": {"usr/bin/busybox": _elf(32)}},
    }),
)  # fmt: skip

_SPARSE = b"\0" * 3_000_000 + b"end" + b"\0" * 500_000
_PLAIN = (
    Case("hard links", {"hardlinks": {"files": {
        "usr/bin/one": File("#!/bin/sh\n", 0o755), "usr/bin/two": Hardlink("usr/bin/one"),
        "usr/libexec/three": Hardlink("usr/bin/one"), "usr/bin/other": File("#!/bin/sh\n", 0o755),
        "usr/share/hard/empty": "", "usr/share/hard/empty2": Hardlink("usr/share/hard/empty"),
        "usr/share/hard/suid": File("x", 0o4755),
        "usr/share/hard/suid2": Hardlink("usr/share/hard/suid"),
    }}}),
    Case("hard links outside /usr", {"hardlinks-moved": {"files": {
        "etc/hard/a": "same\n", "etc/hard/b": Hardlink("etc/hard/a"),
        "opt/hard/a": "same\n", "opt/hard/b": Hardlink("opt/hard/a"),
    }}}),
    Case("sparse, empty and binary", {"sparse": {"files": {
        "usr/share/sparse/sparse": _SPARSE, "usr/share/sparse/empty": "",
        "usr/share/sparse/binary": bytes(range(256)) * 64,
    }}}),
    Case("links of the base in paths", {"throughlinks": {"files": {
        "lib/through.so": "lib\n", "bin/through": File("#!/bin/sh\n", 0o755),
        "usr/share/alias/through": "alias\n", "lib/firmware/through/x": "x\n",
    }}}),
    Case("links of packages", {"links": {"files": {
        "usr/share/links/absolute": Link("/usr/share/links/file"),
        "usr/share/links/relative": Link("../links/file"), "usr/share/links/file": "file\n",
        "usr/share/links/dangling": Link("/nowhere/at/all"), "usr/share/links/dir": DIR,
        "usr/share/links/todir": Link("dir"), "etc/links.conf": Link("/usr/share/links/file"),
        "usr/share/links/long": Link("x/" * 500 + "y"),
    }}}),
    Case("shared directories", {
        "shared-a": {"files": {"usr/share/shared": Dir(0o700), "usr/share/shared/a": "a",
                               "usr/share/common": Dir(0o2775), "usr/share/common/a": "a"}},
        "shared-b": {"files": {"usr/share/common": Dir(0o711), "usr/share/common/b": "b",
                               "usr/share/implied/b": "b"}},
    }),
    Case("shared files", {
        "same-a": {"files": {"usr/share/same/file": "same\n", "usr/share/same/a": "a"}},
        "same-b": {"files": {"usr/share/same/file": "same\n", "usr/share/same/b": "b"}},
    }),
    Case("ghosts", {"ghosts": {"files": {
        "etc/ghost.conf": ghost(), "var/log/ghost.log": ghost(0o600),
        "usr/share/ghost/made": ghost(), "usr/share/ghost/dir": Entry(DIR, tag="%ghost"),
    }, "scripts": {"post": "echo made > /usr/share/ghost/made 2>/dev/null || :"}}}),
    Case("configuration", {"configs": {"files": {
        "etc/kept.conf": config("the package's\n"),
        "etc/replaced.conf": config("the package's\n", noreplace=False),
        "etc/new.conf": config("new\n", 0o600), "etc/configs.d": Dir(0o750),
        "etc/configs.d/one": config("one\n"), "usr/share/configs/x.conf": config("x\n"),
    }}}),
    Case("documentation", {"documents": {"files": {
        "usr/share/doc/documents/README": Entry(File("read\n"), tag="%doc"),
        "usr/share/licenses/documents/COPYING": Entry(File("free\n"), tag="%license"),
        "usr/share/documents/made": Entry(File("made\n"), tag="%artifact"),
    }}}),
    Case("capabilities and modes", {"modes": {"files": {
        "usr/bin/capable": File("#!/bin/sh\n", 0o755, caps="cap_net_raw=ep"),
        "usr/bin/capable2": File("#!/bin/sh\n", 0o750, caps="cap_net_admin,cap_net_raw=eip"),
        "usr/bin/suid": File("x", 0o4755), "usr/bin/sgid": File("x", 0o2755),
        "usr/bin/both": File("x", 0o6711), "usr/share/modes/sticky": Dir(0o1777),
        "usr/share/modes/secret": File("s", 0o000), "usr/share/modes/write": File("w", 0o666),
        "usr/share/modes/sgid": Dir(0o2770), "etc/modes.secret": File("s", 0o600),
    }}}),
    Case("owners made in %pre", {"owners": {"files": {
        "usr/bin/owned": Entry(File("x", 0o4750), "owned", "owned"),
        "usr/bin/ownedcap": Entry(File("y", 0o750, caps="cap_net_raw=ep"), "root", "owned"),
        "etc/owned": Entry(Dir(0o750), "root", "owned"),
        "etc/owned/secret": Entry(File("s", 0o640), "root", "owned"),
        "var/lib/owned": Entry(Dir(0o700), "owned", "owned"),
        "var/lib/owned/data": Entry(File("d", 0o600), "owned", "owned"),
        "usr/share/owned": Entry(Dir(0o2755), "root", "owned"),
        "opt/owned/file": Entry(File("o", 0o640), "owned", "owned"),
        "usr/share/owned/link": Entry(Link("x"), "owned", "owned"),
    }, "scripts": {
        "pre": "groupadd -r owned; useradd -r -g owned -d /var/lib/owned -s /sbin/nologin owned",
    }}}),
    Case("owners nobody makes", {"unknown": {"files": {
        "usr/share/unknown": Entry(File("x", 0o4755), "nosuchuser", "nosuchgroup"),
        "usr/share/unknown2": Entry(File("x", 0o2755), "root", "nosuchgroup"),
    }}}),
    Case("accounts by sysusers", {"sysusers": {"files": {
        "usr/lib/sysusers.d/sysusers.conf": 'u bysys - "By sysusers" /var/lib/bysys\ng onlygrp -\n',
        "var/lib/bysys": Entry(Dir(0o750), "bysys", "bysys"),
        "usr/share/bysys": Entry(File("x", 0o640), "root", "onlygrp"),
    }, "scripts": {"pre": "groupadd -r onlygrp; useradd -r -c 'By sysusers' -d /var/lib/bysys"
                          " -s /usr/sbin/nologin bysys"}}}),
    Case("memberships", {"members": {"files": {"usr/share/members": "x"}, "scripts": {
        "pre": "groupadd -r team; useradd -r -G team,wheel -M member"}}}),
    Case("names", {"names": {"files": {
        "usr/share/names/with space": "x", "usr/share/names/grün-日本": "x",
        "usr/share/names/semi;colon": "x", "usr/share/names/$(dollar)": "x",
        "usr/share/names/-dash": "x", "usr/share/names/.hidden": "x",
        "usr/share/names/a&b|c": "x", "usr/share/names/" + "l" * 200: "x",
        "var/lib/names/with space": "x", "var/lib/names/grün-日本": "x", "opt/na me/it's": "x",
        "var/lib/names/it's": "x", "var/lib/names/50%off": "x", "var/lib/names/d %h": Dir(0o700),
        "var/lib/names/li nk": Link("with space"), "usr/local/bin/na me": "x",
        "etc/na mes.conf": config("x"),
    }}}),
    Case("places", {"places": {"files": {
        "opt/places/bin/tool": File("#!/bin/sh\n", 0o755), "opt/places/share": Dir(0o750),
        "opt/other/link": Link("../places/bin/tool"), "usr/local/bin/tool": File("x", 0o755),
        "usr/local/share/places/deep/file": "x", "var/lib/places": Dir(0o711),
        "var/lib/places/data": "data\n", "var/lib/places/link": Link("data"),
        "var/spool/places": Dir(0o1777), "srv/places/index": "index\n", "run/places": Dir(0o755),
        "boot/places.img": "image\n", "mnt/places/file": "x", "root/.placesrc": "x",
        "home/places/file": "x", "var/cache/places/file": "x", "var/log/places/first.log": "x",
        "opt/single": "single\n", "usr/local/etc/local.conf": config("x"),
    }}}),
    Case("many files", {"many": {"files": many_files(10_000, "usr/share/manyfiles")}}),
    Case("a file over 4 GB", {"huge": {"files": {
        "usr/share/huge/zeros": File("head\n", size=(4 << 30) + 12_345),
        "usr/share/huge/small": "x",
    }}}),
    Case("every scriptlet", {"scripts": {"files": {"usr/share/scripts": "x"}, "scripts": {
        **journal("pretrans", "pre", "post", "posttrans", "preun", "postun")}}}),
    Case("a scriptlet's files", {"writer": {"files": {"usr/share/writer/x": "x"}, "scripts": {
        "post": "set -e; umask 027; mkdir -p /usr/share/writer/made /var/lib/writer /etc/writer\n"
                "echo 1 > /usr/share/writer/made/one; ln -s one /usr/share/writer/made/link\n"
                "ln /usr/share/writer/made/one /usr/share/writer/made/hard\n"
                "chmod 4755 /usr/share/writer/made/one; echo 2 > /var/lib/writer/two\n"
                "echo 3 > /etc/writer/three; chmod 600 /usr/share/writer/x; chown 3:4 /etc/writer\n"
                "rm /usr/share/shared/base; mv /usr/share/elsewhere /usr/share/moved\n"
                "ln -s .//x/../one/ /usr/share/writer/made/odd; ln -s ./two /var/lib/writer/odd\n"
                "echo log > /var/log/writer.log; mkdir /var/cache/writer; > /var/cache/writer/c",
    }}}),
    Case("programs", {"programs": {"files": {"usr/share/programs": "x"}, "scripts": {
        "post": ('"/bin/sh -e"', 'echo "$0 $1 $-" | sed "s,/var/tmp/[^ ]*,X," >> /etc/journal'),
        "pre": ('"/usr/bin/touch /etc/touched"', ""),
        "posttrans": ("<lua>", ('f = io.open("/etc/journal", "a"); f:write("lua ", arg[2], " ",'
                      ' tostring(posix.stat("/etc/passwd", "type")), "\\n"); f:close()')),
    }}}),
    Case("lua", {"lua": {"files": {"usr/share/lua/x": "x"}, "scripts": {
        "pretrans": ("<lua>", 'posix.mkdir("/usr/share/fromlua")'),
        "pre": ("<lua>", 'posix.symlink("x", "/usr/share/fromlua/link")'),
        "post": ("<lua>", 'rpm.execute("/bin/sh", "-c", "echo executed > /etc/executed")'),
    }}}),
    Case("package triggers", {
        "trigger-on": {"files": {"usr/share/trigger-on": "x"}},
        "trigger-owner": {"files": {"usr/share/trigger-owner": "x"}, "triggers": [
            Trigger("triggerprein", "trigger-on", show("triggerprein")),
            Trigger("triggerin", "trigger-on, trigger-second > 0", show("triggerin")),
            Trigger("triggerin", "testos-base", show("triggerin base")),
            Trigger("triggerin", "trigger-second > 5", show("never")),
            Trigger("triggerun", "trigger-on", show("triggerun")),
        ], "scripts": journal("pre", "post")},
        "trigger-second": {"files": {"usr/share/trigger-second": "x"}},
    }),
    Case("file triggers", {
        "file-trigger": {"files": {"usr/share/watched/own": "x"}, "scripts": journal("post"),
            "triggers": [
                Trigger("filetriggerin", "/usr/share/watched", show("early"), 20000),
                Trigger("filetriggerin", "/usr/share/watched /usr/lib/testos", show("late"), 100),
                Trigger("transfiletriggerin", "/usr/share/watched", show("trans"), 500),
                Trigger("transfiletriggerin", "/usr/bin", show("trans bin"), 9000),
                Trigger("filetriggerin", "/usr/share/watched",
                        ("<lua>", ('f = io.open("/etc/journal", "a"); l = rpm.next_file();'
                                  ' while l do f:write("lua ", l, "\\n"); l = rpm.next_file() end;'
                                  ' f:close()')), 300),
            ]},
        "watched-a": {"files": {"usr/share/watched/a": "x", "usr/share/watched/d/b": "x"},
                      "scripts": journal("post", "posttrans")},
        "watched-b": {"files": {"usr/share/watched/c": "x"}, "requires": ["watched-a"],
                      "scripts": journal("post", "posttrans")},
    }),
    Case("order", {
        "order-c": {"requires": ["order-b"], "files": {"usr/share/o/c": "c"},
                    "scripts": journal("pre", "post", "posttrans")},
        "order-b": {"requires": ["order-a"], "files": {"usr/share/o/b": "b"},
                    "scripts": journal("pre", "post", "posttrans")},
        "order-a": {"files": {"usr/share/o/a": "a"},
                    "scripts": journal("pre", "post", "posttrans")},
        "order-d": {"extra_spec": "Requires(pre): order-c", "files": {"usr/share/o/d": "d"},
                    "scripts": journal("pretrans", "pre", "post", "posttrans")},
    }),
    Case("versions", {"versions": {"epoch": 3, "version": "1~rc1^git2", "release": "0.1.a",
        "arch": "x86_64", "provides": ["virtual(x) = 3:1-2", "other"], "recommends": ["nothing"],
        "files": {"usr/share/versions": "x"}, "changelog":
            "* Mon Jan 01 2024 Somebody <somebody@example.org> - 1-1\n- Made\n"}}),
    Case("queries in scriptlets", {"queries": {"files": {"usr/share/queries": "x"}, "scripts": {
        "post": "{ getent passwd root; id; pwd; umask; echo $PATH; ls /proc/self/fd | wc -l; }"
                " >> /etc/journal"}}}),
    Case("bodies that rpm expands", {"expanded": {"files": {"usr/share/expanded": "x"}, "scripts": {
        "pre -q": "echo 'query %{NAME} %{EVR}' >> /etc/journal",
        "post -e": "echo 'macro %{_arch} %{?none}%{!?none:no} %%' >> /etc/journal",
        "posttrans -e -q": "echo '%{NVRA}' >> /etc/journal || :",
    }}}),
    Case("relocatable", {"relocatable": {"extra_spec": "Prefix: /usr/share/reloc\nPrefix: /etc",
        "files": {"usr/share/reloc/x": "x", "etc/reloc": "x"}, "scripts": {
            "post": 'echo "$RPM_INSTALL_PREFIX $RPM_INSTALL_PREFIX0 $RPM_INSTALL_PREFIX1"'
                    " >> /etc/journal"}}}),
    Case("a link in the way of a directory", {
        "way-a": {"files": {"usr/share/way/real/x": "x", "usr/share/way/link": Link("real")}},
        "way-b": {"requires": ["way-a"], "files": {"usr/share/way/link/y": "y"}},
    }),
    Case("empty package", {"nothing": {}}),
    Case("directories only", {"dirs": {"files": {
        "usr/share/dirs/a": Dir(0o750), "usr/share/dirs/b": Dir(0o1777), "etc/dirs": Dir(0o700),
        "opt/dirs": Dir(0o755), "usr/local/dirs": Dir(0o755), "var/lib/dirs/deep": Dir(0o2750),
    }}}),
)  # fmt: skip

REFUSED: Mapping[str, Packages] = {
    "two contents": {"two-a": {"files": {"usr/share/two": "a"}},
                     "two-b": {"files": {"usr/share/two": "b"}}},
    "file and directory": {"kind-a": {"files": {"usr/share/kind": "a"}},
                           "kind-b": {"files": {"usr/share/kind/b": "b"}}},
    "two targets": {"to-a": {"files": {"usr/share/to": Link("a")}},
                    "to-b": {"files": {"usr/share/to": Link("b")}}},
    "other text for two architectures": {
        "text.x86_64": {"arch": "x86_64", "files": {"usr/share/text": "of 64 bits"}},
        "text.i686": {"arch": "i686", "files": {"usr/share/text": "of 32 bits"}}},
    "a file of the base": {"over": {"files": {"usr/bin/getent": "other"}}},
    "a requirement": {"lacks": {"requires": ["nobody-has-this"]}},
    "a conflict": {"against": {"conflicts": ["testos-base"]}},
    "a failing %pre": {"failing": {"files": {"usr/share/failing": "x"},
                                   "scripts": {"pre": "exit 3"}}},
    "a failing %pretrans": {"failing-lua": {"scripts": {"pretrans": ("<lua>", 'error("no")')}}},
}  # fmt: skip
"""What neither may install, by title: packages as in a case."""

# Together they are too much for a quick run.
SLOW = frozenset({"many files", "a file over 4 GB"})
CASES: tuple[Case, ...] = (*_PLAIN, *_COLOURS, *_payloads(), *_digests(), *_undigested())
