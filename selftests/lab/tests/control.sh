# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash disable=SC1091
# run: --kernel 6.1 --module keel --cpus 2 --about 75
# long: --kernel 6.1 --module kvm --cpus 2 --about 75
# needs: launcher guest
#
# keel ctl on Debian's kernel with two CPUs: it stands still and goes on, nothing in it minds, an NMI arrives, the power
# button powers off.

. /lab/tap.sh
. /lab/guests.sh

socket=/tmp/one.sock
lines() { wc -l </tmp/guest.one; }
ctl() { keel ctl --json "$socket" "$@"; }
is_in() { ctl status | grep -q "\"state\":\"$1\""; }
said() { tr -d '\r' </tmp/guest.one | grep -q "$1"; }

# stands_still SECONDS - and prints nothing
stands_still() {
	sleep 1
	before=$(lines)
	sleep "$1"
	[ "$before" = "$(lines)" ]
}

again_and_again() {
	for _ in 1 2 3 4 5 6 7 8 9 10; do
		ctl pause || return
		ctl resume || return
	done
}

has_exits() { keel ctl "$socket" stats | grep -q 'exits: [1-9]'; }

begin 20
start_guest one --cpus 2 --control "$socket"
check "it takes commands before it has booted" within 20 is_in running
check "the guest boots" within 300 guest_lives one
check "two CPUs" eval 'ctl status | grep -q "\"cpus\":2"'

check "pause" ctl pause
check "paused" is_in paused
check "the button of a paused guest" eval '! ctl power-button'
# Longer than Linux lets a CPU be stuck.
check "the guest stands still" stands_still 25
check "resume" ctl resume
check "the guest goes on" guest_goes_on one
sleep 5
check "it does not take that for a lockup" eval '! said "lockup\|stall"'
check "nor leaves its clock" eval '! said "clocksource.*unstable"'
check "many times" again_and_again
check "the guest goes on" guest_goes_on one

check "nmi" ctl nmi
check "Linux takes it" within 30 said "NMI received for unknown reason"
check "and goes on" guest_goes_on one
check "stats" has_exits

check "power-button" ctl power-button
within 60 said "guest: power button"
wait "$(guest_pid one)"
check "the guest powers off" [ $? = 0 ]
check "no socket is left" [ ! -e "$socket" ]
tr -d '\r' </tmp/guest.one | grep -v 'guest: alive' | comments
end
