# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash disable=SC1091
# run: --kernel 6.1 --module keel --params alias=kvm --host-root --cpus 2 --memory 2048 --about 16
# needs: guest
#
# QEMU, as Debian ships it, is a client of Keel: its own -accel kvm, on the node
# named /dev/kvm, boots Debian's kernel with two CPUs and a virtio disk.

. /lab/tap.sh

cp -r /guest /tmp/guest

tour() {
	chroot /host qemu-system-x86_64 -accel kvm -m 256 -smp 2 -nodefaults -display none \
		-no-reboot -kernel /tmp/guest/vmlinuz -initrd /tmp/guest/initrd \
		-append "console=ttyS0 keel.sha256=$(cat /guest/disk.sha256)" \
		-drive file=/tmp/guest/disk.img,if=virtio,format=raw -serial stdio \
		</dev/null >/tmp/tour 2>&1
}

said() { tr -d '\r' </tmp/tour | grep -qxE "guest: $1"; }

begin 4
check "QEMU ends with status 0" tour
check "two CPUs" said "cpus 2"
check "the disk reads right" said "disk-read good"
check "the guest powered off by itself" said "powering off"
comments /tmp/tour
end
