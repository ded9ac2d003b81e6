// SPDX-License-Identifier: GPL-2.0-only
/*
 * No ioctl reads or writes beyond what user space has: each one's argument is
 * cut off at every byte, put at addresses that are no user memory, and, where
 * the kernel writes it, into read-only memory. All of these are EFAULT.
 */
#include <linux/ioctl.h>
#include <stdlib.h>

#include <uapi/linux/keel.h>

#include "guest.h"
#include "refuse.h"

#define IN	1
#define OUT	2

struct row {
	const char *name;
	unsigned long nr;
	size_t size;
	int dir;
	const void *arg;	/* NULL: zeros */
};

#define ROW(nr, type, dir) { #nr, nr, sizeof(type), dir, NULL }
#define ROW_ARG(nr, var, dir) { #nr, nr, sizeof(var), dir, &(var) }

static void sweep(int fd, const struct row *rows, size_t n)
{
	static const u8 zeros[8192];
	size_t i;

	for (i = 0; i < n; i++) {
		const void *arg = rows[i].arg ? rows[i].arg : zeros;

		ASSERT_LE(rows[i].size, sizeof(zeros));
		check_efault(rows[i].name, fd, rows[i].nr, arg, rows[i].size);
		if (rows[i].dir & OUT)
			check_read_only(rows[i].name, fd, rows[i].nr, arg, rows[i].size);
	}
}

static struct {
	struct kvm_cpuid2 head;
	struct kvm_cpuid_entry2 entries[64];
} cpuid_arg = { .head.nent = 64 };

static struct {
	struct kvm_msrs head;
	struct kvm_msr_entry entry;
} msr_arg = { .head.nmsrs = 1, .entry.index = 0x10 }, feature_arg = { .head.nmsrs = 1 };

static struct {
	struct kvm_msr_list head;
	u32 indices[256];
} msr_list = { .head.nmsrs = 256 };

/* The lists are shorter than the room: only what is really written can be cut off. */
static size_t list_size(unsigned long nr)
{
	dev_ioctl(nr, &msr_list);
	return sizeof(msr_list.head) + msr_list.head.nmsrs * sizeof(u32);
}

static size_t cpuid_size(unsigned long nr)
{
	cpuid_arg.head.nent = 64;
	dev_ioctl(nr, &cpuid_arg);
	return sizeof(cpuid_arg.head) + cpuid_arg.head.nent * sizeof(cpuid_arg.entries[0]);
}

static void test_device(void)
{
	struct row rows[] = {
		{ "KVM_GET_MSR_INDEX_LIST", KVM_GET_MSR_INDEX_LIST,
		  list_size(KVM_GET_MSR_INDEX_LIST), OUT, &msr_list },
		{ "KVM_GET_SUPPORTED_CPUID", KVM_GET_SUPPORTED_CPUID,
		  cpuid_size(KVM_GET_SUPPORTED_CPUID), OUT, &cpuid_arg },
	};

	sweep(dev_fd(), rows, ARRAY_SIZE(rows));
}

static void test_device_rest(void)
{
	struct row rows[] = {
		{ "KVM_GET_MSR_FEATURE_INDEX_LIST", KVM_GET_MSR_FEATURE_INDEX_LIST,
		  list_size(KVM_GET_MSR_FEATURE_INDEX_LIST), OUT, &msr_list },
		{ "KVM_GET_EMULATED_CPUID", KVM_GET_EMULATED_CPUID, sizeof(struct kvm_cpuid2), IN },
		ROW_ARG(KVM_GET_MSRS, feature_arg, OUT),
		ROW(KVM_X86_GET_MCE_CAP_SUPPORTED, u64, OUT),
	};

	REQUIRE(msr_list.head.nmsrs, "no feature MSRs");
	feature_arg.entry.index = msr_list.indices[0];
	sweep(dev_fd(), rows, ARRAY_SIZE(rows));
}

static struct {
	struct kvm_irq_routing head;
	struct kvm_irq_routing_entry entries[2];
} routing_arg = { .head.nr = 2 };

