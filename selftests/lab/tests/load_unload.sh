# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash disable=SC1091
# long: --kernel 6.1 --module none --cpus 2 --thread single --about 60
# run: --kernel 6.12 --module none --cpus 2 --thread single --about 65
# run: --host bochs --module none --about 55
# needs: keel selftests/core/hlt_test
#
# 50 times in and out (20 on a slow host), a VM made each time. Then the memory is back.
#
# With one emulator thread for all CPUs: with a thread for each, some of these boots of QEMU 7.2 did not end. CPU 0, which the
# other commands do without, is no way out.

. /lab/tap.sh

in_and_out() {
	modprobe keel && [ -c /dev/keel ] || return
	/selftests/core/hlt_test >/tmp/out 2>&1 || { cat /tmp/out; return 1; }
	modprobe -r keel && ! [ -e /dev/keel ]
}

rounds() {
	for round in $(seq "$1"); do
		in_and_out || { echo "# round $round"; return 1; }
	done
}

set -- 50
[ -z "${KEEL_SLOW_HOST:-}" ] || set -- 20

begin 3
# Caches of the kernel's own fill in the first rounds.
check "3 rounds" rounds 3
before=$(free_kb)
check "$1 rounds" rounds "$1"
after=$(free_kb)
echo "# MemFree $before kB before, $after kB after"
check "the memory is back, but for 1 MB" [ "$after" -ge $((before - 1024)) ]
end
