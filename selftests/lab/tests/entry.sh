# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash disable=SC1091
# run: --kernel 6.1 --module keel --cpus 2 --about 38
# long: --kernel 6.12 --module keel --cpus 2 --about 38
# long: --kernel 6.1 --module kvm --cpus 2 --about 38
# needs: launcher guest vmlinux selftests/userspace/entry_test
#
# Kernels that are entered in 32-bit mode: a small one by Multiboot and by PVH, and Debian's own by its note of PVH, with two CPUs
# and two disks.

. /lab/tap.sh
. /lab/guests.sh

tour() {
	keel run --device "$KEEL_DEVICE" --kernel /guest/vmlinux --entry pvh --initrd /guest/initrd \
		--append "$guest_append keel.sha256=$(cat /guest/disk.sha256)" --cpus 2 \
		--memory 256M --disk /guest/disk.img --disk /guest/disk.qcow2,ro </dev/null >/tmp/tour 2>&1
}

said() { tr -d '\r' </tmp/tour | grep -qxE "guest: $1"; }

begin 8
check "userspace/entry_test" /selftests/userspace/entry_test
check "the launcher ends with status 0" tour
# What Linux calls its loader where PVH has entered it, and not on Xen: 0xb0.
check "by PVH" said "boot-loader 176"
check "two CPUs" said "cpus 2"
check "the second CPU works" said "sum-on-cpu-1 [0-9a-f]{16}"
check "the disk reads right" said "disk-read good"
check "the same as qcow2, packed by QEMU" said "second-disk good"
check "the guest powered off by itself" said "powering off"
comments /tmp/tour
end
