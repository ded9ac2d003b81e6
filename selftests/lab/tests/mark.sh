# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash disable=SC1091
# long: --kernel 6.1 --module keel --cpus 2 --about 250 --timeout 900
# long: --kernel 6.12 --module keel --cpus 2 --about 250 --timeout 900
# long: --kernel 6.1 --module keel --cpus 2 --env KEEL_RESETS=2500 --env KEEL_PART=1 --about 900 --timeout 3600
# long: --kernel 6.1 --module keel --cpus 2 --env KEEL_RESETS=2500 --env KEEL_PART=2 --about 900 --timeout 3600
# long: --kernel 6.12 --module keel --cpus 2 --env KEEL_RESETS=2500 --env KEEL_PART=3 --about 900 --timeout 3600
# long: --kernel 6.12 --module keel --cpus 2 --env KEEL_RESETS=2500 --env KEEL_PART=4 --about 900 --timeout 3600
# long: --host bochs --module keel --about 400
# needs: launcher guest selftests/userspace/mark_test
#
# A Linux guest with two CPUs, at its sums and at a snapshot of a disk that it writes and reads, goes back to its mark 200 times (KEEL_RESETS; 10,000 in
# four boots): out of the midst of a round mostly, and now and then when it has told the next one, which is the same each time. No sum is wrong, no kernel
# complains, the image stays, and the launcher has no more memory in the end.

. /lab/tap.sh
. /lab/guests.sh

resets=${KEEL_RESETS:-200} batch=40
ctl() { keel ctl --json /tmp/one "$@"; }
rounds() { tr -d '\r' </tmp/out | grep -c 'guest: round'; }
has_rounds() { [ "$(rounds)" -ge "$1" ]; }
# The number that the guest gave its N-th line.
number() { tr -d '\r' </tmp/out | sed -n 's/.*guest: round \([0-9]*\) .*/\1/p' | sed -n "$1p"; }

# Back, each time behind another while of running.
back_and_forth() {
	i=0
	while [ $i -lt "$resets" ]; do
		/selftests/userspace/mark_test --reset /tmp/one $batch 120 >/tmp/batch || return 1
		i=$((i + batch))
		next_is_same || return 1
		[ $i != $batch ] || { memory >/tmp/memory; unreclaimable >/tmp/slab; descriptors >/tmp/files; figures "after $i" $pid >&3; }
		[ $((i % 400)) != 0 ] || figures "after $i" $pid >&3
	done
}

# Kilobytes that the launcher has, the guest's memory and its copy among them.
memory() { awk '/^VmRSS:/ { print $2 }' /proc/$pid/status; }

# What the host's kernel has that it cannot give back, and which files the launcher has open.
unreclaimable() { awk '/^SUnreclaim:/ { print $2 }' /proc/meminfo; }
descriptors() { printf '%s\n' /proc/$pid/fd/* | wc -l; }

# What comes behind the mark is its next round.
next_is_same() {
	before=$(rounds)
	ctl reset --to-mark >/tmp/answer || return 1
	within 900 has_rounds $((before + 1)) && [ "$(number $((before + 1)))" = $((at + 1)) ]
}

# What it prints after going back, as often as it came to that.
differ() {
	tr -d '\r' </tmp/out | sed -n "s/.*generation 1 random //p" >/tmp/randoms
	[ "$(wc -l </tmp/randoms)" -ge 2 ] && [ "$(sort /tmp/randoms | uniq -d)" = "" ]
}

refuses() {
	want=$1
	shift
	! "$@" >/tmp/said 2>&1 && grep -q "$want" /tmp/said
}

begin 18
image=$(sha256sum </guest/disk.img)
check "a disk that is written is refused" refuses "can be written" keel run --kernel /guest/vmlinuz --markable --name x --disk /guest/disk.img
check "a network is refused" refuses "not together with --net" keel run --kernel /guest/vmlinuz --markable --name x --net user
check "a device is refused" refuses "not together with --vfio" keel run --kernel /guest/vmlinuz --markable --name x --vfio 0:1.0
keel run --device "$KEEL_DEVICE" --kernel /guest/vmlinuz --initrd /guest/initrd --memory 160M --cpus 2 --markable --control /tmp/one \
	--balloon size=8M --disk /guest/disk.img,snapshot --append "${guest_append:?} quiet keel.mode=sums" </dev/null >/tmp/out 2>/tmp/err &
pid=$!
check "the guest does its sums" within 900 has_rounds 2
check "no mark yet" refuses "mark it first" keel ctl /tmp/one reset --to-mark
ctl pause
sleep 1
at=$(number "$(rounds)")
check "marked" eval 'ctl mark | tee /tmp/marked | grep -q "\"ok\":true,\"bytes\":[1-9]"'
comments /tmp/marked
check "nothing to put back" eval 'ctl reset --to-mark | grep -q "\"pages\":0"'
ctl resume
exec 3>&1
check "back $resets times" back_and_forth
sed 's/^/# the last of them: /' /tmp/batch
check "the next round is the same" next_is_same
check "the launcher has no more memory than after the first $batch" [ "$(memory)" -le $(($(cat /tmp/memory) + 32768)) ]
check "nor more files" [ "$(descriptors)" = "$(cat /tmp/files)" ]
check "nor has the host's kernel" [ "$(unreclaimable)" -le $(($(cat /tmp/slab) + 4096)) ]
check "and it goes on" within 900 has_rounds $(($(rounds) + 2))
check "each time with random numbers of its own" differ
check "the sums are right" guest_is_right 'I/O error' /tmp/out
check "no complaint of a kernel" eval '! grep -iE "stall|lockup|unstable|call trace" /tmp/out'
check "the image is as it was" [ "$image" = "$(sha256sum </guest/disk.img)" ]
ctl quit
wait $pid
check "quit" [ $? = 20 ]
comments /tmp/err
end