static void test_vm(void)
{
	static const struct row rows[] = {
		ROW(KVM_SET_USER_MEMORY_REGION, struct kvm_userspace_memory_region, IN),
		ROW(KVM_GET_DIRTY_LOG, struct kvm_dirty_log, IN),
		ROW(KVM_CLEAR_DIRTY_LOG, struct kvm_clear_dirty_log, IN),
		ROW(KVM_IRQ_LINE, struct kvm_irq_level, IN),
		ROW(KVM_IRQ_LINE_STATUS, struct kvm_irq_level, IN),
		ROW(KVM_GET_IRQCHIP, struct kvm_irqchip, OUT),
		ROW(KVM_SET_IRQCHIP, struct kvm_irqchip, IN),
		ROW(KVM_GET_PIT2, struct kvm_pit_state2, OUT),
		ROW(KVM_SET_PIT2, struct kvm_pit_state2, IN),
		ROW(KVM_GET_PIT, struct kvm_pit_state, OUT),
		ROW(KVM_SET_PIT, struct kvm_pit_state, IN),
		ROW(KVM_REINJECT_CONTROL, struct kvm_reinject_control, IN),
		ROW_ARG(KVM_SET_GSI_ROUTING, routing_arg, IN),
		ROW(KVM_IRQFD, struct kvm_irqfd, IN),
		ROW(KVM_IOEVENTFD, struct kvm_ioeventfd, IN),
		ROW(KVM_SIGNAL_MSI, struct kvm_msi, IN),
		ROW(KVM_REGISTER_COALESCED_MMIO, struct kvm_coalesced_mmio_zone, IN),
		ROW(KVM_UNREGISTER_COALESCED_MMIO, struct kvm_coalesced_mmio_zone, IN),
		ROW(KVM_GET_CLOCK, struct kvm_clock_data, OUT),
		ROW(KVM_SET_CLOCK, struct kvm_clock_data, IN),
		ROW(KVM_ENABLE_CAP, struct kvm_enable_cap, IN),
		ROW(KVM_CREATE_DEVICE, struct kvm_create_device, IN),
		ROW(KVM_X86_SET_MSR_FILTER, struct kvm_msr_filter, IN),
	};
	static const struct row early[] = {
		ROW(KVM_SET_IDENTITY_MAP_ADDR, u64, IN),
		ROW(KVM_CREATE_PIT2, struct kvm_pit_config, IN),
	};
	struct vm *vm = vm_create(VM_GUEST | VM_PIT);
	struct vm *fresh = vm_create(VM_IRQCHIP);
	struct keel_reset_vm back = { 0 };
	struct keel_fork_vm how = { 0 };

	sweep(vm->fd, rows, ARRAY_SIZE(rows));
	if (has_cap(KEEL_CAP_FORK_VM) > 0)
		check_efault("KEEL_FORK_VM", vm->fd, KEEL_FORK_VM, &how, sizeof(how));
	if (has_cap(KEEL_CAP_RESET_VM) > 0) {
		check_efault("KEEL_MARK_VM", vm->fd, KEEL_MARK_VM, &back, sizeof(back));
		check_efault("KEEL_RESET_VM", vm->fd, KEEL_RESET_VM, &back, sizeof(back));
	}
	sweep(fresh->fd, early, ARRAY_SIZE(early));
}

static struct {
	struct kvm_cpuid head;
	struct kvm_cpuid_entry entry[2];
} old_cpuid = { .head.nent = 2 };

static void guest_nothing(void)
{
}

