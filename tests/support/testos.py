"""The packages of the small system that test bases consist of: a busybox userland that really runs.

Scriptlets find a shell, the usual tools, `useradd`, `groupadd`, `getent` and `ldconfig` in it, and
packages find the capabilities that a real base provides. The kernel is only a file with its name.
"""

import platform
import shutil
import struct
from pathlib import Path

from tests.support.rpms import Entry, build_rpm, config
from tests.support.trees import DIR, File, Link

KERNEL_VERSION = "6.1.0-test"

_APPLETS = """
    [ [[ ash awk base64 basename bunzip2 bzip2 cat chgrp chmod chown chroot clear cmp cp cpio cut
    date dd df diff dirname dmesg du echo ed egrep env expand expr factor fallocate false fgrep
    find fold free getopt grep groups gunzip gzip head hexdump hostname id install kill killall
    last less ln logger ls lzma md5sum mkdir mkfifo mknod mktemp more mount mv nc nice nohup nproc
    od paste patch pidof ping printf ps pwd readlink realpath rev rm rmdir sed seq setsid sh
    sha1sum sha256sum sha512sum shuf sleep sort split stat strings stty sync tac tail tar tee test
    time timeout top touch tr true truncate tty umount uname unexpand uniq unlink unxz unzip
    uptime vi watch wc wget which whoami xargs xz xzcat yes zcat
"""

_ACCOUNTS = r"""# Shared by useradd and groupadd, which
# add lines as the real ones do: to a copy that then takes the file's place.
free_id() {
    awk -F: -v low="$1" '{ used[$3] = 1 } END {
        id = low ? 999 : 1000; step = low ? -1 : 1
        while (id in used) id += step
        print id }' /etc/passwd /etc/group
}
has() { awk -F: -v name="$2" '$1 == name { found = 1 } END { exit !found }' "/etc/$1"; }
add_line() {
    cp -p "/etc/$1" "/etc/$1+" && echo "$2" >> "/etc/$1+" && mv "/etc/$1+" "/etc/$1"
}
fail() { echo "$program: $2" >&2; exit "$1"; }
"""

_GROUPADD = r"""#!/bin/sh
# groupadd [-r] [-f] [-g GID] NAME
set -e
program=groupadd; . /usr/lib/testos/accounts.sh
system= gid= force= name=
while [ $# -gt 0 ]; do
    case $1 in
        -r|--system) system=1 ;;
        -f|--force) force=1 ;;
        -g|--gid) gid=$2; shift ;;
        -o|--non-unique) ;;
        -*) fail 2 "unknown option $1" ;;
        *) name=$1 ;;
    esac
    shift
done
[ -n "$name" ] || fail 2 "no name given"
if has group "$name"; then [ -n "$force" ] && exit 0; fail 9 "group '$name' already exists"; fi
[ -n "$gid" ] || gid=$(free_id "$system")
add_line group "$name:x:$gid:"
add_line gshadow "$name:!::"
"""

_USERADD = r"""#!/bin/sh
# useradd [-r] [-M|-m] [-N|-U] [-u UID] [-g GROUP] [-G GROUP,..] [-d DIR] [-s SHELL] [-c TEXT] NAME
set -e
program=useradd; . /usr/lib/testos/accounts.sh
system= uid= group= more= home= shell=/bin/sh text= own=1 make= name=
while [ $# -gt 0 ]; do
    case $1 in
        -r|--system) system=1 ;;
        -M|--no-create-home) make= ;;
        -m|--create-home) make=1 ;;
        -N|--no-user-group) own= ;;
        -U|--user-group) own=1 ;;
        -l|-o|--no-log-init|--non-unique) ;;
        -u|--uid) uid=$2; shift ;;
        -g|--gid) group=$2 own=; shift ;;
        -G|--groups) more=$2; shift ;;
        -d|--home-dir) home=$2; shift ;;
        -s|--shell) shell=$2; shift ;;
        -c|--comment) text=$2; shift ;;
        -*) fail 2 "unknown option $1" ;;
        *) name=$1 ;;
    esac
    shift
done
[ -n "$name" ] || fail 2 "no name given"
has passwd "$name" && fail 9 "user '$name' already exists"
[ -n "$uid" ] || uid=$(free_id "$system")
if [ -n "$own" ]; then
    has group "$name" && fail 9 "group '$name' already exists: use -g"
    groupadd -g "$uid" "$name"
    group=$name
fi
gid=$(getent group "${group:-100}" | cut -d: -f3)
[ -n "$gid" ] || fail 6 "group '${group:-100}' does not exist"
: "${home:=/home/$name}"
add_line passwd "$name:x:$uid:$gid:$text:$home:$shell"
add_line shadow "$name:!:19000::::::"
for one in $(echo "$more" | tr , ' '); do
    has group "$one" || fail 6 "group '$one' does not exist"
    sed -i -e "/^$one:/{/:\$/!s/\$/,/;s/\$/$name/}" /etc/group /etc/gshadow
done
if [ -n "$make" ]; then install -d -m 700 -o "$uid" -g "$gid" "$home"; fi
"""

