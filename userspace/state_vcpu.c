// SPDX-License-Identifier: GPL-2.0-only
/*
 * A vCPU out of the kernel and into it again. Documentation/stream.rst says why
 * in this order: reading begins with what can still change the registers, and
 * nothing is written before what it depends on.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "state_fields.h"
#include "state_vcpu.h"
#include "vcpu.h"
#include "vm.h"

#define MSR_TSC			0x10
#define MSR_FEATURE_CONTROL	0x3a
#define MSR_TSC_DEADLINE	0x6e0
#define CR0_NW			(1ULL << 29)
#define CR0_CD			(1ULL << 30)
#define EFER_SVME		(1ULL << 12)
#define CR4_VMXE		(1ULL << 13)

/* Room for @n MSRs behind the head. */
static struct kvm_msrs *new_msrs(uint32_t n)
{
	struct kvm_msrs *msrs = calloc(1, sizeof(*msrs) + n * sizeof(msrs->entries[0]));

	if (msrs)
		msrs->nmsrs = n;
	return msrs;
}

static bool ask(const struct vcpu *vcpu, unsigned long request, void *argument, const char *name,
		struct state_error *error)
{
	if (ioctl(vcpu->fd, request, argument) >= 0)
		return true;
	return state_refuse(error, "vCPU %u: %s: %s", vcpu->index, name, strerror(errno));
}

#define ASK(vcpu, request, argument, error)	ask(vcpu, request, argument, #request, error)

/* ---- taking ---- */

static bool take_cpuid(const struct vcpu *vcpu, struct state_vcpu *state, struct state_error *error)
{
	struct kvm_cpuid2 *table = calloc(1, sizeof(*table) + sizeof(state->cpuid));

	if (!table)
		return state_refuse(error, "out of memory");
	table->nent = STATE_CPUID_MAX;

	bool is_taken = ASK(vcpu, KVM_GET_CPUID2, table, error);

	if (is_taken) {
		state->cpuid_count = table->nent < STATE_CPUID_MAX ? table->nent : STATE_CPUID_MAX;
		memcpy(state->cpuid, table->entries, state->cpuid_count * sizeof(table->entries[0]));
	}
	free(table);
	return is_taken;
}

/* Those that cannot be read one by one are of no use to anybody. */
static void take_msr(const struct vcpu *vcpu, struct state_vcpu *state, struct kvm_msrs *one, uint32_t index)
{
	one->entries[0] = (struct kvm_msr_entry){ .index = index };
	if (state->msr_count < STATE_MSRS_MAX && ioctl(vcpu->fd, KVM_GET_MSRS, one) == 1)
		state->msrs[state->msr_count++] = (struct state_msr){ index, one->entries[0].data };
}

static bool take_msrs(const struct vcpu *vcpu, struct state_vcpu *state, struct state_error *error)
{
	struct kvm_msr_list *list = calloc(1, sizeof(*list) + STATE_MSRS_MAX * sizeof(list->indices[0]));
	struct kvm_msrs *one = new_msrs(1);
	bool is_taken = list && one;

	if (is_taken) {
		list->nmsrs = STATE_MSRS_MAX;
		is_taken = !ioctl(vcpu->vm->node, KVM_GET_MSR_INDEX_LIST, list);
		for (uint32_t i = 0; is_taken && i < list->nmsrs; i++)
			take_msr(vcpu, state, one, list->indices[i]);
	}
	free(list);
	free(one);
	return is_taken || state_refuse(error, "vCPU %u: KVM_GET_MSR_INDEX_LIST: %s", vcpu->index, strerror(errno));
}

/* How much the kernel copies, from us too, whatever there is; 0: as much as it always was. Return: false if too much. */
static bool ask_xsave_size(const struct vcpu *vcpu, int *size, struct state_error *error)
{
	*size = vm_has(vcpu->vm, KVM_CAP_XSAVE2);
	if (*size <= STATE_XSAVE_MAX)
		return true;
	return state_refuse(error, "vCPU %u: %d bytes of XSAVE state are more than this program knows", vcpu->index,
			    *size);
}

static bool take_xsave(const struct vcpu *vcpu, struct state_vcpu *state, struct state_error *error)
{
	int size;

	if (!ask_xsave_size(vcpu, &size, error))
		return false;
	state->xsave_size = size > (int)sizeof(struct kvm_xsave) ? (uint32_t)size : sizeof(struct kvm_xsave);
	if (size)
		return ASK(vcpu, KVM_GET_XSAVE2, state->xsave, error);
	return ASK(vcpu, KVM_GET_XSAVE, state->xsave, error);
}

