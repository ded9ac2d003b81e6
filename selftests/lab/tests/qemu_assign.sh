# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash disable=SC1091
# long: --kernel 6.1 --module keel --params alias=kvm --iommu amd --append iommu=nopt --extra vfio-pci --extra vfio_iommu_type1 --host-root --cpus 2 --memory 2048 --about 60
# long: --kernel 6.1 --module keel --params alias=kvm --iommu intel --append iommu=nopt --extra vfio-pci --extra vfio_iommu_type1 --host-root --cpus 2 --memory 2048 --about 60
# needs: guest-devices
#
# QEMU's vfio-pci on Keel, as Debian ships it: the devices edu, nvme and e1000e of the host, given to a Linux guest.

. /lab/tap.sh
. /lab/devices.sh

cp -r /guest /tmp/guest

give() {		# DEVICE DRIVER APPEND
	chroot /host qemu-system-x86_64 -accel kvm -m 192 -nodefaults -display none -no-reboot \
		-kernel /tmp/guest/vmlinuz -initrd /tmp/guest/initrd -device "vfio-pci,host=$1" -serial stdio \
		-append "console=ttyS0 quiet keel.mode=devices keel.drivers=$2 $3" </dev/null >/tmp/out 2>&1
}

said() { tr -d '\r' </tmp/out | grep -qxE "guest: $1"; }
show() { comments /tmp/out; }

begin 11
check "VFIO takes edu, nvme and e1000e" bind_vfio "$edu" "$nvme" "$nic"
check "edu, by MSI" give "$edu" edu ''
show
check "its interrupt" said "edu interrupt good, by MSI"
check "DMA out and back" said "edu dma good: .*"
check "edu, by its line" give "$edu" edu keel.edu=msi=0
show
check "its interrupt" said "edu interrupt good, by its line"
check "DMA out and back" said "edu dma good: .*"
check "nvme" give "$nvme" nvme ''
show
check "what the disk has" said "nvme sha256 $(cat /guest/disk.sha256)"
check "e1000e" give "$nic" e1000e ''
show
check "the other end answers" said "network lease of 10.0.2.15"
end