_GETENT = r"""#!/bin/sh
# getent passwd|group|shadow [KEY...], from the files alone
database=/etc/$1; shift
[ -f "$database" ] || exit 1
[ $# -gt 0 ] || exec cat "$database"
for key; do
    awk -F: -v key="$key" '$1 == key || $3 == key { print; found = 1 } END { exit found ? 0 : 2 }' \
        "$database" || exit 2
done
"""


def testos_packages(tmp: Path, version: str) -> list[Path]:
    """Build the packages that every test base has; only the release depends on `version`."""
    return [_build_base(tmp), _build_kernel(tmp), build_release(tmp, version)]


def build_release(tmp: Path, version: str) -> Path:
    """Build the package that says which version of the system this is."""
    release = {"NAME": "Test OS", "ID": "testos", "VERSION_ID": version, "OSTREE_VERSION": version}
    text = "".join(f'{key}="{value}"\n' for key, value in release.items())
    return build_rpm(
        tmp,
        "testos-release",
        version=version,
        provides=[f"system-release = {version}", f"system-release(releasever) = {version}"],
        files={"usr/lib/os-release": text, "etc/os-release": Link("../usr/lib/os-release")},
    )


def _build_base(tmp: Path) -> Path:
    busybox = {f"usr/bin/{name}": Link("busybox") for name in _APPLETS.split()}
    return build_rpm(
        tmp,
        "testos-base",
        arch=platform.machine(),
        provides=["/bin/sh", "/sbin/ldconfig", "/usr/sbin/useradd", "/usr/sbin/groupadd"]
        + ["filesystem = 3", "setup = 2", "shadow-utils = 4"],
        files={
            "usr/bin/busybox": File(static_binary("busybox"), 0o755),
            "usr/sbin/ldconfig": File(static_binary("ldconfig"), 0o755),
            **busybox,
            "usr/bin/getent": File(_GETENT, 0o755),
            "usr/sbin/useradd": File(_USERADD, 0o755),
            "usr/sbin/groupadd": File(_GROUPADD, 0o755),
            "usr/lib/testos": DIR,
            "usr/lib/testos/accounts.sh": _ACCOUNTS,
            **_etc_files(),
        },
    )


def _etc_files() -> dict[str, Entry]:
    nobody = "nobody:x:65534:65534:Nobody:/:/usr/sbin/nologin\n"
    groups = ["root:x:0:", "adm:x:4:", "tty:x:5:", "users:x:100:", "wheel:x:10:", "nobody:x:65534:"]
    return {
        "etc/passwd": config(f"root:x:0:0:root:/root:/bin/sh\n{nobody}"),
        "etc/group": config("".join(f"{line}\n" for line in groups)),
        "etc/shadow": config("root:*:19000::::::\nnobody:!:19000::::::\n", 0o000),
        "etc/gshadow": config("".join(f"{line.split(':')[0]}:!::\n" for line in groups), 0o000),
        "etc/shells": config("/bin/sh\n"),
        "etc/nsswitch.conf": config(
            "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\n"
        ),
        "etc/ld.so.conf": config("include ld.so.conf.d/*.conf\n"),
        "etc/ld.so.conf.d": Entry(DIR),
    }


def _build_kernel(tmp: Path) -> Path:
    modules = f"usr/lib/modules/{KERNEL_VERSION}"
    return build_rpm(
        tmp,
        "testos-kernel",
        version=KERNEL_VERSION.replace("-", "."),
        provides=[f"kernel-uname-r = {KERNEL_VERSION.replace('-', '.')}"],
        files={modules: DIR, f"{modules}/vmlinuz": "no kernel\n", f"{modules}/modules.dep": ""},
    )


def static_binary(name: str) -> bytes:
    """Return this machine's program of that name; it must need no other file to run."""
    path = shutil.which(name, path="/usr/bin:/bin:/usr/sbin:/sbin")
    if path is None:
        raise AssertionError(f"{name} is not installed: packaging/system-packages.* lists it")
    content = Path(path).read_bytes()
    if _has_interpreter(content):
        raise AssertionError(f"{path} is linked dynamically and cannot run in a test base")
    return content


def _has_interpreter(elf: bytes) -> bool:
    [table] = struct.unpack_from("<Q", elf, 32)
    size, count = struct.unpack_from("<HH", elf, 54)
    kinds = (struct.unpack_from("<I", elf, table + i * size)[0] for i in range(count))
    return 3 in kinds  # PT_INTERP
