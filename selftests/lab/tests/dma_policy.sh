# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash disable=SC1091
# run: --kernel 6.1 --module none --iommu intel --append iommu=nopt --env EXPECT=confined --extra e1000e --about 30
# long: --kernel 6.12 --module none --iommu amd --append iommu=nopt --env EXPECT=confined --extra e1000e --about 35
# run: --kernel 6.12 --module none --iommu amd --append iommu=pt --env EXPECT=iommu=nopt --extra e1000e --about 35
# run: --kernel 6.1 --module none --iommu none --env EXPECT=intel_iommu=on --extra e1000e --about 30
# needs: keel launcher selftests/iommu/dma_policy_test selftests/core/hlt_test
#
# The module parameter dma and `keel run --dma`: enforce creates no VM while a device of the host reaches all memory, in one line that names it
# and the remedy, and creates them where all are confined; report says it and goes on; a driver that comes later is told in the log.

. /lab/tap.sh
export KEEL_DEVICE=/dev/keel

fresh() { dmesg -c >>/tmp/log; }
load() { fresh; modprobe keel "$@"; }
said() { dmesg | grep "keel: $1"; }
runs() { /selftests/core/hlt_test; }
# A kernel that is none: what comes first is the policy.
launch() { keel run --kernel /dev/null "$@" >/tmp/out 2>&1; }
refused() { launch --dma enforce; [ $? = 4 ] && [ "$(wc -l </tmp/out)" = 1 ] && grep "keel: --dma enforce: not started: device .*$1" /tmp/out; }
goes_on() { launch "$@"; [ $? = 5 ]; }
bind() { modprobe e1000e && within 5 test -e /sys/bus/pci/drivers/e1000e/0000*; }

begin 15
check "another word is refused" not load dma=perhaps
check "the log says which are known" said "dma=perhaps: off, report and enforce"
check "off is the default" load
check "a VM runs" runs
check "dma_policy_test" /selftests/iommu/dma_policy_test
modprobe -r keel
load dma=report
check "report: a VM runs" runs
modprobe -r keel
if [ "$EXPECT" = confined ]; then
	check "report: nothing to say" not said "a VM is created while"
	check "enforce loads" load dma=enforce
	check "a VM runs" runs
	check "--dma enforce goes on" goes_on --dma enforce
	check "and no line" not said "no VM"
	check "a driver comes" bind
	check "nothing to say" not said "a driver came"
else
	check "report: the log says it" said "a VM is created while device .*$EXPECT"
	check "enforce loads" load dma=enforce
	check "no VM" not runs
	check "the log says why" said "no VM, as dma=enforce: device .*$EXPECT"
	modprobe -r keel
	load
	check "--dma enforce: one line" refused "$EXPECT"
	check "a driver comes" bind
	check "the log says it" said "a driver came: device .*(e1000e) reaches all memory, .*$EXPECT"
fi
check "--dma report goes on" goes_on --dma report
modprobe -r keel
check "it loads again" load
end