static struct kvm_device_attr offset_attribute(uint64_t *offset)
{
	return (struct kvm_device_attr){
		.group = KVM_VCPU_TSC_CTRL,
		.attr = KVM_VCPU_TSC_OFFSET,
		.addr = (uintptr_t)offset,
	};
}

static void take_tsc(const struct vcpu *vcpu, struct state_vcpu *state)
{
	struct kvm_device_attr attribute = offset_attribute(&state->tsc_offset);
	int khz = ioctl(vcpu->fd, KVM_GET_TSC_KHZ, 0);

	state->tsc_khz = khz > 0 ? (uint64_t)khz : 0;
	state->has_tsc_offset = !ioctl(vcpu->fd, KVM_GET_DEVICE_ATTR, &attribute);
}

bool state_vcpu_take(struct vcpu *vcpu, struct state_vcpu *state, struct state_error *error)
{
	struct kvm_mp_state mp = { 0 };

	memset(state, 0, sizeof(*state));
	/* First: it lets INIT and start-up signals that have come change the registers. */
	if (!ASK(vcpu, KVM_GET_MP_STATE, &mp, error) || !ASK(vcpu, KVM_GET_VCPU_EVENTS, &state->events, error) ||
	    !ASK(vcpu, KVM_GET_SREGS2, &state->sregs, error) || !ASK(vcpu, KVM_GET_REGS, &state->regs, error) ||
	    !ASK(vcpu, KVM_GET_DEBUGREGS, &state->debugregs, error) || !take_xsave(vcpu, state, error))
		return false;
	if (vm_has(vcpu->vm, KVM_CAP_XCRS) && !ASK(vcpu, KVM_GET_XCRS, &state->xcrs, error))
		return false;
	if (state->sregs.efer & EFER_SVME || state->sregs.cr4 & CR4_VMXE)
		return state_refuse(error, "vCPU %u is a hypervisor's, and guests of guests cannot be saved yet",
				    vcpu->index);
	state->mp_state = mp.mp_state;
	take_tsc(vcpu, state);
	return take_cpuid(vcpu, state, error) && take_msrs(vcpu, state, error) &&
	       ASK(vcpu, KVM_GET_LAPIC, &state->lapic, error);
}

/* ---- giving ---- */

static bool give_cpuid(const struct vcpu *vcpu, const struct state_vcpu *state, struct state_error *error)
{
	size_t size = state->cpuid_count * sizeof(state->cpuid[0]);
	struct kvm_cpuid2 *table = calloc(1, sizeof(*table) + size);

	if (!table)
		return state_refuse(error, "out of memory");
	table->nent = state->cpuid_count;
	memcpy(table->entries, state->cpuid, size);

	bool is_given = ASK(vcpu, KVM_SET_CPUID2, table, error);

	free(table);
	return is_given;
}

static bool give_xsave(const struct vcpu *vcpu, const struct state_vcpu *state, struct state_error *error)
{
	int size;

	return ask_xsave_size(vcpu, &size, error) && ASK(vcpu, KVM_SET_XSAVE, (void *)state->xsave, error);
}

static bool give_msr(const struct vcpu *vcpu, struct kvm_msrs *one, const struct state_msr *msr,
		     struct state_error *error)
{
	one->entries[0] = (struct kvm_msr_entry){ .index = msr->index };
	/* What is right already may be one that cannot be written. */
	if (msr->index != MSR_TSC && msr->index != MSR_TSC_DEADLINE && ioctl(vcpu->fd, KVM_GET_MSRS, one) == 1 &&
	    one->entries[0].data == msr->value)
		return true;
	one->entries[0].data = msr->value;
	if (ioctl(vcpu->fd, KVM_SET_MSRS, one) == 1)
		return true;
	return state_refuse(error, "vCPU %u: MSR %#x cannot be %#llx on this host", vcpu->index, msr->index,
			    (unsigned long long)msr->value);
}

enum msr_turn { MSR_FIRST, MSR_LATER, MSR_LAST };

/* The TSC before what counts by it, the local APIC's deadline behind the local APIC, all others between. */
static enum msr_turn turn_of(uint32_t index)
{
	return index == MSR_TSC ? MSR_FIRST : index == MSR_TSC_DEADLINE ? MSR_LAST : MSR_LATER;
}

/* With what it was at power-on, whatever the guest was in the midst of with VMX is over. */
static bool end_vmx(const struct vcpu *vcpu, const struct state_vcpu *state, struct state_error *error)
{
	struct kvm_msrs *one = new_msrs(1);
	bool is_over = one || state_refuse(error, "out of memory");

	for (uint32_t i = 0; is_over && i < state->msr_count; i++)
		if (state->msrs[i].index == MSR_FEATURE_CONTROL)
			is_over = give_msr(vcpu, one, &state->msrs[i], error);
	free(one);
	return is_over;
}

