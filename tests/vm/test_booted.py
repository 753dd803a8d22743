"""The main job on a machine that runs: install, reboot, upgrade by another updater, roll back.

Every step is a boot, and what a step leaves is there for the next, so this is one test.
"""

from pathlib import Path

from tests.vm.machine import INSTALL_PKGLAYER, make_machine

INSTALL = """
echo 'admin:x:1000:1000:An administrator:/var/home/admin:/bin/bash' >> /etc/passwd
rpm -qa | sort > /var/lib/before.txt
pkglayer install htop nginx-light redis-server tree --timings
pkglayer status
check test "$(next "['staged']")" = True
check test "$(pkglayer status --json | grep -c '"booted": true')" = 1
echo "not in the running state yet:"; ! rpm -q htop; ! test -e /usr/bin/htop
systemctl enable pkglayer-reconcile.path
"""

LAYERED = """
pkglayer status
check test "$(rpm -q htop nginx-light redis-server tree | grep -c 'not installed')" = 0
check htop --version
check test "$(rpm -qf /usr/bin/htop --qf '%{NAME}')" = htop
rpm -V htop tree nginx-common nginx redis-server redis-tools > all.txt || :
grep -v '^\\.\\.\\.\\.\\.\\.\\.T' all.txt > v.txt || :
cat v.txt; check test ! -s v.txt
check grep -q '^admin:' /etc/passwd
check systemctl is-active nginx redis-server
check test "$(stat -c %U /proc/$(pidof redis-server)/.)" = redis
curl -s http://127.0.0.1/ | head -3
"""

MARK_STATE = """
redis-cli set colour blue; redis-cli save
"""

UPGRADE_BY_OSTREE = """
check systemctl is-active pkglayer-reconcile.path
ostree admin upgrade
for i in $(seq 120); do
    [ "$(next "['layered'] and d['base']['version']")" = 2 ] && break; sleep 2
done
systemctl --no-pager status pkglayer-reconcile.service || :
pkglayer status
check test "$(next "['base']['version']")" = 2
check test "$(next "['staged']")" = True
"""

UPGRADED = """
check grep -q '^VERSION_ID="*2' /usr/lib/os-release
echo "tree is the base's now, and inactive:"
pkglayer status --json | grep -q '"inactive"'
check test "$(redis-cli get colour)" = blue
"""

ROLLED_BACK = """
check grep -q '^VERSION_ID="*1' /usr/lib/os-release
"""


def test_lifecycle(tmp_path: Path) -> None:
    """Install, reboot, `ostree admin upgrade` through the hook, reboot, roll back, reboot."""
    machine = make_machine(tmp_path)
    machine.run(INSTALL_PKGLAYER + INSTALL)
    machine.run(LAYERED + MARK_STATE + UPGRADE_BY_OSTREE)
    machine.run(LAYERED + UPGRADED + "pkglayer rollback; pkglayer status")
    machine.run(LAYERED + ROLLED_BACK + "check test ! -e /usr/bin/jq-ng; pkglayer history")
