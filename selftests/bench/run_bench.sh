#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Measure both modules in one boot and print them side by side. Run as root in an
# emulated host whose TSC counts instructions, booted with mitigations=off, with
# kvm-amd.ko or kvm-intel.ko and keel.ko known to modprobe and no VM running.
#
# usage: run_bench [-o FILE.json] [ROW]...
#        run_bench [-o FILE.json] shadow [ROW]...
#        run_bench [-o FILE.json] fork | launcher
#
# "shadow" compares both modules without nested paging. "fork" measures forks and resets, which only Keel has, and restoring, and
# fails if one is over its bar; so does "launcher" with what the launcher and its devices take.
# Where the launcher is on PATH and GUEST (default /guest) has a kernel and an initramfs
# that powers off with keel.mode=boot, a Linux guest's whole life is measured too.

here=$(cd "$(dirname "$0")" && pwd)
guest=${GUEST:-/guest}
out=/tmp/bench.json
if [ "$1" = -o ]; then
	out=$2
	shift 2
fi

unload() {
	for m in keel kvm_amd kvm_intel kvm; do
		[ ! -d "/sys/module/$m" ] || modprobe -r "$m" || exit 1
	done
}

has_guest() { command -v keel >/dev/null && [ -r "$guest/vmlinuz" ]; }

# lives DEVICE INITRD WORDS... - instructions of a guest's whole life, with these words for its kernel
lives() {
	device=$1 initrd=$2
	shift 2
	start=$("$here/keel_bench" --clock)
	keel run --device "$device" --kernel "$guest/vmlinuz" --initrd "$initrd" \
		--append "console=ttyS0 quiet $*" --memory 256M >/tmp/boot.log 2>&1 </dev/null || {
		tail -n 5 /tmp/boot.log >&2
		return 1
	}
	echo $(($("$here/keel_bench" --clock) - start))
}

# add_row FILE.json OPERATION INSTRUCTIONS - to what keel_bench has written
add_row() {
	printf '%-52s %9s instructions\n' "$2" "$3"
	sed -i '$d' "$1"
	printf ',\n{ "operation": "%s", "value": %s, "unit": "instructions" }\n] }\n' "$2" "$3" >>"$1"
}

# boot DEVICE FILE.json - add the row of a guest's boot
boot() {
	has_guest || return 0
	booted=$(lives "$1" "$guest/initrd" keel.mode=boot) || return 1
	add_row "$2" 'Linux guest to user space and power-off' "$booted"
}

# with_init - the guest's initramfs with the benchmark's own first process and disk_load
with_init() {
	(cd "$here" && cat "$guest/initrd" && printf '%s\n' bench_init disk_load | cpio -o -H newc 2>/dev/null) >/tmp/bench.initrd
}

# storm DEVICE FILE.json - add the rows of a guest's boot, and of programs started and memory mapped, filled and given back
storm() {
	has_guest || return 0
	with_init
	booted=$(lives "$1" /tmp/bench.initrd rdinit=/bench_init bench.mode=storm bench.count=0) || return 1
	add_row "$2" 'Linux guest to user space and power-off' "$booted"
	stormed=$(lives "$1" /tmp/bench.initrd rdinit=/bench_init bench.mode=storm bench.count=100) || return 1
	add_row "$2" '  two programs started, 1 MB mapped and filled' $(((stormed - booted) / 100))
}

