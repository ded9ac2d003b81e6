# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash disable=SC1091
# run: --kernel 6.1 --module keel --cpus 2 --env KILLS=some --about 70
# long: --kernel 6.1 --module keel --cpus 2 --about 150
# long: --host bochs --module keel --about 65
# needs: keel launcher guest
#
# A launcher is killed 100 times (40 with KILLS=some, 15 on a slow host) at random moments of its guest's boot, two
# CPUs and a disk, while another guest goes on. Nothing is left of it: no process, no
# memory, no reference that keeps the module.

. /lab/tap.sh
. /lab/guests.sh

random() { echo $(($(od -An -tu2 -N2 /dev/urandom) % $1)); }

# kill_rounds COUNT MILLISECONDS - each lives at most that long
kill_rounds() {
	for round in $(seq "$1"); do
		start_guest victim --cpus 2 --disk /guest/disk.img
		usleep $(($(random "$2") * 1000))
		kill -9 "$(guest_pid victim)" || { echo "# round $round: it ended by itself"; return 1; }
		wait "$(guest_pid victim)" 2>/dev/null
	done
	return 0
}

set -- 5 70 25 5
[ "${KILLS:-}" != some ] || set -- 3 28 10 2
[ -z "${KEEL_SLOW_HOST:-}" ] || set -- 2 10 4 1

begin 9
start_guest other
check "the other guest runs" within 180 guest_lives other
check "$1 kills to fill the caches" kill_rounds "$1" 1000
before=$(free_kb)
check "$2 kills within 0.8 s" kill_rounds "$2" 800
check "$3 kills within 3 s" kill_rounds "$3" 3000
check "$4 kills within 20 s" kill_rounds "$4" 20000
check "the other guest goes on" guest_goes_on other
after=$(free_kb)
echo "# MemFree $before kB before, $after kB after"
check "the memory is back, but for 2 MB" [ "$after" -ge $((before - 2048)) ]
stop_guest other
check "no launcher is left" not pidof keel
check "the module unloads" modprobe -r keel
end
