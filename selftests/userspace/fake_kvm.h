/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A kernel that keeps what it is given: ioctl() of two VMs with two vCPUs each, of which the registers are remembered.
 */
#ifndef SELFTESTS_FAKE_KVM_H
#define SELFTESTS_FAKE_KVM_H

#include <stdarg.h>
#include <sys/ioctl.h>

#include "test.h"
#include "userspace/state_chips.h"
#include "userspace/state_vcpu.h"
#include "userspace/vm.h"

#define NODE		100
#define VM		101	/* and the next */
#define VCPU		200	/* and the next three; those of the second VM are the last two */
#define VCPUS		4
#define CALLS_MAX	512

static struct kernel_vcpu {
	struct state_vcpu state;
	u64 tsc_reads;
} kernel[VCPUS];

static struct state_chips all_chips[2];
#define MSR_FEATURE_CONTROL	0x3a

static unsigned long calls[CALLS_MAX];
static unsigned int call_count;
static unsigned int sregs_too_early;	/* writes of those of a guest that may be a hypervisor still */
static unsigned int cr0_changes;	/* writes of special registers that made it another */
static unsigned long refused;		/* a request that fails */
static u32 refused_msr;
static bool is_logging;			/* the first VM's slots have a log of writes */
static void (*give_log)(struct kvm_dirty_log *log);	/* what is in it; NULL: nobody asks */
static int tsc_khz = 2000000;
static int xsave_bytes = 8192;

static int has_xcrs = 1;

int vm_has(const struct vm *vm, unsigned int cap)
{
	return cap == KVM_CAP_XCRS ? has_xcrs : cap == KVM_CAP_XSAVE2 ? xsave_bytes : 0;
}

static struct state_msr *find_msr(struct state_vcpu *state, u32 index)
{
	for (u32 i = 0; i < state->msr_count; i++)
		if (state->msrs[i].index == index)
			return &state->msrs[i];
	return NULL;
}

static int fail(int error)
{
	errno = error;
	return -1;
}

static int msrs(struct kernel_vcpu *vcpu, unsigned long request, struct kvm_msrs *list)
{
	struct state_msr *msr = find_msr(&vcpu->state, list->entries[0].index);

	ASSERT_EQ(list->nmsrs, 1);
	if (!msr || (request == KVM_SET_MSRS && msr->index == refused_msr))
		return 0;
	if (request == KVM_SET_MSRS)
		msr->value = list->entries[0].data;
	list->entries[0].data = msr->value;
	return 1;
}

static int cpuid(struct kernel_vcpu *vcpu, unsigned long request, struct kvm_cpuid2 *table)
{
	if (request == KVM_SET_CPUID2)
		vcpu->state.cpuid_count = table->nent;
	else if (table->nent < vcpu->state.cpuid_count)
		return fail(E2BIG);
	table->nent = vcpu->state.cpuid_count;
	if (request == KVM_SET_CPUID2)
		memcpy(vcpu->state.cpuid, table->entries, table->nent * sizeof(table->entries[0]));
	else
		memcpy(table->entries, vcpu->state.cpuid, table->nent * sizeof(table->entries[0]));
	return 0;
}

static int attribute(struct kernel_vcpu *vcpu, unsigned long request, const struct kvm_device_attr *attr)
{
	u64 *value = (u64 *)(uintptr_t)attr->addr;

	if (!vcpu->state.has_tsc_offset || attr->group != KVM_VCPU_TSC_CTRL || attr->attr != KVM_VCPU_TSC_OFFSET)
		return fail(ENXIO);
	if (request == KVM_SET_DEVICE_ATTR)
		vcpu->state.tsc_offset = *value;
	*value = vcpu->state.tsc_offset;
	return 0;
}

static int copy(bool is_set, void *mine, void *theirs, size_t size)
{
	memcpy(is_set ? mine : theirs, is_set ? theirs : mine, size);
	return 0;
}