# measure MODULE PARAMETERS DEVICE FILE.json [ROW]...
measure() {
	module=$1 parameters=$2 device=$3 file=$4 rows=''
	shift 4
	unload
	# shellcheck disable=SC2086 # words are what is wanted
	modprobe "$module" $parameters || exit 1
	echo "measuring $device${parameters:+, $parameters}"
	[ -z "$parameters" ] || rows=--shadow
	KEEL_DEVICE=$device "$here/keel_bench" $rows -o "$file" "$@" || exit 1
	boots=boot
	[ -z "$parameters" ] || boots=storm
	[ $# -gt 0 ] || $boots "$device" "$file" || exit 1
}

# barred OPERATION WANTED GOT UNIT - a row with the most that is wanted, of what only Keel has; the first has nothing before it
barred() {
	over=
	[ "$3" -gt 0 ] && [ "$3" -le "$2" ] || over=', over its bar'
	[ "$3" -gt 0 ] || over=', no figure'
	printf '%-62s %9s %9s  %s%s\n' "$1" "$2" "$3" "$4" "$over"
	[ ! -s /tmp/bench.bars ] || printf ',\n' >>/tmp/bench.bars
	printf '{ "operation": "%s", "wanted": %s, "got": %s, "unit": "%s" }' "$1" "$2" "$3" "$4" >>/tmp/bench.bars
	[ -z "$over" ]
}

# launcher_fork - what a child takes of the launcher's own memory, a guest of Linux's in both
launcher_fork() {
	has_guest || return 0
	keel run --device /dev/keel --kernel "$guest/vmlinuz" --initrd "$guest/initrd" --memory 128M --cpus 2 --forkable --control /tmp/warm \
		--append 'console=ttyS0 quiet keel.mode=linger' >/tmp/warm.log 2>&1 </dev/null &
	warm=$!
	for _ in $(seq 600); do
		grep -q 'guest: alive' /tmp/warm.log && break
		sleep 0.1
	done
	keel ctl /tmp/warm pause
	child=$(keel ctl /tmp/warm fork --paused --control /tmp/child | sed -n 's/^pid: //p')
	got=$(($(sed -n 's/^Private_Dirty: *\([0-9]*\) kB/\1/p' "/proc/$child/smaps_rollup") * 1024))
	keel ctl /tmp/child quit
	keel ctl /tmp/warm quit
	wait $warm
	barred "memory of the launcher's own, an idle child with 2 vCPUs" 524288 "$got" bytes
}

# restored HOW - instructions until a machine made of /tmp/large.keel runs
restored() {
	start=$("$here/keel_bench" --clock)
	keel restore /tmp/large.keel --memory "$1" --device /dev/keel --control /tmp/large --daemon </dev/null >/dev/null 2>/tmp/large.log || return 1
	echo $(($("$here/keel_bench" --clock) - start))
	keel ctl /tmp/large quit >/dev/null
	sleep 1
}

# launcher_restore - a guest with some 100 MB that are not zero, of a file: read as it is touched, and as a whole before it runs
launcher_restore() {
	has_guest || return 0
	for _ in $(seq 12); do cat "$guest/vmlinuz"; done >/tmp/large.initrd
	keel run --device /dev/keel --kernel "$guest/vmlinuz" --initrd /tmp/large.initrd --memory 256M --control /tmp/large >/tmp/large.log 2>&1 </dev/null &
	large=$!
	for _ in $(seq 600); do
		keel ctl /tmp/large pause >/dev/null 2>&1 && break
		sleep 0.1
	done
	keel ctl /tmp/large save /tmp/large.keel >/dev/null
	keel ctl /tmp/large quit >/dev/null
	wait $large
	if ! eager=$(restored eager) || ! got=$(restored lazy); then
		cat /tmp/large.log
		return 1
	fi
	rm -f /tmp/large.initrd /tmp/large.keel
	barred 'keel restore to the guest, memory read as it is touched' $((eager / 20)) "$got" instructions
}

# forks - what there is of Keel's alone
forks() {
	KEEL_DEVICE=/dev/keel "$here/bench_fork" -o /tmp/bench.bars
	status=$?
	[ $status != 4 ] || return 4
	launcher_fork || status=1
	launcher_restore || status=1
	return $status
}

# first_instruction - of a guest that has no more than that
first_instruction() {
	got=$("$here/bench_start" "$(command -v keel)" /dev/keel) || got=0
	barred "exec() to the guest's first instruction" 2000000 "$got" instructions
}

# exits - of all vCPUs, in the text of the statistics
exits() { awk '$1 == "exits" { n += $2 } END { print n + 0 }'; }

# own_memory PID BYTES - what a process has written, but for the guest's memory, its one mapping of as many bytes or more
own_memory() {
	awk -v most=$(($2 / 1024)) '/^Size:/ { size = $2 } /^Private_Dirty:/ && size < most { kb += $2 } END { print kb * 1024 }' "/proc/$1/smaps"
}

until_idle() {
	for _ in $(seq 600); do
		grep -q 'guest: idle' /tmp/bench.idle && return
		sleep 0.1
	done
}

# idle - a Linux guest with a disk, a network and a control socket that does nothing: exits in a second, and the launcher's own memory
idle() {
	modprobe tun
	tunctl -t tap0 >/dev/null && ip link set tap0 up || return 1
	keel run --device /dev/keel --kernel "$guest/vmlinuz" --initrd /tmp/bench.initrd --memory 128M --disk "$guest/disk.img,ro" --net tap=tap0,vhost=off --control /tmp/bench.control \
		--append 'console=ttyS0 quiet rdinit=/bench_init bench.mode=idle' >/tmp/bench.idle 2>&1 </dev/null &
	pid=$!
	until_idle
	sleep 20
	before=$(keel ctl /tmp/bench.control stats | exits)
	sleep 60
	after=$(keel ctl /tmp/bench.control stats | exits)
	own=$(own_memory $pid $((128 << 20)))
	keel ctl /tmp/bench.control quit >/dev/null
	wait $pid
	barred 'exits of an idle Linux guest, in a minute' $((12 * 60)) $((after - before)) exits
	idle_status=$?
	barred "the launcher's own memory, with disk, network and control" 1048576 "$own" bytes && return $idle_status
}

# disk_guest COUNT - a Linux guest reads its disk: 4 KB at a time, 128 KB, and 4 KB COUNT times, 32 at once
disk_guest() {
	keel run --device /dev/keel --kernel "$guest/vmlinuz" --initrd /tmp/bench.initrd --memory 256M --disk "$guest/disk.img,ro" --stats \
		--append "console=ttyS0 quiet rdinit=/bench_init bench.mode=disk bench.reads=4096:1:1000,131072:1:200,4096:32:$1" \
		>"/tmp/bench.disk.$1" 2>"/tmp/bench.stats.$1" </dev/null || { cat "/tmp/bench.disk.$1" "/tmp/bench.stats.$1"; return 1; }
}

# disk_row BYTES DEPTH WANTED
disk_row() {
	got=$(tr -d '\r' </tmp/bench.disk.2200 | awk -v size="$1" -v depth="$2" '/^guest: read/ && $3 == size && $4 == depth { print $5 }')
	barred "a Linux guest's read of $1 bytes of a disk, $2 at once" "$3" "${got:-0}" instructions
}

disk() {
	disk_guest 200 && disk_guest 2200 || return 1
	disk_status=0
	disk_row 4096 1 24000 || disk_status=1
	disk_row 131072 1 85000 || disk_status=1
	disk_row 4096 32 14000 || disk_status=1
	barred '  exits of 2000 of these' 600 $(($(exits </tmp/bench.stats.2200) - $(exits </tmp/bench.stats.200))) exits && return $disk_status
}

# stop - how long a guest that does nothing stands at the end of its way to another launcher: with both of them on one CPU, one
# instruction a nanosecond
stop() {
	keel restore --listen unix:/tmp/bench.way --device /dev/keel </dev/null >/tmp/bench.target 2>&1 &
	target=$!
	keel run --device /dev/keel --kernel "$guest/vmlinuz" --initrd /tmp/bench.initrd --memory 128M --control /tmp/bench.control \
		--append 'console=ttyS0 quiet rdinit=/bench_init bench.mode=idle' >/tmp/bench.idle 2>&1 </dev/null &
	pid=$!
	until_idle
	keel ctl /tmp/bench.control migrate unix:/tmp/bench.way >/tmp/bench.moved 2>&1 || keel ctl /tmp/bench.control quit >/dev/null
	wait $pid
	kill -9 $target
	wait $target
	got=$(sed -n 's/^stood_us: //p' /tmp/bench.moved)
	[ -n "$got" ] || cat /tmp/bench.moved /tmp/bench.target
	barred "migration's stop, of an idle Linux guest" 500000 $((${got:-0} * 1000)) instructions
}

# launcher - what it takes to be there, and what its devices take
launcher() {
	has_guest || return 4
	with_init
	printf '%-62s %9s %9s\n' 'the launcher' wanted got
	status=0
	first_instruction || status=1
	idle || status=1
	disk || status=1
	stop || status=1
	return $status
}

vendor=kvm-amd nested=npt=0
if grep -qw vmx /proc/cpuinfo; then
	vendor=kvm-intel nested=ept=0
fi

case ${1:-} in
fork | launcher)
	unload
	modprobe keel || exit 1
	: >/tmp/bench.bars
	what=$1
	[ "$what" = launcher ] || what=forks
	$what
	status=$?
	{ printf '{ "bars": [\n' && cat /tmp/bench.bars && printf '\n] }\n'; } >"$out"
	exit $status
	;;
shadow)
	shift
	measure "$vendor" $nested /dev/kvm /tmp/bench.stock "$@"
	measure keel paging=shadow /dev/keel /tmp/bench.keel "$@"
	;;
*)
	measure "$vendor" '' /dev/kvm /tmp/bench.stock "$@"
	measure keel '' /dev/keel /tmp/bench.keel "$@"
	;;
esac
unload
echo
"$here/bench_compare" -o "$out" /tmp/bench.stock /tmp/bench.keel
