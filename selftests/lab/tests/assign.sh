# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash disable=SC1091
# run: --kernel 6.1 --module keel --iommu intel --append iommu=nopt --extra vfio-pci --extra vfio_iommu_type1 --cpus 2 --memory 1536 --env PARTS=edu --about 40
# run: --kernel 6.12 --module keel --iommu amd --append iommu=nopt --extra vfio-pci --extra vfio_iommu_type1 --cpus 2 --memory 1536 --env PARTS=others --about 40
# long: --kernel 6.1 --module keel --iommu intel --append iommu=nopt --extra vfio-pci --extra vfio_iommu_type1 --cpus 2 --memory 1536 --env OUTSIDE=2000 --timeout 3600 --about 1200
# long: --kernel 6.12 --module keel --iommu amd --append iommu=nopt --extra vfio-pci --extra vfio_iommu_type1 --cpus 2 --memory 1536 --env OUTSIDE=2000 --timeout 3600 --about 1200
# long: --kernel 6.1 --module kvm --iommu intel --append iommu=nopt --extra vfio-pci --extra vfio_iommu_type1 --memory 1536 --about 60
# needs: launcher guest-devices
#
# PARTS: edu or others; both by default. OUTSIDE: how many places outside the guest's memory the device writes to.
#
# `keel run --vfio`: the devices edu, nvme and e1000e of the host, given to a Linux guest one after the other. Its drivers compute, move data
# by DMA and take interrupts, by a line, by MSI and by MSI-X; what edu writes outside the guest's memory the IOMMU stops and logs. Before
# that: how the launcher refuses what cannot be assigned.

. /lab/tap.sh
. /lab/devices.sh

give() {		# DEVICE DRIVER APPEND [OPTION]...
	give_device=$1 give_driver=$2 give_append=$3
	shift 3
	keel run --device "$KEEL_DEVICE" --kernel /guest/vmlinuz --initrd /guest/initrd --memory 192M --vfio "$give_device" \
		--append "console=ttyS0 quiet keel.mode=devices keel.drivers=$give_driver $give_append" "$@" </dev/null >/tmp/out 2>&1
}

said() { tr -d '\r' </tmp/out | grep -qxE "guest: $1"; }
# How many interrupts of the kind came
interrupts() { tr -d '\r' </tmp/out | grep -E "guest: interrupts .*$1"; }
show() { comments /tmp/out; }
refuses() {		# STATUS WORDS OPTION...
	refuse_status=$1 refuse_words=$2
	shift 2
	keel run --device "$KEEL_DEVICE" --kernel /guest/vmlinuz "$@" </dev/null >/tmp/out 2>&1
	[ $? = "$refuse_status" ] && grep -F -e "$refuse_words" /tmp/out
}
faults() { dmesg | grep -cE 'DMAR: \[DMA (Write|Read)'; }

has() { [ "${PARTS:-$1}" = "$1" ]; }

planned=8
! has edu || planned=$((planned + 9))
! has others || planned=$((planned + 8))
begin $planned
check "edu, nvme and e1000e are there" test -n "$edu" -a -n "$nvme" -a -n "$nic"
check "refused: no address" refuses 2 "not a PCI address" --vfio "$edu.1"
check "refused: twice" refuses 2 "given twice" --vfio "$edu" --vfio "${edu#0000:}"
check "refused: no such device" refuses 17 "no such PCI device" --vfio 0000:7f:1f.7
check "refused: no driver has it" refuses 17 "echo vfio-pci > /sys/bus/pci/devices/$edu/driver_override" --vfio "$edu"
check "VFIO takes them" bind_vfio "$edu" "$nvme" "$nic"

if has edu; then
	check "edu, by MSI" give "$edu" edu "keel.edu=outside=${OUTSIDE:-20}"
	show
	check "its registers" said "edu registers good"
	check "its interrupt" said "edu interrupt good, by MSI"
	check "DMA out and back, before and after" test "$(tr -d '\r' </tmp/out | grep -c 'edu dma good')" = 2
	check "what it writes outside goes nowhere" said "edu outside good: ${OUTSIDE:-20} blocks written to nowhere"
	if [ -e /sys/class/iommu/dmar0 ]; then
		check "and is logged" test "$(faults)" -gt 0
	else
		skip "and is logged" "QEMU's AMD-Vi says nothing of an address that no table is there for"
	fi

	check "edu, by its line, 2 CPUs" give "$edu" edu keel.edu=msi=0 --cpus 2
	show
	check "its interrupt" said "edu interrupt good, by its line"
	check "DMA out and back" said "edu dma good: .*"
fi

if has others; then
	check "nvme" give "$nvme" nvme ''
	show
	check "what the disk has" said "nvme sha256 $(cat /guest/disk.sha256)"
	check "by MSI-X" interrupts PCI-MSI

	check "e1000e" give "$nic" e1000e ''
	show
	check "the other end answers" said "network lease of 10.0.2.15"
	check "by MSI-X" interrupts PCI-MSI

	check "all three at once" give "$edu" edu '' --vfio "$nvme" --vfio "$nic" --no-sandbox
	check "edu works beside the others" said "edu dma good: .*"
fi
# Somebody else has its group open meanwhile.
sleep 300 9<>"$(group_node "$edu")" &
other=$!
sleep 1
check "refused: another process has it" refuses 17 "another process has it" --vfio "$edu"
kill $other
wait $other
check "and is had again" give "$edu" edu ''
end
