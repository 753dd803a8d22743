"""A small tree to run hostile programs in, through the real sandbox."""

import _ctypes
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pkglayer.model.scriptlet import Limits
from pkglayer.system import rpmlua
from pkglayer.system.sandbox import Outcome, run_sandboxed
from tests.support.testos import static_binary
from tests.support.trees import Dir, File, Link, make_tree

SECONDS = 20
APPLETS = """sh ls cat id echo sleep yes dd rm mount umount mknod mkfifo chroot chown chmod kill
    nc find head tail tee touch mkdir env ps setsid nohup hostname date dmesg ln stat test tr wc
    true false grep sysctl"""


@dataclass
class Box:
    """A small tree with a stand-in for /var, and a way to run shell text in it."""

    root: Path
    var: Path

    def run(
        self,
        script: str,
        *arguments: str,
        limits: Limits | None = None,
        stdin: bytes = b"",
        env: Mapping[str, str] | None = None,
        readonly: Sequence[str] = (),
        on_line: Callable[[str], None] | None = None,
    ) -> Outcome:
        return run_sandboxed(
            self.root,
            self.var,
            ["/bin/sh"],
            script=script.encode(),
            arguments=arguments,
            limits=limits or Limits(seconds=SECONDS),
            stdin=stdin,
            env=env,
            readonly=readonly,
            on_line=on_line,
        )

    def python(self, code: str) -> object:
        """Run Python code in the sandbox and return the JSON value that it prints."""
        loader, binds = rpmlua._runtime()
        more = rpmlua._needed_libraries(rpmlua._find_loader(), [Path(_ctypes.__file__)])
        known = {target for _, target in binds}
        extra = [(p, f"/run/pkglayer/lib/{n}") for n, p in more.items()]
        outcome = run_sandboxed(
            self.root,
            self.var,
            [loader, "--library-path", "/run/pkglayer/lib", "/run/pkglayer/python", "-S", "-s"],
            script=code.encode(),
            env={"PYTHONHOME": "/run/pkglayer/usr"},
            binds=[*binds, *(e for e in extra if e[1] not in known)],
            limits=Limits(seconds=SECONDS),
        )
        assert outcome.exit_code == 0, outcome.output
        return json.loads(outcome.output)


def make_box(tmp: Path) -> Box:
    """Make the tree and the stand-in below `tmp`."""
    root, var = tmp / "tree", tmp / "var"
    files = {f"usr/bin/{name}": Link("busybox") for name in APPLETS.split()}
    make_tree(
        root,
        {
            "usr/bin/busybox": File(static_binary("busybox"), 0o755),
            **files,
            **{name: Link(f"usr/{name}") for name in ("bin", "sbin", "lib", "lib64")},
            **dict.fromkeys(("usr/sbin", "usr/lib", "usr/lib64", "proc", "sys", "run"), Dir()),
            "home": Link("var/home"),
            "root": Link("var/roothome"),
            "etc/passwd": "root:x:0:0::/:/bin/sh\n",
            "etc/shadow": File("root:tree:19000::::::\n", 0),
            "usr/lib/sysimage/rpm/rpmdb.sqlite": "database",
        },
    )
    make_tree(var, {"tmp": Dir(0o1777), "roothome": Dir(), "home": Dir()})
    return Box(root, var)