static bool give_msrs(const struct vcpu *vcpu, const struct state_vcpu *state, enum msr_turn turn,
		      struct state_error *error)
{
	struct kvm_msrs *one = new_msrs(1);
	bool is_given = one || state_refuse(error, "out of memory");

	for (uint32_t i = 0; is_given && i < state->msr_count; i++)
		if (turn_of(state->msrs[i].index) == turn)
			is_given = give_msr(vcpu, one, &state->msrs[i], error);
	free(one);
	return is_given;
}

static bool give_tsc_rate(const struct vcpu *vcpu, const struct state_vcpu *state, struct state_error *error)
{
	int khz = ioctl(vcpu->fd, KVM_GET_TSC_KHZ, 0);

	if (!state->tsc_khz || khz < 0 || (uint64_t)khz == state->tsc_khz)
		return true;
	if (state->tsc_khz > UINT32_MAX || ioctl(vcpu->fd, KVM_SET_TSC_KHZ, (unsigned long)state->tsc_khz) < 0)
		return state_refuse(error, "vCPU %u: its TSC ran at %llu kHz, and this host gives %d kHz alone",
				    vcpu->index, (unsigned long long)state->tsc_khz, khz);
	return true;
}

/*
 * Writing the TSC of one vCPU after the other would leave them as far apart as that takes. So vCPU 0 is written, and
 * the others get its offset, changed by as much as they differed before.
 */
static void align_tsc(const struct vcpu *vcpu, const struct state_vcpu *state, const struct state_vcpu *first)
{
	const struct vcpu *zero = vcpu - vcpu->index;
	uint64_t offset;
	struct kvm_device_attr attribute = offset_attribute(&offset);

	if (!vcpu->index || !state->has_tsc_offset || !first->has_tsc_offset ||
	    ioctl(zero->fd, KVM_GET_DEVICE_ATTR, &attribute) < 0)
		return;
	offset += state->tsc_offset - first->tsc_offset;
	ioctl(vcpu->fd, KVM_SET_DEVICE_ATTR, &attribute);
}

static bool give_all(struct vcpu *vcpu, const struct state_vcpu *state, struct state_error *error)
{
	struct kvm_mp_state mp = { .mp_state = state->mp_state };

	if (!ASK(vcpu, KVM_SET_SREGS2, (void *)&state->sregs, error) ||
	    !ASK(vcpu, KVM_SET_REGS, (void *)&state->regs, error))
		return false;
	/* Of a host with XSAVE, though its guest has not; who has would have been refused on one without. */
	if (state->xcrs.nr_xcrs && vm_has(vcpu->vm, KVM_CAP_XCRS) && !ASK(vcpu, KVM_SET_XCRS, (void *)&state->xcrs, error))
		return false;
	return give_xsave(vcpu, state, error) && give_msrs(vcpu, state, MSR_LATER, error) &&
	       ASK(vcpu, KVM_SET_LAPIC, (void *)&state->lapic, error) && give_msrs(vcpu, state, MSR_LAST, error) &&
	       ASK(vcpu, KVM_SET_DEBUGREGS, (void *)&state->debugregs, error) &&
	       ASK(vcpu, KVM_SET_VCPU_EVENTS, (void *)&state->events, error) && ASK(vcpu, KVM_SET_MP_STATE, &mp, error);
}

bool state_vcpu_give(struct vcpu *vcpu, const struct state_vcpu *state, const struct state_vcpu *first,
		     struct state_error *error)
{
	if (!give_cpuid(vcpu, state, error) || !give_tsc_rate(vcpu, state, error) ||
	    !give_msrs(vcpu, state, MSR_FIRST, error))
		return false;
	align_tsc(vcpu, state, first);
	return give_all(vcpu, state, error);
}

bool state_vcpu_reset(struct vcpu *vcpu, const struct state_vcpu *state, struct state_error *error)
{
	struct kvm_sregs2 other = state->sregs;
	struct kvm_mp_state mp;

	/* First: an INIT or a start-up signal that has come takes effect now, and not once the vCPU runs. */
	if (!ASK(vcpu, KVM_GET_MP_STATE, &mp, error) || !end_vmx(vcpu, state, error))
		return false;
	/*
	 * Stock KVM on AMD's CPUs empties the VMCB after a triple fault, and gives it nested page tables again when a
	 * register changes that paging depends on: of a guest in real mode, that is by us.
	 */
	other.cr0 = other.cr0 & CR0_CD ? other.cr0 & ~(CR0_CD | CR0_NW) : other.cr0 | CR0_CD;
	return ASK(vcpu, KVM_SET_SREGS2, &other, error) && give_all(vcpu, state, error);
}
