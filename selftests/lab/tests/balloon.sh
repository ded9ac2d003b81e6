# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash disable=SC1091
# long: --kernel 6.1 --module keel --cpus 2 --memory 1536 --about 200 --timeout 900
# long: --kernel 6.12 --module keel --cpus 2 --memory 1536 --about 200 --timeout 900
# long: --kernel 6.1 --module kvm --cpus 2 --memory 1536 --about 200 --timeout 900
# needs: launcher guest
#
# A Linux guest that has filled 512 MB of its memory and freed them gives at least 95% of them back without being asked, by free
# page reporting. Another one, without that, gives 95% back when it is asked, and takes out of its balloon rather than run out
# of memory. What they gave they can have again.

. /lab/tap.sh
. /lab/guests.sh

full=$((512 * 1024))		# kB, as all that follows
size=$((full + 256 * 1024))	# of the guest
ask=$((size - 128 * 1024))	# leaves it so much

# start NAME WORDS - its console's input is /tmp/in.NAME
start() {
	mkfifo "/tmp/in.$1"
	: >"/tmp/out.$1"
	keel run --device "$KEEL_DEVICE" --kernel /guest/vmlinuz --initrd /guest/initrd --memory ${size}K --balloon "$2" \
		--append "${guest_append:?} quiet keel.mode=balloon" --name "$1" <>"/tmp/in.$1" >"/tmp/out.$1" 2>&1 &
	pid=$!
}

tell() { echo "$2" >"/tmp/in.$1"; }
said() { tr -d '\r' <"/tmp/out.$1" | grep -q "guest: $2"; }
rss() { awk '/^VmRSS:/ { print $2 }' "/proc/$pid/status"; }
given() { keel ctl --json "$1" status | sed -n 's/.*"actual":\([0-9]*\)}.*/\1/p'; }
has_given() { [ "$(given "$1")" = $(($2 * 1024)) ]; }
gave_back() { [ "$(rss)" -le $((filled - full * 95 / 100)) ]; }
keeps() { [ "$(rss)" -ge $((filled - full * 5 / 100)) ]; }
# What is not in the balloon, and the launcher itself.
is_small() { [ "$(rss)" -le $((size - ask + 8 * 1024)) ]; }

# fill NAME - and free it again
fill() {
	tell "$1" "fill 512"
	check "$1: the guest fills 512 MB" within 240 said "$1" "filled $((full * 1024))"
	filled=$(rss)
	check "$1: which the launcher has" [ "$filled" -ge "$full" ]
	tell "$1" free
	check "$1: and frees them" within 60 said "$1" freed
}

figures() {
	now=$(rss)
	echo "# $1: resident $filled kB full, $now kB then: $((filled - now)) of $full kB given back, $(((filled - now) * 1000 / full)) of 1000"
	keel ctl "$1" stats | sed -n '/balloon:/,$s/^/# /p'
}

finish() {
	tell "$1" quit
	wait "$pid"
	check "$1: it powers off" [ $? = 0 ]
	grep -v 'guest:' "/tmp/out.$1" | tr -d '\r' | comments
}

unasked() {
	start unasked size=0
	check "unasked: the guest boots" within 120 said unasked balloon
	fill unasked
	check "unasked: it gives back 95% of it" within 60 gave_back
	figures unasked
	check "unasked: statistics" eval 'keel ctl unasked stats | grep -q "free_memory: [1-9]"'
	check "unasked: it is asked" keel ctl unasked balloon ${ask}K
	check "unasked: and gives all of that" within 60 has_given unasked $ask
	check "unasked: which the launcher has not" within 10 is_small
	figures unasked
	keel ctl unasked balloon 0
	check "unasked: it has it back" within 30 has_given unasked 0
	tell unasked "fill 128"
	check "unasked: and can use it" within 120 said unasked "filled 134217728"
	finish unasked
}

asked() {
	# A little more than is left beside what it will fill.
	start asked size=256M,free_page_reporting=off
	check "asked: the guest boots" within 120 said asked balloon
	check "asked: and gives what it was asked for from the start" within 60 has_given asked $((256 * 1024))
	fill asked
	check "asked: it did not run out of memory for the balloon" not has_given asked $((256 * 1024))
	sleep 5
	check "asked: it gives nothing back by itself" keeps
	check "asked: it is asked" keel ctl asked balloon ${ask}K
	check "asked: it gives back 95% of it" within 60 gave_back
	check "asked: and says so" within 60 has_given asked $ask
	figures asked
	keel ctl asked balloon 0
	check "asked: it has it back" within 30 has_given asked 0
	finish asked
}

begin 24
unasked
asked
end
