// SPDX-License-Identifier: GPL-2.0-only
/*
 * The device node: version, sizes, KVM_CHECK_EXTENSION in itself and against
 * the VM's, the lists of MSRs and CPUID leaves with their refusals, commands of
 * another descriptor or none.
 */
#include <cpuid.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vm.h"

static void test_basics(void)
{
	CHECK_RET("KVM_GET_API_VERSION", 12, __dev_ioctl(KVM_GET_API_VERSION, NULL));
	CHECK_RET("KVM_GET_API_VERSION with an argument", -EINVAL,
		  __dev_ioctl(KVM_GET_API_VERSION, (void *)1));
	CHECK_RET("KVM_GET_VCPU_MMAP_SIZE with an argument", -EINVAL,
		  __dev_ioctl(KVM_GET_VCPU_MMAP_SIZE, (void *)1));
	CHECK_EQ("mmap size is whole pages", 0, dev_ioctl(KVM_GET_VCPU_MMAP_SIZE, NULL) % PAGE_SIZE);
	ASSERT_GE(dev_ioctl(KVM_GET_VCPU_MMAP_SIZE, NULL), sizeof(struct kvm_run));
	CHECK_RET("KVM_CREATE_VM of type 1", -EINVAL, __dev_ioctl(KVM_CREATE_VM, (void *)1));
	CHECK_RET("KVM_CREATE_VM of type 1 << 32", -EINVAL,
		  __dev_ioctl(KVM_CREATE_VM, (void *)(1UL << 32)));
	CHECK_EQ("mmap of the node fails", (u64)MAP_FAILED,
		 (u64)mmap(NULL, PAGE_SIZE, PROT_READ, MAP_SHARED, dev_fd(), 0));
}

static void test_wrong_fd(void)
{
	static const struct {
		const char *name;
		unsigned long nr;
	} rows[] = {
		{ "KVM_RUN", KVM_RUN },
		{ "KVM_GET_REGS", KVM_GET_REGS },
		{ "KVM_CREATE_VCPU", KVM_CREATE_VCPU },
		{ "KVM_SET_USER_MEMORY_REGION", KVM_SET_USER_MEMORY_REGION },
		{ "KVM_CREATE_IRQCHIP", KVM_CREATE_IRQCHIP },
		{ "KVM_GET_NR_MMU_PAGES", KVM_GET_NR_MMU_PAGES },
		{ "KVM_SET_TSC_KHZ", KVM_SET_TSC_KHZ },
		{ "KVM_GET_TSC_KHZ", KVM_GET_TSC_KHZ },
		{ "an unused KVM number", _IO(KVMIO, 0xff) },
		{ "KVM_GET_API_VERSION with a size", _IOR(KVMIO, 0, u64) },
		{ "another type", _IO('k', 0) },
		{ "TCGETS", 0x5401 },
		{ "all ones", 0xffffffff },
	};
	static u8 buffer[65536];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++)
		CHECK_RET(rows[i].name, -EINVAL, __dev_ioctl(rows[i].nr, buffer));
}

/* Whether the host's kernel uses XSAVE (CR4.OSXSAVE): without it guests have none either. */
static int host_has_xsave(void)
{
	u32 eax, ebx, ecx, edx;

	__cpuid(1, eax, ebx, ecx, edx);
	return !!(ecx & BIT(27));
}

/*
 * Capabilities of which user space relies on these values or at least their presence; among them those
 * without which QEMU, 7.2 or 10 and later, does not start.
 */