static int vcpu_ioctl(struct kernel_vcpu *vcpu, unsigned long request, void *argument)
{
	struct state_vcpu *state = &vcpu->state;

	if (request == KVM_SET_SREGS2) {
		const struct state_msr *msr = find_msr(state, MSR_FEATURE_CONTROL);

		cr0_changes += ((struct kvm_sregs2 *)argument)->cr0 != state->sregs.cr0;
		sregs_too_early += msr && msr->value;
	}
	switch (request) {
#define PAIR(name, member) \
	case KVM_GET_##name: \
	case KVM_SET_##name: \
		return copy(request == KVM_SET_##name, &state->member, argument, sizeof(state->member))
	PAIR(SREGS2, sregs);
	PAIR(REGS, regs);
	PAIR(XCRS, xcrs);
	PAIR(DEBUGREGS, debugregs);
	PAIR(LAPIC, lapic);
	PAIR(VCPU_EVENTS, events);
	PAIR(MP_STATE, mp_state);
	case KVM_GET_XSAVE2:
	case KVM_SET_XSAVE:
		return copy(request == KVM_SET_XSAVE, state->xsave, argument, state->xsave_size);
	case KVM_GET_MSRS:
	case KVM_SET_MSRS:
		return msrs(vcpu, request, argument);
	case KVM_GET_CPUID2:
	case KVM_SET_CPUID2:
		return cpuid(vcpu, request, argument);
	case KVM_GET_DEVICE_ATTR:
	case KVM_SET_DEVICE_ATTR:
		return attribute(vcpu, request, argument);
	case KVM_GET_TSC_KHZ:
		return tsc_khz;
	case KVM_SET_TSC_KHZ:
		return fail(ENOTTY);
	default:
		FAIL("an unknown request %#lx of a vCPU", request);
	}
}

static int vm_ioctl(struct state_chips *chips, unsigned long request, void *argument)
{
	struct kvm_irqchip *chip = argument;

	switch (request) {
	case KVM_GET_IRQCHIP:
	case KVM_SET_IRQCHIP:
		if (chip->chip_id == KVM_IRQCHIP_IOAPIC)
			return copy(request == KVM_SET_IRQCHIP, &chips->ioapic, &chip->chip, sizeof(chips->ioapic));
		return copy(request == KVM_SET_IRQCHIP, &chips->pics[chip->chip_id], &chip->chip, sizeof(chips->pics[0]));
	case KVM_GET_PIT2:
	case KVM_SET_PIT2:
		return copy(request == KVM_SET_PIT2, &chips->pit, argument, sizeof(chips->pit));
	case KVM_GET_CLOCK:
	case KVM_SET_CLOCK:
		return copy(request == KVM_SET_CLOCK, &chips->clock, argument, sizeof(chips->clock));
	case KVM_SET_USER_MEMORY_REGION:
		is_logging = ((struct kvm_userspace_memory_region *)argument)->flags & KVM_MEM_LOG_DIRTY_PAGES;
		return 0;
	case KVM_GET_DIRTY_LOG:
		ASSERT(is_logging && give_log, "a log that is not there");
		give_log(argument);
		return 0;
	default:
		FAIL("an unknown request %#lx of the VM", request);
	}
}

int ioctl(int fd, unsigned long request, ...)
{
	struct kvm_msr_list *list;
	va_list args;

	va_start(args, request);
	void *argument = va_arg(args, void *);

	va_end(args);
	if (call_count < CALLS_MAX)
		calls[call_count++] = request;
	if (request == refused)
		return fail(EPERM);
	if (fd == VM || fd == VM + 1)
		return vm_ioctl(&all_chips[fd - VM], request, argument);
	if (fd >= VCPU && fd < VCPU + VCPUS)
		return vcpu_ioctl(&kernel[fd - VCPU], request, argument);
	if (fd == NODE && request == KVM_GET_SUPPORTED_CPUID)
		return cpuid(&kernel[0], KVM_GET_CPUID2, argument);
	if (fd == NODE && request == KVM_GET_MSRS)
		return 0;		/* none that describe features */
	ASSERT(fd == NODE && request == KVM_GET_MSR_INDEX_LIST, "request %#lx of file %d", request, fd);
	list = argument;
	ASSERT_GE(list->nmsrs, kernel[0].state.msr_count);
	list->nmsrs = 0;
	for (u32 i = 0; i < kernel[0].state.msr_count; i++)
		list->indices[list->nmsrs++] = kernel[0].state.msrs[i].index;
	list->indices[list->nmsrs++] = 0xdead;		/* one that cannot be read */
	return 0;
}

static const u32 msr_indices[] = { 0x6e0, 0xc0000081, 0x10, 0x277, 0x4b564d01 };

/* What is to be saved: random, where it can be. */
static void fill_vcpu(struct state_vcpu *state, unsigned int index, u64 *random)
{
	u8 *members[] = { (u8 *)&state->sregs, (u8 *)&state->regs, (u8 *)&state->debugregs, (u8 *)&state->lapic,
			  (u8 *)&state->events, state->xsave, (u8 *)state->cpuid };
	size_t sizes[] = { sizeof(state->sregs), sizeof(state->regs), sizeof(state->debugregs), sizeof(state->lapic),
			   sizeof(state->events), 8192, 40 * sizeof(state->cpuid[0]) };

	for (size_t m = 0; m < ARRAY_SIZE(members); m++)
		for (size_t i = 0; i < sizes[m]; i++)
			members[m][i] = (u8)xorshift(random);
	state->sregs.efer = 0xd01;
	state->sregs.cr4 = 0x20;
	state->xsave_size = 8192;
	state->cpuid_count = 40;
	state->xcrs = (struct kvm_xcrs){ .nr_xcrs = 1, .xcrs = { { .value = 7 } } };
	state->mp_state = index ? KVM_MP_STATE_HALTED : KVM_MP_STATE_RUNNABLE;
	state->has_tsc_offset = true;
	state->tsc_offset = 1000000 + 17 * index;
	for (size_t i = 0; i < ARRAY_SIZE(msr_indices); i++)
		state->msrs[state->msr_count++] = (struct state_msr){ msr_indices[i], xorshift(random) };
}

/* As new: the same MSRs, all zeros, TSCs as far apart as writing them takes. */
static void empty_vcpu(struct state_vcpu *state, unsigned int index)
{
	memset(state, 0, sizeof(*state));
	state->xsave_size = 8192;
	state->has_tsc_offset = true;
	state->tsc_offset = 5000 + 900 * index;
	for (size_t i = 0; i < ARRAY_SIZE(msr_indices); i++)
		state->msrs[state->msr_count++] = (struct state_msr){ msr_indices[i], 0 };
}

static void set_up_kernel(void)
{
	u64 random = 6;

	memset(kernel, 0, sizeof(kernel));
	for (unsigned int v = 0; v < 2; v++)
		fill_vcpu(&kernel[v].state, v, &random);
	memset(all_chips, 0x77, sizeof(all_chips));
	call_count = 0;
	refused = 0;
	refused_msr = 0;
}

#endif
