# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=dash disable=SC1091
# run: --kernel 6.1 --test-build --params force_bugs=div0,srso_reduce,tlb_mmatch,snp_host --cpus 2 --about 20
# run: --host bochs --test-build --params force_bugs=flush_l1d --about 20
# long: --host bochs --test-build --params force_bugs=flush_l1d --append l1tf=full --about 20
# run: --host bochs --params nx_huge_pages=force --append mitigations=off --about 20
# long: --host bochs --params nx_huge_pages=off --about 20
# needs: selftests/core/cpuid_test selftests/chardev/stats_test selftests/ept/memory_test selftests/vmx/vmx_nx_huge_test selftests/vmx/vmx_l1d_flush_test
#
# Faults of CPUs. On Bochs the kernel finds L1TF and iTLB multihit by itself; what an emulated CPU lacks, a module made with
# KEEL_DEBUG=1 takes it to have, and counts what it does about it.

. /lab/tap.sh

vulnerable=/sys/devices/system/cpu/vulnerabilities
param() { cat "/sys/module/keel/parameters/$1"; }
count() { param bugs_done | sed -n "s/^$1 //p"; }
passes() { "/selftests/$1" >/tmp/out 2>&1 || [ $? = 4 ] || { cat /tmp/out; return 1; }; sed -n '/wanted/p' /tmp/out; }

svm() {
	begin 10
	check "one line says what there is, and what is done" sh -c "dmesg | grep 'keel: CPU faults that concern guests:.* tlb_mmatch.* div0'"
	check "nothing is written without a VM" [ "$(count reduced) $(count unreduced) $(count dc_cfg)" = "0 0 0" ]
	check "a VM runs" passes core/cpuid_test
	cpus=$(grep -c ^processor /proc/cpuinfo)
	check "speculation was reduced on all $cpus CPUs" [ $(($(count reduced) % cpus)) = 0 -a "$(count reduced)" -ge "$cpus" ]
	check "and is no longer" [ "$(count unreduced)" = "$(count reduced)" ]
	check "DC_CFG was set on all CPUs" [ "$(count dc_cfg)" -ge "$cpus" ]
	before=$(count divided)
	check "a guest that exits 51 times" passes chardev/stats_test
	check "a division before each of its entries" [ $(($(count divided) - before)) -ge 51 ]
	check "pages for VMRUN lie right" [ "$(count pages_at_2m)" = 0 -a "$(count pages)" -gt $((2 * cpus)) ]
	check "other VMs run" passes ept/memory_test
	end
}

vmx() {
	begin 8
	told=$(cat $vulnerable/l1tf)
	echo "# $told"
	case $(param nx_huge_pages),$(cat /proc/cmdline) in
	*mitigations=off* | off,*) wanted='VMX: vulnerable' ;;
	*l1tf=full*) wanted='VMX: cache flushes' ;;
	*) wanted='VMX: conditional cache flushes' ;;
	esac
	check "the kernel's file of L1TF: $wanted" expr "$told" : "Mitigation: PTE Inversion; $wanted"
	check "one line says what there is, and what is done" sh -c "dmesg | grep 'keel: CPU faults that concern guests:.* l1tf .*itlb_multihit'"
	check "code and huge pages" passes vmx/vmx_nx_huge_test
	check "flushes" passes vmx/vmx_l1d_flush_test
	check "memory" passes ept/memory_test
	check "Keel goes" modprobe -r keel
	check "the file says nothing of VMs" [ "$(cat $vulnerable/l1tf)" = "Mitigation: PTE Inversion" ]
	check "nx_huge_pages=on is refused" not modprobe keel nx_huge_pages=on
	end
}

if grep -q GenuineIntel /proc/cpuinfo; then vmx; else svm; fi
