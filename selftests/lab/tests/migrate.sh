# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash disable=SC1091
# long: --kernel 6.1 --module keel --cpus 2 --about 64
# long: --kernel 6.1 --module keel --cpus 2 --env MOVES=20 --env KILLS=20 --about 600 --timeout 1500
# long: --kernel 6.1 --module keel --cpus 2 --env MOVES=200 --about 2400 --timeout 5000
# long: --kernel 6.1 --module keel --cpus 2 --env KILLS=50 --about 1500 --timeout 3600
# long: --kernel 6.12 --module keel --cpus 2 --env MOVES=20 --env KILLS=20 --about 600 --timeout 1500
# long: --kernel 6.1 --module kvm --cpus 2 --env MOVES=5 --about 120
# needs: launcher guest
#
# A Linux guest with two CPUs that does sums and writes its disk moves from launcher to launcher, by unix socket and TCP in turn: its sums are right, its rounds
# follow each other, its clock never goes back, and the launcher that it left ends. It stays where it is refused, or somebody cancels. With KILLS either
# launcher is killed in the midst: whoever is left has the guest, or has not, as it must be.

. /lab/tap.sh
. /lab/guests.sh

moves=${MOVES:-2}
kills=${KILLS:-0}
took=1500
disk=/guest/disk.img

# leaver NAME HOW..., target NAME ADDRESS [DISK] - in the background; what the guest prints goes to /tmp/out
leaver() {
	name=$1
	shift
	keel "$@" --device "$KEEL_DEVICE" --name "$name" --disk "$disk" </dev/null >>/tmp/out 2>"/tmp/err.$name" &
	source_pid=$!
}

target() {
	keel restore --listen "$2" --device "$KEEL_DEVICE" --name "$1" --disk "${3:-$disk}" </dev/null >>/tmp/out 2>"/tmp/err.$1" &
	target_pid=$!
}

rounds() { tr -d '\r' </tmp/out | grep -c 'guest: round'; }
has_rounds() { [ "$(rounds)" -ge "$1" ]; }
goes_on() { within 600 has_rounds $(($(rounds) + 2)); }
is_right() { guest_is_right 'stall|lockup|unstable|I/O error' /tmp/out; }
in_order() {
	tr -d '\r' </tmp/out | awk '/guest: round/ { if ($3 != last + 1 || $5 < time) bad = 1; last = $3; time = $5; n++ } END { exit bad || n < 4 }'
}
# ends PID STATUS - does that launcher end, so?
ends() {
	wait "$1"
	got=$?
	[ $got = "$2" ] || echo "# ended with $got, not $2"
	[ $got = "$2" ]
}
ask() { keel ctl "$1" migrate "$2" >/tmp/answer 2>&1; }
is_reached() { ask "$1" "$2" || ! grep -q 'nobody is reached' /tmp/answer; }
is_state() { keel ctl "$1" migrate --status | grep -q "migration: $2"; }

# From the machine of that name to the next.
move() {
	within 60 is_reached "$1" "$2" && grep -q 'stood_ms: [0-9]' /tmp/answer && ends "$source_pid" 26
	result=$?
	took=$(sed -n 's/^took_ms: //p' /tmp/answer)
	tr '\n' ' ' </tmp/answer | comments
	echo
	source_pid=$target_pid
	return $result
}

refuses() {
	truncate -s 1M /tmp/other
	target other unix:/tmp/move /tmp/other
	within 5 is_reached m0 unix:/tmp/move
	grep -q 'the other side refuses: .*has 1048576 bytes' /tmp/answer && ends "$target_pid" 22
}

cancelled() {
	target other unix:/tmp/move
	within 60 [ -S /tmp/move ] && kill -STOP "$target_pid"
	keel ctl m0 migrate unix:/tmp/move >/tmp/answer 2>&1 &
	client=$!
	within 60 is_state m0 asking && ! keel ctl m0 save /tmp/state 2>/dev/null && keel ctl m0 migrate --cancel && ! wait $client && grep -q cancelled /tmp/answer
	result=$?
	kill -CONT "$target_pid"
	ends "$target_pid" 22 && return $result
}

# In which millisecond of a move, which takes as long as the last one did, and half of them near its end.
moment() {
	if [ $(($1 / 2 % 2)) = 0 ] || [ "$took" -lt 1000 ]; then
		echo $(($1 * 7919 % (took + 500)))
	else
		echo $((took - 600 + $1 * 7919 % 1200))
	fi
}

# Does the guest go on, or has its launcher ended? The shell may have waited for it already.
is_settled() { has_rounds "$1" || ! grep -qs "^State:.[^ZX]" "/proc/$2/status"; }

# One of the two is killed at some moment. What the machine is then was not the dead one's, or is no more.
kill_one() {
	cp /tmp/disk.img "$disk"
	leaver from restore /tmp/state
	goes_on || return 1
	target to unix:/tmp/move
	within 60 [ -S /tmp/move ] || return 1
	keel ctl from migrate unix:/tmp/move >/tmp/answer 2>&1 &
	client=$!
	usleep $(($(moment "$1") * 1000))
	was=$(keel ctl from migrate --status 2>/dev/null | sed -n 's/^migration: //p')
	if [ $(($1 % 2)) = 0 ]; then
		victim=$source_pid other=$target_pid lost=22
	else
		victim=$target_pid other=$source_pid lost=26
	fi
	kill -9 "$victim"
	wait $client
	wait "$victim" 2>/dev/null
	wanted=$(($(rounds) + 2))
	within 600 is_settled $wanted "$other"
	if has_rounds $wanted; then
		echo "# $1: killed at ${was:-the end}, the other one goes on" >&3
		kill -9 "$other"
		wait "$other" 2>/dev/null
		return 0
	fi
	echo "# $1: killed at ${was:-the end}, it was the owner" >&3
	ends "$other" $lost
}

kill_some() {
	k=0
	while [ $k -lt "$kills" ]; do
		kill_one $k || return 1
		k=$((k + 1))
	done
}

begin $((10 + 2 * moves))
exec 3>&1
ip link set lo up 2>/dev/null || ifconfig lo 127.0.0.1 up
leaver m0 run --kernel /guest/vmlinuz --initrd /guest/initrd --memory 160M --cpus 2 --append "${guest_append:?} quiet keel.mode=sums"
check "the guest does its sums" within 900 has_rounds 2
check "a disk of another size is refused, in words" refuses
check "cancelled, and not saved meanwhile" cancelled
check "the guest goes on" goes_on
check "what failed is told" is_state m0 failed
i=0
while [ $i -lt "$moves" ]; do
	address=unix:/tmp/move
	[ $((i % 2)) = 0 ] || address=tcp:127.0.0.1:4444
	target m$((i + 1)) $address
	check "moved through $address ($((i + 1)))" move m$i $address
	check "the guest goes on there" goes_on
	i=$((i + 1))
done
check "rounds and clock in order" in_order
check "nothing went wrong" is_right
keel ctl "m$moves" pause && keel ctl "m$moves" save /tmp/state && cp "$disk" /tmp/disk.img
keel ctl "m$moves" quit
check "quit" ends "$source_pid" 20
check "$kills of them killed in the midst" kill_some
check "nothing went wrong then" is_right
tail -n 5 /tmp/out | comments | tr -d '\r'
cat /tmp/err.* | comments
end
