# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash disable=SC1091
# run: --kernel 6.1 --module keel --iommu intel --append iommu=nopt --extra vfio-pci --extra vfio_iommu_type1 --cpus 2 --about 35
# run: --kernel 6.12 --module keel --iommu amd --append iommu=nopt --extra vfio-pci --extra vfio_iommu_type1 --cpus 2 --about 40
# long: --kernel 6.1 --module kvm --iommu intel --append iommu=nopt --extra vfio-pci --extra vfio_iommu_type1 --about 35
# long: --kernel 6.12 --module kvm --iommu amd --append iommu=nopt --extra vfio-pci --extra vfio_iommu_type1 --about 40
# needs: selftests/iommu/vfio_test selftests/iommu/stale_test
#
# KVM's VFIO device with a real group: that of the device edu, behind VT-d, which does not make accesses coherent in QEMU, and behind AMD-Vi.

. /lab/tap.sh
. /lab/devices.sh

KEEL_VFIO_GROUP=$(group_node "$edu")
KEEL_VFIO_DEVICE=$edu
export KEEL_VFIO_GROUP KEEL_VFIO_DEVICE

# Every case, none skipped.
all_of() { "/selftests/iommu/$1" >/tmp/out; cat /tmp/out; grep -q 'fail:0 skip:0' /tmp/out; }

begin 5
check "edu is there" test -n "$edu"
check "VFIO takes it" bind_vfio "$edu"
check "its group has a node" test -c "$KEEL_VFIO_GROUP"
check "vfio_test" all_of vfio_test
check "stale_test" all_of stale_test
end
