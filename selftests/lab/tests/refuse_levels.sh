# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash disable=SC1091
# run: --kernel 6.1 --module none --test-build --about 6
# run: --kernel 6.1 --module none --test-build --packaged --cpu +la57 --about 12
# needs: keel selftests/core/hlt_test
#
# Second-level tables of another depth than the CPU walks never come into use: the module does not load, and where that check is
# taken out, no vCPU is entered. The test build can be told a depth. With the right one it runs guests.

. /lab/tap.sh
right=4
grep -qw la57 /proc/cpuinfo && right=5
wrong=$((9 - right))

said() { dmesg | grep -q "keel: .*second-level tables have $wrong levels and $1 walks $right"; }
hlt_fails() {
	KEEL_DEVICE=/dev/keel /selftests/core/hlt_test >/tmp/hlt
	grep -q '^not ok' /tmp/hlt && ! grep -q '^ok' /tmp/hlt && grep -q 'Input/output error\|EIO\|-5' /tmp/hlt
}

begin 8
check "$wrong levels are refused at load" not modprobe keel table_levels=$wrong
check "the kernel's log says why" said "the CPU"
check "without that check the module loads" modprobe keel table_levels=$wrong unchecked_levels=1
check "no vCPU is entered" hlt_fails
check "the kernel's log says why, of the vCPU" said "CPU [0-9]*"
check "it unloads" modprobe -r keel
check "$right levels are taken" modprobe keel table_levels=$right
check "and guests run" env KEEL_DEVICE=/dev/keel /selftests/core/hlt_test
end