static void test_caps(void)
{
	const struct {
		const char *name;
		long cap;
		int at_least;
	} rows[] = {
		{ "IRQCHIP", KVM_CAP_IRQCHIP, 1 },
		{ "HLT", KVM_CAP_HLT, 1 },
		{ "USER_MEMORY", KVM_CAP_USER_MEMORY, 1 },
		{ "SET_TSS_ADDR", KVM_CAP_SET_TSS_ADDR, 1 },
		{ "EXT_CPUID", KVM_CAP_EXT_CPUID, 1 },
		{ "CLOCKSOURCE", KVM_CAP_CLOCKSOURCE, 1 },
		{ "NR_VCPUS", KVM_CAP_NR_VCPUS, 1 },
		{ "NR_MEMSLOTS", KVM_CAP_NR_MEMSLOTS, 32 },
		{ "NOP_IO_DELAY", KVM_CAP_NOP_IO_DELAY, 1 },
		{ "MP_STATE", KVM_CAP_MP_STATE, 1 },
		{ "MCE", KVM_CAP_MCE, 1 },
		{ "COALESCED_MMIO", KVM_CAP_COALESCED_MMIO, 1 },
		{ "SYNC_MMU", KVM_CAP_SYNC_MMU, 1 },
		{ "DESTROY_MEMORY_REGION_WORKS", KVM_CAP_DESTROY_MEMORY_REGION_WORKS, 1 },
		{ "USER_NMI", KVM_CAP_USER_NMI, 1 },
		{ "SET_GUEST_DEBUG", KVM_CAP_SET_GUEST_DEBUG, 1 },
		{ "REINJECT_CONTROL", KVM_CAP_REINJECT_CONTROL, 1 },
		{ "IRQ_ROUTING", KVM_CAP_IRQ_ROUTING, 24 },
		{ "JOIN_MEMORY_REGIONS_WORKS", KVM_CAP_JOIN_MEMORY_REGIONS_WORKS, 1 },
		{ "IRQFD", KVM_CAP_IRQFD, 1 },
		{ "PIT2", KVM_CAP_PIT2, 1 },
		{ "SET_BOOT_CPU_ID", KVM_CAP_SET_BOOT_CPU_ID, 1 },
		{ "PIT_STATE2", KVM_CAP_PIT_STATE2, 1 },
		{ "IOEVENTFD", KVM_CAP_IOEVENTFD, 1 },
		{ "SET_IDENTITY_MAP_ADDR", KVM_CAP_SET_IDENTITY_MAP_ADDR, 1 },
		{ "ADJUST_CLOCK", KVM_CAP_ADJUST_CLOCK, 1 },
		{ "INTERNAL_ERROR_DATA", KVM_CAP_INTERNAL_ERROR_DATA, 1 },
		{ "VCPU_EVENTS", KVM_CAP_VCPU_EVENTS, 1 },
		{ "DEBUGREGS", KVM_CAP_DEBUGREGS, 1 },
		{ "X86_ROBUST_SINGLESTEP", KVM_CAP_X86_ROBUST_SINGLESTEP, 1 },
		{ "ENABLE_CAP", KVM_CAP_ENABLE_CAP, 1 },
		{ "XSAVE", KVM_CAP_XSAVE, 1 },
		{ "XCRS", KVM_CAP_XCRS, host_has_xsave() },
		{ "MAX_VCPUS", KVM_CAP_MAX_VCPUS, 16 },
		{ "GET_TSC_KHZ", KVM_CAP_GET_TSC_KHZ, 1 },
		{ "TSC_DEADLINE_TIMER", KVM_CAP_TSC_DEADLINE_TIMER, 1 },
		{ "KVMCLOCK_CTRL", KVM_CAP_KVMCLOCK_CTRL, 1 },
		{ "SIGNAL_MSI", KVM_CAP_SIGNAL_MSI, 1 },
		{ "READONLY_MEM", KVM_CAP_READONLY_MEM, 1 },
		{ "IRQFD_RESAMPLE", KVM_CAP_IRQFD_RESAMPLE, 1 },
		{ "ENABLE_CAP_VM", KVM_CAP_ENABLE_CAP_VM, 1 },
		{ "CHECK_EXTENSION_VM", KVM_CAP_CHECK_EXTENSION_VM, 1 },
		{ "SPLIT_IRQCHIP", KVM_CAP_SPLIT_IRQCHIP, 1 },
		{ "IOEVENTFD_ANY_LENGTH", KVM_CAP_IOEVENTFD_ANY_LENGTH, 1 },
		{ "MAX_VCPU_ID", KVM_CAP_MAX_VCPU_ID, 16 },
		{ "IMMEDIATE_EXIT", KVM_CAP_IMMEDIATE_EXIT, 1 },
		{ "GET_MSR_FEATURES", KVM_CAP_GET_MSR_FEATURES, 1 },
		{ "COALESCED_PIO", KVM_CAP_COALESCED_PIO, 1 },
		{ "MANUAL_DIRTY_LOG_PROTECT2", KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2, 1 },
		{ "BINARY_STATS_FD", KVM_CAP_BINARY_STATS_FD, 1 },
	};
	struct vm *vm = vm_create(VM_BARE);
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		int sys = has_cap(rows[i].cap);

		CHECK_EQ(rows[i].name, 1, sys >= rows[i].at_least);
		CHECK_RET("the VM says the same", sys,
			  __vm_ioctl(vm, KVM_CHECK_EXTENSION, (void *)rows[i].cap));
	}
	CHECK_RET("capability 0x7fffffff", 0, has_cap(0x7fffffff));
	CHECK_RET("capability -1", 0, has_cap(-1));
	ASSERT_LE(has_cap(KVM_CAP_NR_VCPUS), has_cap(KVM_CAP_MAX_VCPUS));
	ASSERT_LE(has_cap(KVM_CAP_MAX_VCPUS), has_cap(KVM_CAP_MAX_VCPU_ID));
}

