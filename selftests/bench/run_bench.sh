#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Measure both modules in one boot and print them side by side. Run as root in an
# emulated host whose TSC counts instructions, booted with mitigations=off, with
# kvm-amd.ko and keel.ko known to modprobe and no VM running.
#
# usage: run_bench [-o FILE.json] [ROW]...

here=$(cd "$(dirname "$0")" && pwd)
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

vendor=kvm-amd
grep -qw vmx /proc/cpuinfo && vendor=kvm-intel

unload
modprobe "$vendor" || exit 1
KEEL_DEVICE=/dev/kvm "$here/keel_bench" -o /tmp/bench.stock "$@" > /dev/null || exit 1
unload
modprobe keel || exit 1
KEEL_DEVICE=/dev/keel "$here/keel_bench" -o /tmp/bench.keel "$@" > /dev/null || exit 1
unload
"$here/bench_compare" -o "$out" /tmp/bench.stock /tmp/bench.keel
echo "--- $out"
cat "$out"