static void test_vcpu(void)
{
	static const struct row rows[] = {
		ROW(KVM_GET_REGS, struct kvm_regs, OUT),
		ROW(KVM_SET_REGS, struct kvm_regs, IN),
		ROW(KVM_GET_SREGS, struct kvm_sregs, OUT),
		ROW(KVM_SET_SREGS, struct kvm_sregs, IN),
		ROW(KVM_GET_SREGS2, struct kvm_sregs2, OUT),
		ROW(KVM_SET_SREGS2, struct kvm_sregs2, IN),
		ROW(KVM_GET_FPU, struct kvm_fpu, OUT),
		ROW(KVM_SET_FPU, struct kvm_fpu, IN),
		ROW(KVM_GET_XSAVE, struct kvm_xsave, OUT),
		ROW(KVM_SET_XSAVE, struct kvm_xsave, IN),
		ROW(KVM_GET_XCRS, struct kvm_xcrs, OUT),
		ROW(KVM_SET_XCRS, struct kvm_xcrs, IN),
		ROW(KVM_GET_DEBUGREGS, struct kvm_debugregs, OUT),
		ROW(KVM_SET_DEBUGREGS, struct kvm_debugregs, IN),
		ROW(KVM_GET_VCPU_EVENTS, struct kvm_vcpu_events, OUT),
		ROW(KVM_SET_VCPU_EVENTS, struct kvm_vcpu_events, IN),
		ROW(KVM_GET_MP_STATE, struct kvm_mp_state, OUT),
		ROW(KVM_SET_MP_STATE, struct kvm_mp_state, IN),
		ROW(KVM_GET_LAPIC, struct kvm_lapic_state, OUT),
		ROW(KVM_SET_LAPIC, struct kvm_lapic_state, IN),
		ROW_ARG(KVM_GET_MSRS, msr_arg, OUT),
		ROW_ARG(KVM_SET_MSRS, msr_arg, IN),
		ROW(KVM_INTERRUPT, struct kvm_interrupt, IN),
		ROW(KVM_SET_GUEST_DEBUG, struct kvm_guest_debug, IN),
		ROW(KVM_TRANSLATE, struct kvm_translation, IN),
		ROW(KVM_SET_VAPIC_ADDR, struct kvm_vapic_addr, IN),
		ROW(KVM_TPR_ACCESS_REPORTING, struct kvm_tpr_access_ctl, IN),
		ROW(KVM_ENABLE_CAP, struct kvm_enable_cap, IN),
		ROW(KVM_X86_SETUP_MCE, u64, IN),
		ROW(KVM_X86_SET_MCE, struct kvm_x86_mce, IN),
		ROW(KVM_HAS_DEVICE_ATTR, struct kvm_device_attr, IN),
		ROW(KVM_SET_DEVICE_ATTR, struct kvm_device_attr, IN),
		ROW(KVM_GET_DEVICE_ATTR, struct kvm_device_attr, IN),
	};
	struct vm *vm = vm_create(VM_GUEST | VM_IRQCHIP);
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, guest_nothing);
	struct kvm_cpuid2 *c = supported_cpuid();
	size_t size = sizeof(*c) + c->nent * sizeof(c->entries[0]);

	sweep(vcpu->fd, rows, ARRAY_SIZE(rows));
	check_efault("KVM_SET_CPUID2", vcpu->fd, KVM_SET_CPUID2, c, size);
	check_efault("KVM_SET_CPUID", vcpu->fd, KVM_SET_CPUID, &old_cpuid, sizeof(old_cpuid));
	if (has_cap(KVM_CAP_XSAVE2) > 0)
		check_efault("KVM_GET_XSAVE2", vcpu->fd, KVM_GET_XSAVE2, calloc(1, 65536), has_cap(KVM_CAP_XSAVE2));
	check_efault("KVM_GET_CPUID2", vcpu->fd, KVM_GET_CPUID2, c, size);
	vcpu_run_done(vcpu);
}

/* Pointers inside arguments. */
static void test_inner(void)
{
	struct vm *vm = vm_create(VM_GUEST);
	u8 *mem = host_pages(64 * PAGE_SIZE);
	struct kvm_dirty_log log = { .slot = 1, .dirty_bitmap = (void *)8 };
	struct kvm_clear_dirty_log clear = { .slot = 1, .num_pages = 64, .dirty_bitmap = (void *)8 };
	struct kvm_msr_filter filter = {
		.ranges[0] = { .flags = KVM_MSR_FILTER_READ, .nmsrs = 64, .base = 0x200,
			       .bitmap = (void *)8 },
	};

	vm_set_slot(vm, 1, KVM_MEM_LOG_DIRTY_PAGES, 0x40000000, 64 * PAGE_SIZE, mem);
	CHECK_RET("GET_DIRTY_LOG bitmap", -EFAULT, __vm_ioctl(vm, KVM_GET_DIRTY_LOG, &log));
	vm_enable_cap(vm, KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2, 1);
	CHECK_RET("CLEAR_DIRTY_LOG bitmap", -EFAULT, __vm_ioctl(vm, KVM_CLEAR_DIRTY_LOG, &clear));
	CHECK_RET("MSR filter bitmap", -EFAULT, __vm_ioctl(vm, KVM_X86_SET_MSR_FILTER, &filter));
}

static const struct test_case cases[] = {
	{ "device", test_device },
	{ "device_rest", test_device_rest },
	{ "vm", test_vm },
	{ "vcpu", test_vcpu },
	{ "inner_pointers", test_inner },
};

TEST_MAIN(cases)
