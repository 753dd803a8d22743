#!/bin/bash
# The reference: layering by hand with the standard tools, the way the peers do it inside.
#   reference.sh layer SYSROOT BASE-COMMIT RPM...    check out, install, commit, deploy
#   reference.sh upgrade SYSROOT REFSPEC RPM...      pull, then the same on the new base
#   reference.sh import REPO RPM...                  unpack and commit each package
set -euo pipefail
readonly dbpath=usr/lib/sysimage/rpm

layer() {
    local sysroot=$1 base=$2 work commit; shift 2
    local repo=$sysroot/ostree/repo
    work=$(mktemp -d "$sysroot/ostree/by-hand-XXXXXX")
    ostree --repo="$repo" checkout -H "$base" "$work/root"
    # rpm writes into its database in place: it must not be the repository's own object.
    cp --remove-destination --preserve=all "$work/root/$dbpath/rpmdb.sqlite" "$work/rpmdb"
    mv "$work/rpmdb" "$work/root/$dbpath/rpmdb.sqlite"
    mv "$work/root/usr/etc" "$work/root/etc"
    if [ $# -gt 0 ]; then
        rpm --root="$work/root" --dbpath="/$dbpath" --nosignature --install "$@"
        rm -f "$work/root/$dbpath"/rpmdb.sqlite-{wal,shm} "$work/root/$dbpath/.rpm.lock"
    fi
    mv "$work/root/etc" "$work/root/usr/etc"
    commit=$(ostree --repo="$repo" commit --branch=by-hand --parent="$base" --tree=dir="$work/root" \
        --link-checkout-speedup --bootable)
    ostree admin deploy --sysroot="$sysroot" --os=test "$commit"
    rm -rf "$work"
}

case $1 in
    layer) shift; layer "$@" ;;
    upgrade)
        sysroot=$2 refspec=$3; shift 3
        before=$(ostree --repo="$sysroot/ostree/repo" rev-parse "$refspec")
        ostree --repo="$sysroot/ostree/repo" pull "${refspec%%:*}" "${refspec#*:}"
        after=$(ostree --repo="$sysroot/ostree/repo" rev-parse "$refspec")
        if [ "$before" != "$after" ]; then layer "$sysroot" "$after" "$@"; fi ;;
    import)
        repo=$2; shift 2
        for rpm; do
            work=$(mktemp -d "$repo/../by-hand-XXXXXX")
            rpm2archive -n - < "$rpm" | tar -x -C "$work"
            ostree --repo="$repo" commit --branch="by-hand/$(basename "$rpm" .rpm)" \
                --tree=dir="$work" --consume
            rm -rf "$work"
        done ;;
    *) echo "reference.sh: unknown job $1" >&2; exit 2 ;;
esac
