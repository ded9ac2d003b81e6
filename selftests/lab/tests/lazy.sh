# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash disable=SC1091
# long: --kernel 6.1 --module keel --cpus 2 --about 300 --timeout 900
# long: --kernel 6.12 --module keel --cpus 2 --about 300 --timeout 900
# needs: launcher guest selftests/userspace/mark_test
#
# A Linux guest at work goes on from a file that its memory is read from as it is touched, and while that comes it is forked, marked, moved, saved and
# ended: each waits until all is there, and all go on with the sums that they had. Where the rest of the file is damaged each is refused, and the machine ends in words.
# Whoever is killed meanwhile leaves nothing.

. /lab/tap.sh
. /lab/guests.sh

disk=/guest/disk.img

ctl() { keel ctl --json "$@"; }
rounds() { tr -d '\r' <"/tmp/out.$1" | grep -c 'guest: round'; }
has_rounds() { [ "$(rounds "$1")" -ge "$2" ]; }
goes_on() { within 600 has_rounds "$1" $(($(rounds "$1") + 2)); }
number() { tr -d '\r' <"/tmp/out.$1" | sed -n 's/.*guest: round \([0-9]*\) .*/\1/p' | sed -n "${2}p"; }
# Its rounds are in order, and begin where the file has it.
follows() { [ "$(number "$1" 1)" = $((at + 1)) ] && tr -d '\r' <"/tmp/out.$1" | awk '/guest: round/ { if (n++ && $3 != last + 1) bad = 1; last = $3 } END { exit bad || n < 2 }'; }
ends() {
	wait "$1"
	got=$?
	[ $got = "$2" ] || echo "# ended with $got, not $2"
	[ $got = "$2" ]
}
is_up() { keel ctl "$1" status >/dev/null 2>&1; }
is_gone() { ! is_up "$1"; }

# lazily NAME FILE OPTION... - with the disk as it was; output in /tmp/out.NAME
lazily() {
	name=$1 file=$2
	shift 2
	cp "$file.img" "$disk"
	: >"/tmp/out.$name"
	keel restore "$file" --memory lazy --device "$KEEL_DEVICE" --name "$name" "$@" </dev/null >"/tmp/out.$name" 2>"/tmp/err.$name" &
	pid=$!
	within 120 is_up "$name"
}

# comes NAME COMMAND... - asked while memory still comes?
comes() {
	left=$(ctl "$1" status | sed -n 's/.*"left":\([0-9]*\).*/\1/p')
	shift
	"$@" || return 1
	echo "$left bytes were still to come"
	[ "${left:-0}" -gt 0 ]
}
is_there() { ctl "$1" status | grep -q '"left":0,'; }

# Not a block of those that the guest needs to run, but all of them will be read.
damage() {
	cp /tmp/state /tmp/bad
	cp /tmp/state.img /tmp/bad.img
	size=$(wc -c </tmp/bad)
	printf XXXXXXXX | dd of=/tmp/bad bs=1 seek=$((size * 9 / 10)) conv=notrunc 2>/dev/null
}

# refused COMMAND - of a machine whose memory does not come
refused() {
	lazily bad /tmp/bad "$@" || return 1
	case $* in
	*forkable*) ctl bad fork --name child --serial /tmp/out.child ;;
	*markable*) ctl bad mark ;;
	*) ctl bad save /tmp/other ;;
	esac >/tmp/answer 2>&1
	result=$?
	cat /tmp/answer
	ends $pid 22 && [ $result != 0 ] && grep "the checksum of section 'memory' [0-9]* is wrong" /tmp/err.bad && is_gone child && [ ! -e /tmp/other ]
}

# Whoever gives up a fork has a child and was told so, or has none.
give_up_fork() {
	# not ctl, which the shell would have a process of its own for, and that would be the one that is killed
	keel ctl --json one fork --name two --serial /tmp/out.two >/tmp/answer 2>&1 &
	client=$!
	usleep "$1"
	kill -TERM $client
	wait $client
	echo "after $1 us: $(cat /tmp/answer)"
	if grep -q '"ok":true' /tmp/answer; then
		ctl two quit && within 60 is_gone two
	else
		is_gone two && is_up one
	fi
}

