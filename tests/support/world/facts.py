"""What Debian packages do in their maintainer scripts, as tables.

Maintainer scripts are written for dpkg and are not run; their lasting effects become RPM
scriptlets, triggers and attributes. `maintainer.py` finds the plain cases in the scripts
themselves; here are those that hide behind shell variables, and rpm's own counterparts.
"""

from typing import NamedTuple

# sysusers.d lines for users that a script makes with variables in its command line.
USERS: dict[str, tuple[str, ...]] = {
    "avahi-daemon": ('u avahi - "Avahi mDNS daemon" /run/avahi-daemon',),
    "cron-daemon-common": ("g crontab -",),
    "dbus-system-bus-common": ('u messagebus - "D-Bus" /nonexistent',),
    "openssh-client": ("g _ssh -",),
    "openssh-server": ('u sshd - "OpenSSH" /run/sshd',),
    "polkitd": ('u polkitd - "polkit" /nonexistent',),
    "postgresql-common": ('u postgres - "PostgreSQL administrator" /var/lib/postgresql',),
    "redis-tools": ('u redis - "Redis" /var/lib/redis',),
    "udev": ("g input -", "g sgx -", "g kvm -", "g render -"),
}


class Attributes(NamedTuple):
    mode: int
    user: str
    group: str


# dpkg-statoverride calls.
ATTRIBUTES = {
    "etc/redis": Attributes(0o2770, "redis", "redis"),
    "etc/redis/redis.conf": Attributes(0o640, "redis", "redis"),
    "etc/sudoers": Attributes(0o440, "root", "root"),
    "usr/bin/crontab": Attributes(0o2755, "root", "crontab"),
    "usr/bin/ssh-agent": Attributes(0o2755, "root", "_ssh"),
    "usr/lib/dbus-1.0/dbus-daemon-launch-helper": Attributes(0o4754, "root", "messagebus"),
    "var/lib/postgresql": Attributes(0o755, "postgres", "postgres"),
    "var/log/postgresql": Attributes(0o1775, "root", "postgres"),
    "var/spool/cron/crontabs": Attributes(0o1730, "root", "crontab"),
}

# Directories that a script makes for the program's user.
DIRECTORIES: dict[str, dict[str, Attributes]] = {
    "redis-server": {
        "var/lib/redis": Attributes(0o750, "redis", "redis"),
        "var/log/redis": Attributes(0o2750, "redis", "adm"),
    },
}

# setcap calls.
CAPABILITIES = {"usr/bin/ping": "cap_net_raw=ep"}

_VIM = ("vim", "vimdiff", "rvim", "rview", "vi", "view", "ex", "editor")

# update-alternatives calls in loops: link, name, path, priority.
ALTERNATIVES: dict[str, tuple[str, ...]] = {
    "procps": (),
    "vim": tuple(f"/usr/bin/{name} {name} /usr/bin/vim.basic 30" for name in _VIM),
    "xz-utils": ("/usr/bin/lzma lzma /usr/bin/xz 20",),
}

# In a dependency loop with dpkg: their %post may come before update-alternatives is there.
BEFORE_DPKG = frozenset({"bash", "cpio", "debianutils", "tar", "util-linux", "xz-utils"})

_GIO_MODULES = "/usr/lib/x86_64-linux-gnu/gio/modules"
_LIBRARIES = "/usr/lib /usr/lib64 /usr/local/lib"

# dpkg triggers: section header without the package's name, body.
TRIGGERS: dict[str, tuple[tuple[str, str], ...]] = {
    "libc-bin": (
        (f"%transfiletriggerin -P 2000000 -- {_LIBRARIES}", "/usr/sbin/ldconfig"),
        (f"%transfiletriggerpostun -P 2000000 -- {_LIBRARIES}", "/usr/sbin/ldconfig"),
    ),
    "systemd": (
        ("%transfiletriggerin -P 1000700 -- /usr/lib/sysusers.d", "systemd-sysusers || :"),
        ("%transfiletriggerin -P 1000500 -- /usr/lib/tmpfiles.d", "systemd-tmpfiles --create || :"),
        (
            "%transfiletriggerin -P 1000400 -- /usr/lib/systemd/catalog",
            "journalctl --update-catalog || :",
        ),
        (
            "%transfiletriggerin -P 1000300 -- /usr/lib/systemd/system /etc/systemd/system",
            "[ ! -d /run/systemd/system ] || systemctl daemon-reload || :",
        ),
    ),
    "udev": (
        ("%transfiletriggerin -P 1000600 -- /usr/lib/udev/hwdb.d", "systemd-hwdb update || :"),
        (
            "%transfiletriggerin -P 1000600 -- /usr/lib/udev/rules.d",
            "[ ! -e /run/udev/control ] || udevadm control --reload || :",
        ),
    ),
    "libglib2.0-0": (
        (
            f"%transfiletriggerin -- {_GIO_MODULES}",
            f"/usr/lib/x86_64-linux-gnu/glib-2.0/gio-querymodules {_GIO_MODULES} || :",
        ),
    ),
    "libglib2.0-bin": (
        (
            "%transfiletriggerin -- /usr/share/glib-2.0/schemas",
            "glib-compile-schemas /usr/share/glib-2.0/schemas 2>/dev/null || :",
        ),
    ),
    "shared-mime-info": (
        (
            "%transfiletriggerin -- /usr/share/mime",
            "update-mime-database -n /usr/share/mime >/dev/null 2>&1 || :",
        ),
    ),
    "fontconfig": (("%transfiletriggerin -- /usr/share/fonts", "fc-cache -s || :"),),
}

# Lines for the preamble: what rpm expects by another name, and what must come first.
PREAMBLE: dict[str, tuple[str, ...]] = {
    "base-passwd": ("Requires(pre): world-setup",),
    "bash": ("Provides: /bin/bash",),
    "dash": ("Provides: /bin/sh", "Provides: /bin/dash"),
    "libc6": ("Requires(pre): world-filesystem", "Provides: rtld(GNU_HASH)"),
}

_CA_CERTIFICATES = r"""
list=/etc/ca-certificates.conf
if [ ! -s $list ]; then
    (cd /usr/share/ca-certificates && find . -name '*.crt' | sed 's,^\./,,' | sort) > $list
fi
update-ca-certificates --fresh >/dev/null 2>&1 || :
""".strip()

_DEFAULT_SITE = """
cd /etc/nginx/sites-enabled && { [ -e default ] || ln -s ../sites-available/default default; } || :
""".strip()

# The rest of what a postinst does: section, body.
SCRIPTS: dict[str, tuple[str, str]] = {
    "ca-certificates": ("%posttrans", _CA_CERTIFICATES),
    "nginx-common": ("%post", _DEFAULT_SITE),
    "openssh-server": (
        "%posttrans",
        "[ -e /etc/ssh/sshd_config ] || cp /usr/share/openssh/sshd_config /etc/ssh/ || :",
    ),
}

# Replaced by what world-setup says: the base calls itself by its own name and version.
NOT_SHIPPED = frozenset(
    {"etc/os-release", "usr/lib/os-release", "etc/issue", "etc/issue.net", "etc/debian_version"}
)
