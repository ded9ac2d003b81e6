# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash disable=SC1091
# run: --kernel 6.1 --module keel --cpus 2 --thread single --about 40
# run: --kernel 6.12 --module keel --cpus 2 --thread single --about 40
# needs: keel selftests/core/migrate_test
#
# A CPU goes and comes back under a running guest, and nothing of the guest is lost. It goes away while it holds values of a
# guest in its MSRs, the module is unloaded, and it comes back to a kernel that knows nothing of the module.

. /lab/tap.sh

cpu1=/sys/devices/system/cpu/cpu1/online

guest_alone() {
	/selftests/core/migrate_test one_vcpu >/tmp/guest.out 2>&1
	echo "$?" >/tmp/guest.status
}

# Its vCPU has a thread: from there on it needs no second CPU to be there.
begun() {
	for pid in $(pidof migrate_test); do
		set -- "/proc/$pid/task/"*
		[ $# -lt 2 ] || return 0
	done
	return 1
}

start() {
	rm -f /tmp/guest.status
	MIGRATE_SECONDS=$1 guest_alone &
	within 60 begun
}

guest_passed() {
	within 120 [ -e /tmp/guest.status ] || return
	cat /tmp/guest.out
	return "$(cat /tmp/guest.status)"
}

go_and_come() {
	for _ in $(seq "$1"); do
		echo 0 >$cpu1 && usleep 300000 && echo 1 >$cpu1 && usleep 300000 || return
	done
}

# A guest's vCPU must be on CPU 1 when that goes: some of the tries will do.
leave_with_guest() {
	start 2
	sleep 1
	echo 0 >$cpu1
	guest_passed && modprobe -r keel && echo 1 >$cpu1 && taskset 2 true && modprobe keel
}

begin 5
start 12
check "a CPU goes and comes 8 times under a guest" go_and_come 8
check "the guest saw nothing of it" guest_passed
check "a module unloaded while a CPU is away" leave_with_guest
check "again" leave_with_guest
check "a guest after all that" sh -c 'MIGRATE_SECONDS=1 /selftests/core/migrate_test'
end
