#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Measure both modules in one boot and print them side by side. Run as root in an
# emulated host whose TSC counts instructions, booted with mitigations=off, with
# kvm-amd.ko or kvm-intel.ko and keel.ko known to modprobe and no VM running.
#
# usage: run_bench [-o FILE.json] [ROW]...
#        run_bench [-o FILE.json] fork
#
# The second measures forks and resets, which only Keel has, and restoring, and fails if one is over its bar.
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

# boot DEVICE FILE.json - add the row of a guest's boot
boot() {
	command -v keel >/dev/null && [ -r "$guest/vmlinuz" ] || return 0
	start=$("$here/keel_bench" --clock)
	keel run --device "$1" --kernel "$guest/vmlinuz" --initrd "$guest/initrd" \
		--append 'console=ttyS0 quiet keel.mode=boot' --memory 256M >/tmp/boot.log 2>&1 </dev/null || {
		tail -n 5 /tmp/boot.log
		return 1
	}
	ticks=$(($("$here/keel_bench" --clock) - start))
	echo "Linux guest, from start to power-off: $ticks instructions"
	sed -i '$d' "$2"
	printf ',\n{ "operation": "Linux guest to user space and power-off", "value": %s, "unit": "instructions" }\n] }\n' \
		"$ticks" >>"$2"
}

# measure MODULE DEVICE FILE.json [ROW]...
measure() {
	module=$1 device=$2 file=$3
	shift 3
	unload
	modprobe "$module" || exit 1
	echo "measuring $device"
	KEEL_DEVICE=$device "$here/keel_bench" -o "$file" "$@" || exit 1
	[ $# -gt 0 ] || boot "$device" "$file" || exit 1
}

# launcher_fork - what a child takes of the launcher's own memory, a guest of Linux's in both
launcher_fork() {
	command -v keel >/dev/null && [ -r "$guest/vmlinuz" ] || return 0
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
	bar=524288 over=
	[ "$got" -le $bar ] || over=', over its bar'
	printf '%-62s %9s %9s  bytes%s\n' "memory of the launcher's own, an idle child with 2 vCPUs" $bar "$got" "$over"
	printf ',\n{ "operation": "memory of the launcher'"'"'s own, an idle child with 2 vCPUs", "wanted": %s, "got": %s, "unit": "bytes" }\n' \
		$bar "$got" >>/tmp/bench.forks
	[ "$got" -gt 0 ] && [ -z "$over" ]
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
	command -v keel >/dev/null && [ -r "$guest/vmlinuz" ] || return 0
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
	bar=$((eager / 20)) over=
	[ "$got" -le $bar ] || over=', over its bar'
	printf '%-62s %9s %9s  instructions%s\n' 'keel restore to the guest, memory read as it is touched' $bar "$got" "$over"
	printf ',\n{ "operation": "keel restore to the guest, memory read as it is touched", "wanted": %s, "got": %s, "unit": "instructions" }\n' \
		$bar "$got" >>/tmp/bench.forks
	[ -z "$over" ]
}

# forks - what there is of Keel's alone
forks() {
	KEEL_DEVICE=/dev/keel "$here/bench_fork" -o /tmp/bench.forks
	forks_status=$?
	[ $forks_status != 4 ] || return 4
	launcher_fork || forks_status=1
	launcher_restore || forks_status=1
	{ printf '{ "bars": [\n' && cat /tmp/bench.forks && printf '] }\n'; } >"$out"
	return $forks_status
}

if [ "$*" = fork ]; then
	unload
	modprobe keel || exit 1
	forks
	exit
fi

vendor=kvm-amd
grep -qw vmx /proc/cpuinfo && vendor=kvm-intel

measure "$vendor" /dev/kvm /tmp/bench.stock "$@"
measure keel /dev/keel /tmp/bench.keel "$@"
unload
echo
"$here/bench_compare" -o "$out" /tmp/bench.stock /tmp/bench.keel
