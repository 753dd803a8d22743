"""The main job on a machine that runs: install, reboot, upgrade by another updater, roll back.

Every step is a boot, and what a step leaves is there for the next, so this is one test. The second
state has a new base and a new kernel at once.
"""

from pathlib import Path

from tests.vm.machine import INSTALL_PKGLAYER, make_machine
from tests.vm.packages import build_kitchen, build_other_kernel

INSTALL = """
echo 'admin:x:1000:1000:An administrator:/var/home/admin:/bin/bash' >> /etc/passwd
pkglayer install htop nginx-light redis-server tree ./kitchen.rpm --no-gpg-check ./kitchen.rpm \
    --timings
pkglayer status
check test "$(next "['staged']")" = True
check test "$(pkglayer status --json | grep -c '"booted": true')" = 1
echo "not in the running state yet:"
fails rpm -q htop
fails test -e /usr/bin/htop
fails test -e /opt/kitchen
systemctl enable pkglayer-reconcile.path
"""

LAYERED = """
pkglayer status
check test "$(rpm -q htop nginx-light redis-server tree kitchen | grep -c 'not installed')" = 0
check htop --version
check test "$(rpm -qf /usr/bin/htop --qf '%{NAME}')" = htop
rpm -V htop tree nginx-common nginx redis-server redis-tools > all.txt || :
grep -v '^\\.\\.\\.\\.\\.\\.\\.T' all.txt > v.txt || :
cat v.txt; check test ! -s v.txt
check grep -q '^admin:' /etc/passwd
check systemctl is-active nginx redis-server kitchen
user_of() { stat -c %U "/proc/$(systemctl show -P MainPID "$1")/."; }
check test "$(user_of redis-server)" = redis
check test "$(user_of kitchen)" = kitchen
check test "$(stat -c %U:%G:%a /var/lib/kitchen)" = kitchen:kitchen:750
check grep -q '^started' /var/lib/kitchen/starts
curl -s http://127.0.0.1/ | head -3
"""

HARD_PACKAGE = """
as_admin() { setpriv --reuid 1000 --regid 1000 --clear-groups "$@"; }
cd /usr/libexec/kitchen
getcap capable
check test "$(getcap capable)" = "capable cap_dac_read_search=ep"
echo "who may read /etc/shadow:"
check as_admin ./capable /etc/shadow > /dev/null
fails as_admin ./plain /etc/shadow
check test "$(as_admin ./setuid -u)" = 0
check test "$(as_admin ./setgid -gn)" = kitchen
cat /usr/share/kitchen/lua
check test "$(cat /usr/share/kitchen/lua)" = "made by lua, instance 1"
check test "$(/opt/kitchen/tool)" = "from opt"
check touch /opt/of-the-machine
check test "$(kitchen-local)" = "from local"
check touch /usr/local/bin/of-the-machine
check test "$(stat -c %U:%a /srv/kitchen/page)" = kitchen:640
cd -
"""

MARK_STATE = """
redis-cli set colour blue; redis-cli save
echo changed > /srv/kitchen/page
ids() { getent passwd redis kitchen www-data; getent group redis kitchen; }
ids | tee /var/lib/ids-before
uname -r | tee /var/lib/kernel-before
fails grep -q world.mark /proc/cmdline
"""

UPGRADE_BY_OSTREE = """
check systemctl is-active pkglayer-reconcile.path
ostree admin upgrade
for i in $(seq 300); do
    [ "$(next "['layered'] and d['base']['version']")" = 2 ] && break; sleep 2
done
systemctl --no-pager status pkglayer-reconcile.service || :
pkglayer status
check test "$(next "['base']['version']")" = 2
check test "$(next "['staged']")" = True
"""

REPLACE_KERNEL = """
pkglayer override replace ./kernel.rpm --no-gpg-check ./kernel.rpm --timings
pkglayer kargs --append=world.mark=second
pkglayer status
check test "$(next "['base']['version']")" = 2
check test "$(next "['overrides'][0]['kind']")" = replace
"""

UPGRADED = """
check grep -q '^VERSION_ID="*2' /usr/lib/os-release
echo "tree is the base's now, and inactive:"
check test "$(next "['inactive'][0]['want']['spec']")" = tree
check test "$(redis-cli get colour)" = blue
check test "$(cat /srv/kitchen/page)" = changed
check test "$(wc -l < /var/lib/kitchen/starts)" -ge 2
check test "$(getent passwd redis kitchen www-data; getent group redis kitchen)" \
    = "$(cat /var/lib/ids-before)"
"""

NEW_KERNEL = """
cat /proc/cmdline
check test "$(uname -r)" = "$(cat kernel-version)"
fails test "$(uname -r)" = "$(cat /var/lib/kernel-before)"
check test "$(ls /usr/lib/modules)" = "$(uname -r)"
check grep -q world.mark=second /proc/cmdline
check modprobe dummy
check grep -q '^dummy' /proc/modules
pkglayer rollback
pkglayer status
"""

ROLLED_BACK = """
cat /proc/cmdline
check grep -q '^VERSION_ID="*1' /usr/lib/os-release
check test "$(uname -r)" = "$(cat /var/lib/kernel-before)"
fails grep -q world.mark /proc/cmdline
fails test -e /usr/share/world/marker/jq-ng
pkglayer history
"""


def test_lifecycle(tmp_path: Path) -> None:
    """Install, reboot, `ostree admin upgrade` and another kernel, reboot, roll back, reboot."""
    machine = make_machine(tmp_path)
    kernel, version = build_other_kernel(machine.full, tmp_path)
    machine.run(INSTALL_PKGLAYER + INSTALL, {"kitchen.rpm": build_kitchen(tmp_path)})
    machine.run(
        LAYERED + HARD_PACKAGE + MARK_STATE + UPGRADE_BY_OSTREE + REPLACE_KERNEL,
        {"kernel.rpm": kernel},
    )
    machine.run(LAYERED + HARD_PACKAGE + UPGRADED + NEW_KERNEL, {"kernel-version": version})
    machine.run(LAYERED + ROLLED_BACK)
