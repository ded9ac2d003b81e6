#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash
#
# First process of a Linux guest that is measured, beside the lab's own in one initramfs. What bench.mode= says:
#   storm   fork and exec bench.count= programs, and map and fill memory as often
#   idle    say so, and do nothing
#   disk    read /dev/vda as bench.reads= says, BYTES:DEPTH:REQUESTS, with commas
# and power off.

export PATH=/bin
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t devtmpfs dev /dev
for module in virtio_pci virtio_mmio virtio_blk virtio_net; do
	modprobe $module 2>/dev/null
done
option() { tr ' ' '\n' </proc/cmdline | sed -n "s/^bench\.$1=//p"; }

case $(option mode) in
storm)
	for _ in $(seq "$(option count)"); do
		/bin/busybox true
		dd if=/dev/zero of=/dev/null bs=1M count=1 2>/dev/null
	done
	;;
idle)
	echo "guest: idle"
	sleep 100000
	;;
disk)
	for reads in $(option reads | tr , ' '); do
		# shellcheck disable=SC2046 # words are what is wanted
		/disk_load /dev/vda $(echo "$reads" | tr : ' ')
	done
	;;
esac
poweroff -f