static void check_list(const char *name, unsigned long nr, u32 *indices, u32 max)
{
	struct {
		struct kvm_msr_list head;
		u32 indices[512];
	} l = { .head.nmsrs = 0 };
	u32 n, i, j;

	test_note("%s", name);
	CHECK_RET("no room", -E2BIG, __dev_ioctl(nr, &l));
	n = l.head.nmsrs;
	ASSERT(n <= max, "%u MSRs", n);
	l.head.nmsrs = n - 1;
	CHECK_RET("one too few", -E2BIG, __dev_ioctl(nr, &l));
	CHECK_EQ("the count is told", n, l.head.nmsrs);
	CHECK_RET("exactly enough", 0, __dev_ioctl(nr, &l));
	l.head.nmsrs = 512;
	CHECK_RET("more than enough", 0, __dev_ioctl(nr, &l));
	CHECK_EQ("the count is told", n, l.head.nmsrs);
	for (i = 0; i < n; i++) {
		indices[i] = l.indices[i];
		for (j = 0; j < i; j++)
			ASSERT_NE(indices[i], indices[j]);
	}
	indices[n] = 0;
}

static void test_msr_lists(void)
{
	static const u32 must[] = { 0x174, 0x175, 0x176, 0x277, 0xc0000081, 0xc0000082,
				    0xc0000083, 0xc0000084, 0xc0000102, 0x10, 0x4b564d00, 0x4b564d01,
				    0x3b, 0x6e0 };
	u32 list[513] = { 0 }, i, j;

	check_list("KVM_GET_MSR_FEATURE_INDEX_LIST", KVM_GET_MSR_FEATURE_INDEX_LIST, list, 512);
	check_list("KVM_GET_MSR_INDEX_LIST", KVM_GET_MSR_INDEX_LIST, list, 512);
	for (i = 0; i < ARRAY_SIZE(must); i++) {
		for (j = 0; list[j] && list[j] != must[i]; j++)
			;
		CHECK_EQ("MSR in the list", must[i], list[j]);
	}
}

static void test_cpuid(void)
{
	struct kvm_cpuid2 *c = supported_cpuid();
	u32 n = c->nent;

	ASSERT(cpuid_row(c, 0, 0) && cpuid_row(c, 1, 0) && cpuid_row(c, 0x80000001, 0),
	       "a basic leaf is missing");
	CHECK_EQ("hypervisor leaf: KVMK", 0x4b4d564b, cpuid_row(c, 0x40000000, 0)->ebx);
	c->nent = n - 1;
	CHECK_RET("one too few", -E2BIG, __dev_ioctl(KVM_GET_SUPPORTED_CPUID, c));
	c->nent = 0;
	CHECK_RET("no room", -E2BIG, __dev_ioctl(KVM_GET_SUPPORTED_CPUID, c));
	c->nent = n;
	CHECK_RET("exactly enough", 0, __dev_ioctl(KVM_GET_SUPPORTED_CPUID, c));
	CHECK_EQ("count", n, c->nent);
	c->nent = 0;
	CHECK_RET("emulated, no room", -E2BIG, __dev_ioctl(KVM_GET_EMULATED_CPUID, c));
	c->nent = CPUID_MAX;
	CHECK_RET("emulated", 0, __dev_ioctl(KVM_GET_EMULATED_CPUID, c));
}

static const struct test_case cases[] = {
	{ "basics", test_basics },
	{ "wrong_fd", test_wrong_fd },
	{ "capabilities", test_caps },
	{ "msr_lists", test_msr_lists },
	{ "cpuid", test_cpuid },
};

TEST_MAIN(cases)
