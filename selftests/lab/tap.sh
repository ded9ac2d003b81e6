# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
#
# TAP for the lab's own tests, which busybox runs in the emulated host:
# begin N, then N times check NAME COMMAND... or skip NAME REASON, then end.

tap_number=0 tap_failed=0 tap_planned=0

begin() {
	tap_planned=$1
	echo "TAP version 13"
	echo "1..$1"
}

# comments [FILE]... - lines that are no points. What is still written may end in the midst of one: a point behind it must be on its own.
comments() {
	awk '{ print "# " $0 }' "$@"
}

check() {
	tap_number=$((tap_number + 1))
	tap_name=$1
	shift
	# What it says becomes a comment; a command that changes variables still can.
	if "$@" >/tmp/check.out 2>&1; then
		echo "ok $tap_number $tap_name"
	else
		echo "not ok $tap_number $tap_name # status $?: $*"
		tap_failed=$((tap_failed + 1))
	fi
	comments /tmp/check.out
}

skip() {
	tap_number=$((tap_number + 1))
	echo "ok $tap_number $1 # SKIP $2"
}

end() {
	[ $tap_failed = 0 ] && [ $tap_number = "$tap_planned" ]
	exit
}

# not COMMAND... - succeeds when it fails
not() {
	! "$@"
}

# within SECONDS COMMAND... - waits until it succeeds
within() {
	tap_tries=$(($1 * 5))
	shift
	until "$@"; do
		tap_tries=$((tap_tries - 1))
		[ $tap_tries -gt 0 ] || return 1
		usleep 200000
	done
}

# free_kb - memory free now, with what each CPU keeps on lists of its own; caches
# dropped, and what is freed late waited for
free_kb() {
	sync
	sleep 1
	echo 3 >/proc/sys/vm/drop_caches
	awk '/^MemFree:/ { kb += $2 } $1 == "count:" { kb += 4 * $2 } END { print kb }' \
		/proc/meminfo /proc/zoneinfo
}

# free_with_files - the same, with what the files in /tmp take of it
free_with_files() { echo $(($(free_kb) + $(df -k /tmp | awk 'NR == 2 { print $3 }'))); }

# figures WHEN [PID] - what the host's kernel has, in kilobytes, and a process's memory and open files
figures() {
	awk -v when="$1" '/^(MemFree|SUnreclaim|SReclaimable|PageTables|SecPageTables|Percpu|VmallocUsed):/ { words = words " " $1 $2 } END { print "# " when ":" words }' /proc/meminfo
	[ -z "${2:-}" ] || echo "# $1: $(awk '/^Vm(Size|RSS|PTE):/ { printf "%s%s ", $1, $2 }' "/proc/$2/status")$(ls "/proc/$2/fd" | wc -l) files"
}
