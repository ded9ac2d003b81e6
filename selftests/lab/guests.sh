# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
#
# Linux guests for the lab's tests: each prints a line a second until killed.

# What every guest's kernel is told. On a slow host it does not test its ciphers, half
# of its boot there, nor wait for its words to get through the serial port.
guest_append=console=ttyS0
[ -z "${KEEL_SLOW_HOST:-}" ] || guest_append="$guest_append quiet cryptomgr.notests lsm="

# start_guest NAME [OPTION]... - in the background; output in /tmp/guest.NAME
start_guest() {
	guest_name=$1
	shift
	keel run --device "$KEEL_DEVICE" --kernel /guest/vmlinuz --initrd /guest/initrd \
		--memory 160M --append "$guest_append quiet keel.mode=linger" "$@" \
		</dev/null >"/tmp/guest.$guest_name" 2>&1 &
	echo $! >"/tmp/guest.$guest_name.pid"
}

guest_pid() { cat "/tmp/guest.$1.pid"; }

# guest_lives NAME - has the guest got to its loop?
guest_lives() { grep -q 'guest: alive' "/tmp/guest.$1"; }

# guest_goes_on NAME - does the guest print something new within 90 seconds?
guest_goes_on() {
	guest_lines=$(wc -l <"/tmp/guest.$1")
	within 90 guest_has_more "$1" "$guest_lines"
}

guest_has_more() { [ "$(wc -l <"/tmp/guest.$1")" -gt "$2" ]; }

# guest_is_right PATTERN FILE... - do guests, whose words these are, find nothing wrong, and is PATTERN ("": none) nowhere in them? Tells what is beside it.
guest_is_right() {
	guest_wrong="guest: [a-z0-9]+ WRONG${1:+|$1}"
	shift
	grep -B 3 -A 3 -E "$guest_wrong" "$@"
	[ $? = 1 ]
}

stop_guest() {
	kill -9 "$(guest_pid "$1")"
	wait "$(guest_pid "$1")" 2>/dev/null
}
