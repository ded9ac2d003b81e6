#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Measure both modules in one boot and print them side by side. Run as root in an
# emulated host whose TSC counts instructions, booted with mitigations=off, with
# kvm-amd.ko or kvm-intel.ko and keel.ko known to modprobe and no VM running.
#
# usage: run_bench [-o FILE.json] [ROW]...
#
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

vendor=kvm-amd
grep -qw vmx /proc/cpuinfo && vendor=kvm-intel

measure "$vendor" /dev/kvm /tmp/bench.stock "$@"
measure keel /dev/keel /tmp/bench.keel "$@"
unload
echo
"$here/bench_compare" -o "$out" /tmp/bench.stock /tmp/bench.keel
