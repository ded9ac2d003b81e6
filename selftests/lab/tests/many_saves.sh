# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash disable=SC1091
# long: --kernel 6.1 --module keel --cpus 2 --about 250 --timeout 900
# long: --kernel 6.1 --module keel --cpus 2 --env KEEL_SAVES=200 --about 1800 --timeout 3600
# needs: launcher guest
#
# A Linux guest with two CPUs that does sums and writes its disk is saved, ends, and goes on from the file, 12 times (KEEL_SAVES), by turns with its memory
# read first, as it is touched, saved again while it comes, and from a file that stands on another. Its sums are right, its rounds follow each other, its
# clock never goes back, and when nobody runs the host has the memory that it had after the first of them.

. /lab/tap.sh
. /lab/guests.sh

saves=${KEEL_SAVES:-12}
disk=/guest/disk.img
made=0 early=0

# start HOW... - in the background; output in /tmp/out
start() {
	keel "$@" --device "$KEEL_DEVICE" --name saved --disk "$disk" </dev/null >>/tmp/out 2>/tmp/err &
	pid=$!
}

rounds() { tr -d '\r' </tmp/out | grep -c 'guest: round'; }
has_rounds() { [ "$(rounds)" -ge "$1" ]; }
goes_on() { within 600 has_rounds $(($(rounds) + 1)); }
is_there() { keel ctl --json saved status >/tmp/status 2>/dev/null; }
# Bytes of its memory that are still to come.
left() { sed -n 's/.*"left":\([0-9]*\).*/\1/p' /tmp/status; }

# save OPTION... - all that it is, and its end
save() {
	keel ctl saved pause && keel ctl saved save /tmp/state "$@" || return 1
	keel ctl saved quit
	wait "$pid"
	result=$?
	made=$((made + 1))
	[ $result = 20 ]
}

back() { start restore /tmp/state --memory "$1"; }

# By another way each time.
once() {
	case $(($1 % 4)) in
	0) save && back eager ;;
	1) save && back lazy ;;
	2)
		save && back lazy && within 120 is_there || return 1
		[ "$(left)" = 0 ] || early=$((early + 1))
		save && back eager
		;;
	3) keel ctl saved save /tmp/base --track && goes_on && save --incremental /tmp/base && back lazy ;;
	esac
}

there_and_back() {
	i=0
	while [ $made -lt "$saves" ]; do
		if ! once $i || ! goes_on; then
			cat /tmp/err
			tail -n 5 /tmp/out
			echo "at save $made"
			return 1
		fi
		i=$((i + 1))
		[ $((i % 8)) != 0 ] || { echo "# $made saves, $(rounds) rounds"; figures "after $made" $pid; } >&3
	done
}

in_order() {
	tr -d '\r' </tmp/out | awk '/guest: round/ { if ($3 != last + 1 || $5 < time) { bad = 1; print "not in order: ", $0 } last = $3; time = $5; n++ }
		END { exit bad || n < 10 }'
}

is_right() { guest_is_right 'stall|lockup|unstable|I/O error' /tmp/out; }

begin 8
exec 3>&1
start run --kernel /guest/vmlinuz --initrd /guest/initrd --memory 160M --cpus 2 --append "${guest_append:?} quiet keel.mode=sums"
check "the guest does its sums" within 900 has_rounds 2
check "saved" save
before=$(free_with_files)
back eager
check "it goes on" goes_on
check "saved $saves times, and gone on" there_and_back
check "saved for the last time" save
check "rounds and clock in order" in_order
check "nothing went wrong" is_right
after=$(free_with_files)
check "the host has its memory" [ "$after" -ge $((before - 8192)) ]
echo "# $made saves, $early of them of a machine whose memory still came; $(rounds) rounds; free: $before kB before, $after kB after"
end
