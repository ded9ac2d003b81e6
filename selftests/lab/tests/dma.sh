# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash disable=SC1091
# run: --kernel 6.1 --module keel --iommu intel --append iommu=nopt --env EXPECT=translated --about 25
# run: --kernel 6.12 --module keel --iommu amd --append iommu=nopt --env EXPECT=translated --about 30
# run: --kernel 6.1 --module keel --iommu amd --append iommu=pt --env EXPECT=identity --about 25
# long: --kernel 6.12 --module keel --iommu intel --append iommu=pt --env EXPECT=identity --about 30
# run: --kernel 6.12 --module keel --iommu none --env EXPECT=no-iommu --about 25
# long: --kernel 6.1 --module keel --iommu none --env EXPECT=no-iommu --about 25
# needs: launcher selftests/iommu/dma_list_test
#
# `keel dma` on hosts whose IOMMU translates, hands through, or is not there: what it says of the device edu, which no driver has, before
# and after its bus mastering is turned on, and that module, sysfs and both forms of the report agree.

. /lab/tap.sh
. /lab/devices.sh

# Bit 2 of the command register; the rest as QEMU leaves it.
master() {
	printf '%b' "$1" | dd of="/sys/bus/pci/devices/$edu/config" bs=1 seek=4 conv=notrunc 2>/dev/null
}

row() { keel dma | grep "^$edu "; }
json() { keel dma --json | tr '{' '\n' | grep "\"device\": \"$edu\""; }
json_says() { json | grep -F "\"$1\": $2"; }
row_says() { row | grep -F "$1"; }
rows() { keel dma | grep -c '^[0-9a-f]*:[0-9a-f]*:'; }
kinds() { keel dma --json | tr ',' '\n' | sed -n 's/^ *"reach": "\(.*\)"/\1/p' | sort | uniq -c; }

case $EXPECT in
translated) off='what its driver maps' on=$off later=confined now=confined remedy='' ;;
identity) off='all memory once it masters the bus: identity domain' on='ALL MEMORY: identity domain' later=latent now=exposed remedy=iommu=nopt ;;
no-iommu) off='all memory once it masters the bus: no IOMMU' on='ALL MEMORY: no IOMMU' later=latent now=exposed remedy=intel_iommu=on ;;
esac

begin 12
check "dma_list_test" /selftests/iommu/dma_list_test
check "edu is there" test -n "$edu"
master '\000'
check "without bus mastering: $off" row_says "off     $off"
check "in JSON: $later" json_says exposure "\"$later\""
check "and: $EXPECT" json_says reach "\"$EXPECT\""
master '\004'
check "with bus mastering: $on" row_says "on      $on"
check "in JSON: $now" json_says exposure "\"$now\""
check "and bus mastering" json_says bus_master true
master '\000'
check "a row for each device" test "$(rows)" = "$(find /sys/bus/pci/devices/ -type l | wc -l)"
if [ -n "$remedy" ]; then
	check "the remedy" sh -c "keel dma | grep $remedy"
else
	check "no remedy is called for" not sh -c "keel dma | grep iommu="
fi
check "another node is refused" sh -c 'keel dma --device /dev/null; [ $? = 3 ]'
check "the report is complete" sh -c 'keel dma; keel dma --json | tail -c 4 | grep "\]}"'
kinds | comments
end
