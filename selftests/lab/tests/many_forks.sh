# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash disable=SC1091
# long: --kernel 6.1 --module keel --cpus 2 --memory 2048 --about 400 --timeout 1500
# long: --kernel 6.12 --module keel --cpus 2 --memory 2048 --about 400 --timeout 1500
# long: --kernel 6.1 --module keel --cpus 2 --memory 2048 --env KEEL_CHILDREN=200 --env KEEL_EVERY=1 --about 1500 --timeout 3600
# needs: launcher guest
#
# As many children of one Linux guest that writes a disk as are wanted of a host with 2 GiB (KEEL_CHILDREN, 500): all are there at once, by their names, one of
# 50 (KEEL_EVERY) goes on, and each as another machine; who waits for one learns of its end; and when all have ended, their memory is the
# host's again.

. /lab/tap.sh
. /lab/guests.sh

children=${KEEL_CHILDREN:-500} every=${KEEL_EVERY:-50}
rounds() { tr -d '\r' <"/tmp/out.$1" | grep -c 'guest: round'; }
has_rounds() { [ "$(rounds "$1")" -ge "$2" ]; }
name() { printf 'child-%04d' "$1"; }
samples() { seq 1 "$every" "$children"; }

fork_all() {
	for i in $(seq "$children"); do
		keel ctl --json /tmp/one fork --paused --name "$(name "$i")" --serial "/tmp/out.$i" >/tmp/answer || return 1
		[ $((i % 100)) != 0 ] || echo "$i: $(awk '/^MemAvailable:/ { print $2 }' /proc/meminfo) kB"
	done
}

# How many names the list has, in whose status there is the first one's process.
listed() { keel list --json | grep -o "\"name\":\"child-[0-9]*\",\"pid\":[0-9]*,\"parent\":$pid," | wc -l; }

generations() { keel list --json | grep -o '"generation_id":"[0-9a-f-]*"'; }

# A few at a time: so many guests get on.
let_go() {
	samples | xargs -n 4 | while read -r group; do
		for i in $group; do
			keel ctl "$(name "$i")" resume || return 1
		done
		for i in $group; do
			within 600 has_rounds "$i" 2 || return 1
		done
		for i in $group; do
			keel ctl "$(name "$i")" pause || return 1
		done
		[ "${group%% *}" -lt "${told:=40}" ] || { echo "# gone on: $group" >&3 && told=$((told + 40)); }
	done
}

all_know() {
	for i in $(samples); do
		tr -d '\r' <"/tmp/out.$i" | grep -q "guest: generation 1 random" || return 1
	done
}

quit_all() {
	for i in $(seq "$children"); do
		keel ctl "$(name "$i")" quit || return 1
	done
}

ended() {
	keel ctl "$1" status >/dev/null 2>&1
	[ $? = 21 ]
}

wait_for_one() {
	keel ctl --json /tmp/one fork --wait --name waited --serial /tmp/out.waited --status-json /tmp/waited.json >/tmp/waited &
	waiter=$!
	within 60 keel ctl waited status
	keel ctl waited quit
	wait $waiter
	[ $? = 20 ] && grep -q '^{"status": 20, "name": "quit"' /tmp/waited.json && grep -q '^{"status":20,"name":"quit"' /tmp/waited
}

all_is_back() { [ "$(free_with_files)" -ge $((before - 16384)) ]; }

begin 12
keel run --device "$KEEL_DEVICE" --kernel /guest/vmlinuz --initrd /guest/initrd --memory 128M --cpus 2 --forkable --control /tmp/one --disk /guest/disk.img,snapshot \
	--append "${guest_append:?} quiet keel.mode=sums" </dev/null >/tmp/out.one 2>/tmp/err &
pid=$!
check "the guest does its sums" within 900 has_rounds one 2
keel ctl /tmp/one pause
sleep 1
check "who waits for a child learns how it ended" wait_for_one
before=$(free_with_files)
figures before $pid
check "$children children" fork_all
check "all of them are listed" [ "$(listed)" = "$children" ]
check "each as another machine" [ "$(generations | sort | uniq -d | wc -l)" = 0 ]
figures "with them" $pid
check "all with a number" [ "$(generations | wc -l)" = "$children" ]
exec 3>&1
check "those that are let go go on" let_go
check "and know who they are" all_know
check "the sums are right" guest_is_right "" /tmp/out.*
check "quit" quit_all
check "the last is gone" within 60 ended "$(name "$children")"
check "their memory is the host's again" within 60 all_is_back
figures after $pid
keel ctl /tmp/one quit
echo "# free: $before kB before, $(free_with_files) kB after the first one as well"
comments /tmp/err | tail -n 20
end
