# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash disable=SC1091
# run: --kernel 6.1 --module keel --cpus 2 --about 90
# long: --kernel 6.12 --module keel --cpus 2 --about 90
# long: --kernel 6.1 --module kvm --cpus 2 --about 90
# needs: launcher guest
#
# A Linux guest with two CPUs that does sums and writes its disk is saved, goes on, ends, and goes on from the file, again and
# again: its sums are right, its rounds follow each other, its clock never goes back.

. /lab/tap.sh
. /lab/guests.sh

times=3
disk=/guest/disk.img

# start HOW... - in the background; output in /tmp/out
start() {
	keel "$@" --device "$KEEL_DEVICE" --name saved --disk "$disk" </dev/null >>/tmp/out 2>/tmp/err &
	pid=$!
}

said() { tr -d '\r' </tmp/out | grep -qE "guest: $1"; }
rounds() { tr -d '\r' </tmp/out | grep -c 'guest: round'; }
has_rounds() { [ "$(rounds)" -ge "$1" ]; }

# What the launcher said helps whoever reads of a failure.
goes_on() {
	within 60 has_rounds $(($(rounds) + 3)) && return
	cat /tmp/err
	tail -n 5 /tmp/out
	return 1
}

is_smaller() { [ "$(wc -c <"$1")" -lt "$(wc -c <"$2")" ]; }

# save I - a moment of the machine, its disk, which would go on without it, and what it has said; the second has what was written since another one
save() {
	if [ "$1" -eq 2 ]; then
		keel ctl saved save /tmp/base --track && sleep 1 && set -- --incremental /tmp/base
	else
		set --
	fi
	keel ctl saved pause && keel ctl saved save /tmp/state "$@" && cp "$disk" /tmp/disk.img
	result=$?
	[ $# -eq 0 ] || is_smaller /tmp/state /tmp/base || result=1
	sleep 1		# for what the guest printed before
	cp /tmp/out /tmp/out.saved
	keel ctl saved resume
	return $result
}

# What the first one printed behind the moment is another life's.
cut_off() {
	keel ctl saved quit
	wait "$pid"
	cp /tmp/disk.img "$disk"
	cp /tmp/out.saved /tmp/out
}

in_order() {
	tr -d '\r' </tmp/out | awk '/guest: round/ { if ($3 != last + 1 || $5 < time) bad = 1; last = $3; time = $5; n++ }
		END { exit bad || n < 10 }'
}

is_state() { keel inspect /tmp/state --json | grep -q '"refused":""'; }
# has_balloon BYTES - is it asked for them, and has it given them?
has_balloon() { keel ctl --json saved status | grep -q "\"balloon\":{\"target\":$1,\"actual\":$1}"; }
is_same() { keel inspect --diff /tmp/state /tmp/state.before; }

full() {
	mkdir -p /tmp/small
	mount -t tmpfs -o size=1m small /tmp/small
	echo old >/tmp/small/state
	! keel ctl saved save /tmp/small/state && [ "$(cat /tmp/small/state)" = old ] && [ "$(ls /tmp/small)" = state ]
	result=$?
	umount /tmp/small
	return $result
}

# How the memory comes: as it is touched, without its file or with it, or first.
how() { [ "$1" -eq 3 ] && echo eager || echo lazy; }
has_memory() { keel ctl --json saved status | grep -q "\"restored\":{\"memory\":\"$1\""; }
drop_file() { keel ctl saved status >/dev/null 2>&1 && rm /tmp/state; }
# ends_badly OPTION... - with its exit status, and in words
ends_badly() {
	keel restore /tmp/state --device "$KEEL_DEVICE" --disk "$disk" "$@" </dev/null >/dev/null 2>/tmp/err.bad
	[ $? -eq 22 ] && grep "the checksum of section 'memory' [0-9]* is wrong" /tmp/err.bad
}

begin $((9 + 9 * times))
start run --kernel /guest/vmlinuz --initrd /guest/initrd --memory 160M --cpus 2 --balloon size=8M --append "${guest_append:?} quiet keel.mode=sums"
check "the guest does its sums" within 200 has_rounds 3
check "its balloon has what it was asked for" within 30 has_balloon 8388608
check "no room on the disk: refused, and the old file is whole" full
for i in $(seq $times); do
	check "saved ($i)" save "$i"
	check "the file can be inspected and restored ($i)" is_state
	check "the guest goes on ($i)" goes_on
	cut_off
	start restore /tmp/state --memory "$(how "$i")"
	[ "$i" -ne 1 ] || within 30 drop_file
	check "its memory comes as asked for ($i)" within 30 has_memory "$(how "$i")"
	check "the restored guest goes on ($i)" goes_on
	check "it knows that it is another ($i)" within 30 said "generation $i random"
	check "its balloon is as it was ($i)" has_balloon $((8388608 * i))
	keel ctl saved balloon $((8 * (i + 1)))M
	check "and fills further ($i)" within 30 has_balloon $((8388608 * (i + 1)))
	check "nothing went wrong ($i)" guest_is_right "" /tmp/out
done
check "rounds and clock in order" in_order
check "both CPUs and the disk: no complaint of the kernel" not said '.*(stall|lockup|unstable|I/O error)'
cp /tmp/state /tmp/state.before
check "a file is the same as itself" is_same
keel ctl saved quit
wait "$pid"
printf XXXXXXXX | dd of=/tmp/state bs=1 seek=100000 conv=notrunc 2>/dev/null
check "a damaged file is refused" ends_badly --memory eager
check "read as it is touched, it is the machine's end" ends_badly
check "without its disk it is refused" not keel restore /tmp/state.before --device "$KEEL_DEVICE"
tail -n 20 /tmp/out | comments | tr -d '\r'
comments /tmp/err
echo "# $(wc -c </tmp/state.before) bytes"
end