forks_given_up() {
	for us in 0 20000 200000; do
		give_up_fork $us || return 1
	done
}

move() {
	keel restore --listen unix:/tmp/move --device "$KEEL_DEVICE" --name two --disk "$disk" </dev/null >/tmp/out.two 2>/tmp/err.two &
	target=$!
	within 60 [ -S /tmp/move ] && ctl one migrate unix:/tmp/move && ends $pid 26
}

killed() {
	keel restore --listen unix:/tmp/move --device "$KEEL_DEVICE" --name two --disk "$disk" </dev/null >/tmp/out.two 2>/tmp/err.two &
	target=$!
	within 60 [ -S /tmp/move ] || return 1
	ctl one migrate unix:/tmp/move >/tmp/answer 2>&1 &
	client=$!
	usleep 200000
	kill -9 $pid
	wait $client
	! grep -q '"ok":true' /tmp/answer && ends $target 22
}

all_is_back() { [ "$(free_with_files)" -ge $((before - 8192)) ]; }

quit() {
	ctl "$1" quit
	ends "$2" 20
}

begin 31
: >/tmp/out.zero
keel run --device "$KEEL_DEVICE" --kernel /guest/vmlinuz --initrd /guest/initrd --memory 160M --cpus 2 --disk "$disk" --name zero \
	--append "${guest_append:?} quiet keel.mode=sums" </dev/null >/tmp/out.zero 2>/tmp/err &
pid=$!
check "the guest does its sums" within 900 has_rounds zero 2
ctl zero pause
check "saved" ctl zero save /tmp/state
at=$(number zero "$(rounds zero)")
check "quit" quit zero $pid
cp "$disk" /tmp/state.img
damage
before=$(free_with_files)

lazily one /tmp/state --forkable --disk "$disk,snapshot"
check "forked while its memory comes" comes one ctl one fork --name two --serial /tmp/out.two
check "its memory is there" is_there one
check "the child says so" is_there two
check "forked again, of the child" ctl two fork --name three --serial /tmp/out.three
kill -9 $pid
wait $pid 2>/dev/null
for i in two three; do
	check "it goes on ($i)" goes_on $i
done
check "from where it was" follows two
for i in two three; do
	ctl $i quit
	within 60 is_gone $i
done

lazily one /tmp/state --forkable --disk "$disk,snapshot"
check "who asks for a fork meanwhile, and gives up" forks_given_up
check "leaves a machine that goes on" goes_on one
check "and can be quit" quit one $pid

lazily one /tmp/state --markable --disk "$disk,snapshot"
check "marked while its memory comes" comes one ctl one mark
check "and taken back" /selftests/userspace/mark_test --reset /run/keel/one.sock 40 120
check "it goes on" goes_on one
check "quit" quit one $pid

lazily one /tmp/state --disk "$disk"
check "moved while its memory comes" comes one move
check "it goes on" goes_on two
check "quit" quit two "$target"

lazily one /tmp/state --disk "$disk"
check "killed while it waits to be moved" killed

lazily one /tmp/state --disk "$disk"
ctl one pause
check "saved while its memory comes" comes one ctl one save /tmp/again
cp "$disk" /tmp/again.img
check "quit" quit one $pid
lazily one /tmp/again --disk "$disk"
check "what was saved goes on" goes_on one
check "quit" quit one $pid

lazily one /tmp/state --disk "$disk"
check "quit while its memory comes" comes one quit one $pid

check "damaged: no fork" refused --forkable --disk "$disk,snapshot"
check "damaged: no mark" refused --markable --disk "$disk,snapshot"
check "damaged: not saved" refused --disk "$disk"
check "the sums are right" guest_is_right 'stall|lockup|I/O error' /tmp/out.*
rm -f /tmp/again /tmp/again.img
check "the host has its memory" within 4 all_is_back
echo "# free: $before kB before, $(free_with_files) kB after"
comments /tmp/err.*
end
