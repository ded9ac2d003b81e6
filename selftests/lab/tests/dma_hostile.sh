# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash disable=SC1091
# long: --kernel 6.1 --module keel --iommu intel --append iommu=nopt --append log_buf_len=8M --extra vfio-pci --extra vfio_iommu_type1 --cpus 2 --memory 1536 --env OUTSIDE=1000 --env PART=1 --timeout 9000 --about 5300 --idle
# long: --kernel 6.1 --module keel --iommu intel --append iommu=nopt --append log_buf_len=8M --extra vfio-pci --extra vfio_iommu_type1 --cpus 2 --memory 1536 --env OUTSIDE=1000 --env PART=2 --timeout 9000 --about 5300 --idle
# long: --kernel 6.1 --module keel --iommu intel --append iommu=nopt --append log_buf_len=8M --extra vfio-pci --extra vfio_iommu_type1 --cpus 2 --memory 1536 --env OUTSIDE=1000 --env PART=3 --timeout 9000 --about 5300 --idle
# long: --kernel 6.1 --module keel --iommu intel --append iommu=nopt --append log_buf_len=8M --extra vfio-pci --extra vfio_iommu_type1 --cpus 2 --memory 1536 --env OUTSIDE=1000 --env PART=4 --timeout 9000 --about 5300 --idle
# long: --kernel 6.1 --module keel --iommu intel --append iommu=nopt --append log_buf_len=8M --extra vfio-pci --extra vfio_iommu_type1 --cpus 2 --memory 1536 --env OUTSIDE=1000 --env PART=5 --timeout 9000 --about 5300 --idle
# long: --kernel 6.12 --module keel --iommu amd --append iommu=nopt --append log_buf_len=8M --extra vfio-pci --extra vfio_iommu_type1 --cpus 2 --memory 1536 --env OUTSIDE=5000 --env PACE=0 --timeout 7200 --about 2700
# needs: launcher guest-devices selftests/iommu/witness_test
#
# A guest has its device write to OUTSIDE random places outside its memory and read from them, one after the other: half of them where the host
# has memory of its own. Each of these accesses the IOMMU stops, and the host's log names the device and the address, where a place takes PACE
# milliseconds: Linux logs three in five seconds. What is else in memory stays as it is: the pattern of a neighbour, what its guest sees of
# it through Keel's tables, and the host, which goes on. Before and after, what the device moves inside the guest's memory arrives.
#
# PART makes boots of the same kind different ones: 10,000 accesses take seven hours to log.

. /lab/tap.sh
. /lab/devices.sh

outside=${OUTSIDE:-20} pace=${PACE:-5100}

hostile() {
	dmesg -c >/dev/null
	keel run --device "$KEEL_DEVICE" --kernel /guest/vmlinuz --initrd /guest/initrd --memory 192M --vfio "$edu" --append \
		"console=ttyS0 quiet log_buf_len=2M keel.mode=devices keel.drivers=edu keel.edu=outside=$outside,pace=$pace" </dev/null >/tmp/out 2>&1
}
guest_said() { tr -d '\r' </tmp/out | grep -xE "guest: edu $1"; }

# The addresses that the log has for this device, by kind: "Write ADDRESS" and "Read ADDRESS"
logged() {
	dmesg |
		sed -n "s/.*DMAR: \[DMA \(Write\|Read\) [^]]*\] Request device \[${edu#0000:}\] fault addr \(0x[0-9a-f]*\) .*/\1 \2/p"
}
# Accesses that the log does not have, as often as they were made: a place may come up twice
missing() {
	logged >/tmp/logged
	tr -d '\r' </tmp/out | sed -n 's/^guest: edu at \(0x[0-9a-f]*\)$/Write \1\nRead \1/p' >/tmp/made
	awk 'FILENAME == "/tmp/logged" { has[$0]++; next } !has[$0]-- ' /tmp/logged /tmp/made >/tmp/missing
	head -n 5 /tmp/missing
	echo "$(wc -l </tmp/made) accesses made, $(wc -l </tmp/logged) in the log, $(wc -l </tmp/missing) missing"
}
all_logged() { missing; [ ! -s /tmp/missing ] && [ "$(wc -l </tmp/made)" = $((2 * outside)) ]; }

begin 7
check "VFIO takes edu" bind_vfio "$edu"
KEEL_UNTIL=/tmp/until /selftests/iommu/witness_test >/tmp/witness 2>&1 &
witness=$!
sleep 5
check "edu is told to write outside" hostile
check "all of it goes nowhere" guest_said "outside good: $outside blocks written to nowhere"
check "DMA inside, before and after" test "$(guest_said 'dma good: .*' | wc -l)" = 2
if [ -e /sys/class/iommu/dmar0 ]; then
	check "each access is logged, with device and address" all_logged
else
	skip "each access is logged" "QEMU's AMD-Vi says nothing of an address that no table is there for"
fi
touch /tmp/until
check "the neighbour has seen nothing" wait $witness
cat /tmp/witness
check "nobody has it" eval 'exec 9<>"$(group_node $edu)"; exec 9>&-'
end
