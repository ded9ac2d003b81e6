# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash disable=SC1091
# long: --kernel 6.1 --module keel --cpus 2 --about 200 --timeout 900
# long: --kernel 6.12 --module keel --cpus 2 --about 200 --timeout 900
# long: --host bochs --module keel --about 400
# needs: launcher guest
#
# A Linux guest with two CPUs that does sums is forked, and its child as well: all go on with their rounds, none
# takes what happened for a lockup, and each ends alone. The first one's death is nothing to its children. Each writes a disk of its
# own, of one image, which stays as it is.

. /lab/tap.sh
. /lab/guests.sh

ctl() { keel ctl --json "$@"; }
said() { tr -d '\r' <"/tmp/out.$1" | grep -qE "guest: $2"; }
rounds() { tr -d '\r' <"/tmp/out.$1" | grep -c 'guest: round'; }
has_rounds() { [ "$(rounds "$1")" -ge "$2" ]; }
first() { tr -d '\r' <"/tmp/out.$1" | sed -n 's/.*guest: round \([0-9]*\) .*/\1/p' | head -n 1; }
last() { tr -d '\r' <"/tmp/out.$1" | sed -n 's/.*guest: round \([0-9]*\) .*/\1/p' | tail -n 1; }
goes_on() { within 120 has_rounds "$1" $(($(rounds "$1") + 2)); }

in_order() {
	tr -d '\r' <"/tmp/out.$1" | awk '/guest: round [0-9]+ at [0-9.]+$/ { if (n++ && $3 != last + 1) bad = 1; last = $3 } END { exit bad || n < 2 }'
}

# The child's first round is the one that the parent was at.
follows() { [ "$(first "$2")" -ge "$3" ] && [ "$(first "$2")" -le "$(($3 + 1))" ]; }

# Which it is, as it has learned after its N-th fork.
knows() { said "$1" "generation $2 random"; }

randoms() { cat /tmp/out.* | tr -d '\r' | sed -n 's/.* random //p'; }

is_gone() {
	keel ctl "$1" status >/dev/null 2>&1
	[ $? = 21 ]
}

begin 30
image=$(sha256sum </guest/disk.img)
keel run --device "$KEEL_DEVICE" --kernel /guest/vmlinuz --initrd /guest/initrd --memory 160M --cpus 2 --forkable --control /tmp/one \
	--balloon size=8M --disk /guest/disk.img,snapshot --append "${guest_append:?} quiet keel.mode=sums" </dev/null >/tmp/out.one 2>/tmp/err &
pid=$!
check "the guest does its sums" within 200 has_rounds one 2
ctl /tmp/one pause
sleep 1
at=$(last one)
check "forked" ctl /tmp/one fork --name two --serial /tmp/out.two
ctl /tmp/one resume
check "the child goes on" goes_on two
check "where the parent was" follows one two "$((at + 1))"
check "and knows that it is another" within 60 knows two 1
check "the parent goes on" goes_on one
check "forked while it runs" ctl /tmp/one fork --name three --serial /tmp/out.three
check "a child is forked" ctl two fork --name four --serial /tmp/out.four
# Two at a time: a round takes long enough then.
ctl /tmp/one pause
ctl two pause
for i in three four; do
	check "it goes on ($i)" goes_on $i
done
check "a child of the first one" within 60 knows three 1
check "a child of its child" within 60 knows four 2
ctl three pause
ctl four pause
ctl /tmp/one resume
ctl two resume
for i in one two; do
	check "it goes on ($i)" goes_on $i
done
ctl two pause
ctl three resume
ctl four resume
check "the child's balloon" ctl three balloon 16M
check "fills" within 30 eval 'ctl three status | grep -q "\"actual\":16777216"'
check "its parent's does not" eval 'ctl /tmp/one status | grep -q "\"actual\":8388608"'
kill -9 $pid
wait $pid 2>/dev/null
check "quit" ctl two quit
for i in three four; do
	check "it goes on ($i)" goes_on $i
	check "in order ($i)" in_order $i
done
check "the sums are right" guest_is_right "" /tmp/out.*
check "no two have the same random numbers" [ "$(randoms | sort | uniq -d)" = "" ]
check "all have some" [ "$(randoms | wc -l)" = 3 ]
check "the first one is who it was" not said one generation
check "the disks are" eval '! grep -E "I/O error" /tmp/out.*'
check "the image is as it was" [ "$image" = "$(sha256sum </guest/disk.img)" ]
check "no complaint of a kernel" eval '! grep -iE "stall|lockup|unstable|call trace" /tmp/out.*'
ctl three quit
ctl four quit
check "nobody is left" within 20 is_gone four
for i in one two three four; do
	echo "# $i: $(first $i) to $(last $i)"
done
comments /tmp/err
end
