"""RPMs that the booted test brings itself: one with what peers find hard, and another kernel."""

import re
import subprocess
from pathlib import Path

from tests.support.rpms import Entry, build_rpm
from tests.support.trees import Dir, File, Node
from tests.support.world.model import World

_SERVICE = """[Unit]
Description=A service with a user of its own
[Service]
User=kitchen
ExecStart=/bin/sh -c 'echo started >> /var/lib/kitchen/starts; exec sleep infinity'
[Install]
WantedBy=multi-user.target
"""

_LUA = """
local file = io.open("/usr/share/kitchen/lua", "w")
file:write("made by lua, instance " .. arg[2] .. "\\n")
file:close()
"""

_DRACUT = """
# What a machine with one plain disk boots without; packing would be most of the time it takes.
omit_dracutmodules+=" network lvm crypt mdraid dmraid multipath btrfs iscsi nfs i18n "
compress="cat"
"""


def build_kitchen(out: Path) -> Path:
    """A service with its user and state; capabilities, setuid, setgid; /opt, /usr/local, /srv; lua;
    and settings for dracut.

    Its programs are this machine's `cat` and `id`: real ones, since scripts have no capabilities.
    """
    cat, show_ids = (Path("/usr/bin", name).read_bytes() for name in ("cat", "id"))
    libexec = "usr/libexec/kitchen"
    return build_rpm(
        out,
        "kitchen",
        arch="x86_64",
        files={
            f"{libexec}/capable": File(cat, 0o755, caps="cap_dac_read_search=ep"),
            f"{libexec}/plain": File(cat, 0o755),
            f"{libexec}/setuid": File(show_ids, 0o4755),
            f"{libexec}/setgid": Entry(File(show_ids, 0o2755), group="kitchen"),
            "usr/share/kitchen/readme": "a directory for what lua makes\n",
            "usr/lib/systemd/system/kitchen.service": _SERVICE,
            "usr/lib/sysusers.d/kitchen.conf": 'u kitchen - "Kitchen" /var/lib/kitchen\n',
            "usr/lib/dracut/dracut.conf.d/50-kitchen.conf": _DRACUT,
            "var/lib/kitchen": Entry(Dir(0o750), "kitchen", "kitchen"),
            "opt/kitchen/tool": File("#!/bin/sh\necho from opt\n", 0o755),
            "usr/local/bin/kitchen-local": File("#!/bin/sh\necho from local\n", 0o755),
            "srv/kitchen/page": Entry(File("page\n", 0o640), "kitchen", "kitchen"),
        },
        scripts={"post": ("<lua>", _LUA), "posttrans": "systemctl preset kitchen.service"},
    )


def build_other_kernel(full: World, out: Path) -> tuple[Path, str]:
    """A newer build of the base's kernel package that has another kernel in it, and its version.

    The kernel is one that the distribution offers beside the base's, as it lies in its package: in
    /boot, its modules in /lib.
    """
    [name] = [n for n in full.base_names if re.match(r"linux-image-\d", n)]
    [base] = full.repo_v1.glob(f"{name}-*.rpm")
    offered = _offered_kernel(name)
    _run("apt-get", "-qq", "-oAPT::Sandbox::User=root", "download", offered, cwd=out)
    [deb] = out.glob(f"{offered}_*.deb")
    _run("dpkg-deb", "--extract", str(deb), "kernel", cwd=out)
    rpm = build_rpm(
        out,
        name,
        version="9999",
        arch="x86_64",
        files=dict(_kernel_files(out / "kernel")),
        provides=_run("rpm", "-qp", "--provides", str(base)).splitlines()[:1],
    )
    return rpm, offered.removeprefix("linux-image-")


def _offered_kernel(name: str) -> str:
    """The newest other package of the same series and kind."""
    series, kind = re.fullmatch(r"(linux-image-\d+\.\d+)\.\d+-\d+(.*)", name).groups()  # type: ignore[union-attr]
    known = _run("apt-cache", "pkgnames", series).split()
    pattern = re.compile(re.escape(series) + r"\.\d+-(\d+)" + re.escape(kind))
    found = {n: int(m[1]) for n in known if n != name and (m := pattern.fullmatch(n))}
    for other in sorted(found, key=lambda n: -found[n]):
        if _run("apt-cache", "madison", other):
            return other
    raise AssertionError(f"the distribution offers no kernel beside {name}")


def _kernel_files(root: Path) -> list[tuple[str, Node]]:
    paths = [p for p in sorted(root.rglob("*")) if p.is_file()]
    names = [str(p.relative_to(root)) for p in paths]
    return [
        ("usr/" + n if n.startswith("lib/") else n, File(p.read_bytes()))
        for n, p in zip(names, paths, strict=True)
        if n.startswith(("lib/modules/", "boot/vmlinuz-"))
    ]


def _run(*command: str, cwd: Path | None = None) -> str:
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, cwd=cwd)
    return done.stdout
