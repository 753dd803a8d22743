#!/bin/bash
# Brings a machine that has only Debian or Fedora to where the program and its tests run: installs what
# system-packages.* lists, then makes .venv with the project in it. Ends at once when nothing changed since the
# last time. It changes nothing else on the machine and configures no registry.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# The distribution's modules (rpm, hawkey, gi) fit its own interpreter only, never another one first in PATH.
readonly python=/usr/bin/python3
readonly venv=.venv
readonly stamp=$venv/.setup-digest

. /etc/os-release
case " $ID ${ID_LIKE:-} " in
    *\ debian\ *) readonly family=debian ;;
    *\ fedora\ *) readonly family=fedora ;;
    *) echo "setup: $ID is neither Debian nor Fedora; install by hand what packaging/system-packages.* lists" >&2
       exit 1 ;;
esac
readonly list=packaging/system-packages.$family

digest() { { echo "$PWD"; cat pyproject.toml "$list" packaging/setup.sh; } | sha256sum | cut -d' ' -f1; }

as_root() {
    if [ "$(id -u)" -eq 0 ]; then "$@"; return; fi
    if command -v sudo >/dev/null; then sudo "$@"; return; fi
    echo "setup: needs root to run: $*" >&2
    exit 1
}

missing_packages() {
    local name
    sed 's/#.*//' "$list" | while read -r name _; do
        [ -n "$name" ] || continue
        case $family in
            debian) dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null | grep -qx installed ;;
            fedora) rpm -q --quiet --whatprovides "$name" ;;
        esac || echo "$name"
    done
}

install_packages() {
    local -a missing
    mapfile -t missing < <(missing_packages)
    [ ${#missing[@]} -gt 0 ] || return 0
    echo "setup: installing ${missing[*]}"
    if [ "$family" = fedora ]; then as_root dnf -q -y install "${missing[@]}"; return; fi
    # A third-party source that is down must not stop us: what we need comes from Debian, and a package
    # that really cannot be had stops the install below.
    as_root apt-get -qq -o DPkg::Lock::Timeout=600 update || echo 'setup: some package lists are old' >&2
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -qq -y -o DPkg::Lock::Timeout=600 \
        -o Dpkg::Use-Pty=0 install --no-install-recommends "${missing[@]}" >/dev/null
}

make_venv() {
    [ -x "$venv/bin/pip" ] || "$python" -m venv --system-site-packages "$venv"
    echo 'setup: installing the project and its test tools into .venv'
    # compat: a plain path, as an installed package is found, not an import hook that costs 10 ms a run
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check \
        --config-settings editable_mode=compat --editable '.[sbom,test]'
}

wanted=$(digest)
if [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ]; then exit 0; fi
install_packages
make_venv
echo "$wanted" > "$stamp"
