# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash disable=SC1091
# long: --kernel 6.1 --module keel --cpus 2 --memory 1536 --about 200 --timeout 900
# long: --kernel 6.12 --module keel --cpus 2 --memory 1536 --about 200 --timeout 900
# long: --kernel 6.1 --module kvm --cpus 2 --memory 1536 --about 200 --timeout 900
# needs: launcher guest
#
# A Linux guest that began with 256 MB is given as much again while it runs, has it and uses it, is saved and restored with what is there, and
# gives it back when it is asked to.

. /lab/tap.sh
. /lab/guests.sh

base=$((256 << 20)) more=$((256 << 20))
start() {
	keel "$@" --device "$KEEL_DEVICE" --name plug <>/tmp/in >>/tmp/out 2>&1 &
	pid=$!
}
tell() { echo "$1" >/tmp/in; }
said() { tr -d '\r' </tmp/out | grep -q "guest: $1"; }
last() { tr -d '\r' </tmp/out | sed -n "s/guest: $1 //p" | tail -n 1; }
rss() { awk '/^VmRSS:/ { print $2 }' "/proc/$pid/status"; }
has_plugged() { keel ctl --json plug status | grep -q "\"pluggable\":{\"max\":536870912,\"requested\":$1,\"plugged\":$2}"; }
# kB that the guest counts
total() {
	: >/tmp/out
	tell total
	within 20 said total && last total
}
has_total() { now=$(total) && [ "$now" -ge "$1" ]; }
has_less() { now=$(total) && [ "$now" -lt "$1" ]; }
sum() {
	: >/tmp/out
	tell sum
	within 120 said sum && last sum
}
is_small() { [ "$(rss)" -le $((full - 48 * 1024)) ]; }

begin 21
mkfifo /tmp/in
: >/tmp/out
start run --kernel /guest/vmlinuz --initrd /guest/initrd --memory 256M,max=768M \
	--append "${guest_append:?} quiet memhp_default_state=online_movable keel.mode=balloon"
check "the guest boots" within 200 said balloon
check "with nothing plugged" has_plugged 0 0
before=$(total)
check "more than it can have is refused" not keel ctl plug memory 1G
check "it is asked for more" keel ctl plug memory $(((base + more) >> 20))M
check "and plugs it" within 120 has_plugged $more $more
check "Linux counts it" within 60 has_total $((before + more / 1024))
echo "# the guest counts $before kB before, $(total) kB then; resident $(rss) kB"
tell "random 64"
check "it is used" within 300 said "random $((64 << 20))"
full=$(rss)
sum=$(sum)
check "and summed" [ "${#sum}" = 64 ]
check "the machine is saved" keel ctl plug save /tmp/saved
check "the stream has it" eval "keel inspect /tmp/saved | grep -q pluggable_bytes"
keel ctl plug quit
wait "$pid"
start restore /tmp/saved
check "and restored" within 60 has_plugged $more $more
check "with what was there" [ "$(sum)" = "$sum" ]
check "which Linux counts" has_total $((before + more / 1024))
tell free
check "it frees that" within 60 said freed
check "it is asked to give back" keel ctl plug memory 256M
check "and unplugs all" within 120 has_plugged 0 0
check "Linux counts less" within 60 has_less $((before + more / 2048))
check "the launcher has less" within 10 is_small
echo "# the guest counts $(total) kB, resident $(rss) kB, $full kB full"
check "it is asked again" keel ctl plug memory 512M
check "and plugs it again" within 120 has_plugged $more $more
tell quit
wait "$pid"
check "it powers off" [ $? = 0 ]
grep -v 'guest:' /tmp/out | tr -d '\r' | comments
end
