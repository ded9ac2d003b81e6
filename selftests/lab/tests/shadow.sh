# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash disable=SC1091
# run: --kernel 6.1 --module keel --params paging=shadow --about 15
# run: --host bochs --module keel --params paging=shadow --about 30
# needs: selftests/core/iret_fault_test selftests/core/modes_test selftests/core/real_event_test selftests/core/task_fault_test selftests/ept/around_test selftests/ept/flush_forms_test selftests/ept/pdpte_test selftests/ept/table_store_test selftests/svm/svm_entry_test selftests/svm/svm_root_test selftests/vmx/vmx_entry_test
#
# paging=shadow where the CPU has nested paging: the module says so, and says what this CPU's shadow paging is worth. VMX has no real mode then.

. /lab/tap.sh

says() { dmesg | grep -q "keel: $1"; }

vendor=vmx
set -- core/iret_fault_test core/modes_test core/real_event_test core/task_fault_test ept/flush_forms_test ept/pdpte_test ept/table_store_test vmx/vmx_entry_test
if grep -qw svm /proc/cpuinfo; then
	vendor=svm
	set -- core/iret_fault_test ept/around_test ept/flush_forms_test ept/pdpte_test ept/table_store_test svm/svm_entry_test svm/svm_root_test
fi

begin $(($# + 2))
check "guests are on shadow tables" says "ready on $vendor with shadow paging"
if [ "$vendor" = svm ]; then
	check "that this CPU is no place for it is told" says "this CPU is QEMU's TCG, where a guest can escape shadow paging"
else
	check "nothing is told of a CPU that is one" not says "this CPU is QEMU's TCG"
fi
for test; do
	check "$test passes" "/selftests/$test"
done
end
