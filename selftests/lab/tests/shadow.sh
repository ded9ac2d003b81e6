# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash disable=SC1091
# run: --kernel 6.1 --module keel --params paging=shadow --about 15
# needs: selftests/ept/around_test selftests/svm/svm_entry_test selftests/svm/svm_root_test
#
# paging=shadow where the CPU has nested paging: the module says so, and says what this CPU's shadow paging is worth.

. /lab/tap.sh

says() { dmesg | grep -q "keel: $1"; }

begin 5
check "guests are on shadow tables" says "ready on svm with shadow paging"
check "this CPU's task switches are told of" says "this CPU is QEMU's TCG, where a guest's task switch escapes shadow paging"
for test in ept/around_test svm/svm_entry_test svm/svm_root_test; do
	check "$test passes" "/selftests/$test"
done
end
