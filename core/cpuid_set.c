// SPDX-License-Identifier: GPL-2.0-only
/*
 * CPUID: KVM_SET_CPUID, and what follows from a guest's leaves.
 *
 * The launcher chooses among what is offered, or beyond it at its own risk: isolation never depends on CPUID, since what a
 * guest may set in control registers and MSRs is masked by what the host offers as well.
 *
 * A few bits follow the machine's state (OSXSAVE, OSPKE, APIC, XSAVE sizes); they are written to
 * the leaves when that state changes.
 */
#include <linux/bits.h>
#include <linux/errno.h>
#include <linux/kernel.h>
#include <linux/kvm_para.h>
#include <linux/mm.h>
#include <linux/overflow.h>
#include <linux/string.h>
#include <asm/cpufeature.h>
#include <asm/fpu/types.h>
#include <asm/msr-index.h>
#include <asm/processor-flags.h>
#include <keel/access.h>
#include <keel/state.h>
#include <keel/vcpu.h>
#include <keel/vendor.h>
#include <keel/vm.h>
#include "feature.h"

#define MAX_ENTRIES	256

/* ---- what follows from a guest's leaves ---- */

static u32 guest_reg(struct vcpu *vcpu, u32 function, u32 index, enum reg reg)
{
	const struct kvm_cpuid_entry2 *e = keel_cpuid_find(vcpu, function, index);

	if (!e)
		return 0;
	return reg == EAX ? e->eax : reg == EBX ? e->ebx : reg == ECX ? e->ecx : e->edx;
}

static bool is_amd_vendor(struct vcpu *vcpu)
{
	const struct kvm_cpuid_entry2 *e = keel_cpuid_find(vcpu, 0, 0);
	u32 name[3];

	if (!e)
		return false;
	name[0] = e->ebx;
	name[1] = e->edx;
	name[2] = e->ecx;
	return !memcmp(name, "AuthenticAMD", 12) || !memcmp(name, "HygonGenuine", 12);
}

static u32 guest_flags(struct vcpu *vcpu)
{
	u64 spec_ctrl = vcpu->cpuid.allowed[SET_SPEC_CTRL];
	u32 flags = feature_bits(SET_FLAGS, guest_reg, vcpu);

	if (is_amd_vendor(vcpu))
		flags |= GUEST_IS_AMD;
	/* what a launcher announces is there, even if the host offers no bit of it */
	if (feature_bits(SET_SPEC_CTRL, guest_reg, vcpu))
		flags |= GUEST_HAS_SPEC_CTRL;
	if (spec_ctrl && spec_ctrl == cpuid_cpu_spec_ctrl)
		flags |= GUEST_OWNS_SPEC_CTRL;
	if (feature_bits(SET_PRED_CMD, guest_reg, vcpu))
		flags |= GUEST_HAS_PRED_CMD;
	return flags;
}

static u8 guest_maxphyaddr(struct vcpu *vcpu)
{
	u32 width = 36;

	if (guest_reg(vcpu, 0x80000000, 0, EAX) >= 0x80000008)
		width = guest_reg(vcpu, 0x80000008, 0, EAX) & 0xff;
	return clamp_t(u32, width, 32, 52);
}

/*
 * What the guest may set, from its leaves and from what the host offers. Without leaves, as with
 * KVM, from the latter alone.
 */
static void policy_update(struct vcpu *vcpu)
{
	struct vcpu_cpuid *cpuid = &vcpu->cpuid;
	unsigned int i;

	cpuid->maxphyaddr = guest_maxphyaddr(vcpu);
	cpuid->reserved_gpa = GENMASK_ULL(63, cpuid->maxphyaddr);
	memcpy(cpuid->allowed, cpuid_offered_bits, sizeof(cpuid->allowed));
	cpuid->xcr0_allowed = XFEATURE_MASK_FP;
	cpuid->xss_allowed = 0;
	cpuid->flags = 0;
	vcpu->pv.features = CPUID_PV_FEATURES;
	if (vcpu->pv.enforce_cpuid)
		vcpu->pv.features &= guest_reg(vcpu, KVM_CPUID_FEATURES, 0, EAX);
	if (!cpuid->nent)
		return;

	for (i = 0; i < NR_SETS; i++)
		cpuid->allowed[i] &= feature_bits(i, guest_reg, vcpu);
	cpuid->flags = guest_flags(vcpu);
	if (cpuid->flags & GUEST_HAS_XSAVE)
		cpuid->xcr0_allowed = cpuid_host_xcr0 & (guest_reg(vcpu, 0xd, 0, EAX) |
						   (u64)guest_reg(vcpu, 0xd, 0, EDX) << 32);
}

void keel_cpuid_enforce_pv(struct vcpu *vcpu, bool on)
{
	vcpu->pv.enforce_cpuid = on;
	policy_update(vcpu);
}

/* ---- bits that follow the machine's state ---- */

static void set_bit_if(u32 *reg, u32 bit, bool on)
{
	*reg = on ? *reg | bit : *reg & ~bit;
}

static void runtime_xsave(struct vcpu *vcpu)
{
	struct kvm_cpuid_entry2 *e = keel_cpuid_find(vcpu, 0xd, 0);

	if (e)
		e->ebx = cpuid_xsave_size(vcpu->xstate.xcr0);
	e = keel_cpuid_find(vcpu, 0xd, 1);
	if (e && (e->eax & (F(XSAVES) | F(XSAVEC))))
		e->ebx = cpuid_xsave_size_compacted(vcpu->xstate.xcr0 | vcpu->msrs.xss);
}

/**
 * keel_cpuid_update_runtime() - the bits that follow CR4, XCR0, XSS, the APIC base and MISC_ENABLE
 * @vcpu: loaded, or not yet running
 */
void keel_cpuid_update_runtime(struct vcpu *vcpu)
{
	struct kvm_cpuid_entry2 *e;
	u64 cr4 = vcpu_cr4(vcpu);

	if (unlikely(!vcpu->cpuid.maxphyaddr))
		policy_update(vcpu);
	e = keel_cpuid_find(vcpu, 1, 0);
	if (e) {
		set_bit_if(&e->ecx, F(OSXSAVE), (e->ecx & F(XSAVE)) && (cr4 & X86_CR4_OSXSAVE));
		set_bit_if(&e->edx, F(APIC), vcpu->apic.base & MSR_IA32_APICBASE_ENABLE);
		if (vcpu->vm->disabled_quirks & KVM_X86_QUIRK_MISC_ENABLE_NO_MWAIT)
			set_bit_if(&e->ecx, F(MWAIT), vcpu->msrs.misc_enable & MSR_IA32_MISC_ENABLE_MWAIT);
	}
	e = keel_cpuid_find(vcpu, 7, 0);
	if (e)
		set_bit_if(&e->ecx, F(OSPKE), (e->ecx & F(PKU)) && (cr4 & X86_CR4_PKE));
	runtime_xsave(vcpu);
}

/* ---- KVM_SET_CPUID ---- */

/* A guest that would use more address bits than Keel walks, or state that nobody saves. */
static int check_entries(const struct kvm_cpuid_entry2 *entries, u32 nent)
{
	u32 i;

	for (i = 0; i < nent; i++) {
		u32 virt = (entries[i].eax >> 8) & 0xff;

		if (entries[i].function == 0x80000008 && virt && virt != 48 && virt != 57)
			return -EINVAL;
	}
	return 0;
}

/* After the first KVM_RUN only the same once more: a launcher may repeat itself at hotplug. */
static bool same_entries(struct vcpu *vcpu, const struct kvm_cpuid_entry2 *entries, u32 nent)
{
	u32 i;

	if (vcpu->cpuid.nent != nent)
		return false;
	for (i = 0; i < nent; i++) {
		const struct kvm_cpuid_entry2 *a = &vcpu->cpuid.entries[i], *b = &entries[i];

		if (a->function != b->function || a->index != b->index || a->flags != b->flags ||
		    a->eax != b->eax || a->ebx != b->ebx || a->ecx != b->ecx || a->edx != b->edx)
			return false;
	}
	return true;
}

/* KVM does so too: no kick to wait for when HLT does not exit. */
static void adjust_pv(struct vcpu *vcpu)
{
	struct kvm_cpuid_entry2 *e = keel_cpuid_find(vcpu, KVM_CPUID_FEATURES, 0);

	if (e && (READ_ONCE(vcpu->vm->disabled_exits) & KVM_X86_DISABLE_EXITS_HLT))
		e->eax &= ~BIT(KVM_FEATURE_PV_UNHALT);
}

static void install(struct vcpu *vcpu, struct kvm_cpuid_entry2 *entries, u32 nent)
{
	vcpu->cpuid.entries = entries;
	vcpu->cpuid.nent = nent;
	cpuid_index_entries(&vcpu->cpuid);
	adjust_pv(vcpu);
	policy_update(vcpu);
	keel_cpuid_update_runtime(vcpu);
}

/**
 * keel_cpuid_set() - give a vCPU its leaves
 * @vcpu: loaded, mutex held
 * @entries: kvmalloc'ed array; ours from now on, also on failure
 * @nent: how many, at most 256
 *
 * Return: 0; -EINVAL for a contradiction, or for a change after the vCPU has run.
 */
int keel_cpuid_set(struct vcpu *vcpu, struct kvm_cpuid_entry2 *entries, u32 nent)
{
	struct kvm_cpuid_entry2 *old = vcpu->cpuid.entries;
	u32 old_nent = vcpu->cpuid.nent;
	int ret = nent > MAX_ENTRIES ? -E2BIG : check_entries(entries, nent);

	if (ret) {
		kvfree(entries);
		return ret;
	}
	if (vcpu->life.launched_once) {
		/* compare with the runtime bits brought up to date in both */
		install(vcpu, entries, nent);
		vcpu->cpuid.entries = old;
		vcpu->cpuid.nent = old_nent;
		ret = same_entries(vcpu, entries, nent) ? 0 : -EINVAL;
		kvfree(entries);
		install(vcpu, old, old_nent);
		return ret;
	}
	install(vcpu, entries, nent);
	kvfree(old);
	keel_vendor->intercepts_changed(vcpu);
	return 0;
}

/* Its bits that follow the machine's state are those of @from's, too. */
int keel_cpuid_copy(struct vcpu *to, const struct vcpu *from)
{
	size_t size = array_size(from->cpuid.nent, sizeof(*from->cpuid.entries));
	struct kvm_cpuid_entry2 *entries;

	if (!from->cpuid.nent)
		return 0;
	entries = kvmalloc(size, GFP_KERNEL_ACCOUNT);
	if (!entries)
		return -ENOMEM;
	memcpy(entries, from->cpuid.entries, size);
	to->cpuid.entries = entries;
	to->cpuid.nent = from->cpuid.nent;
	cpuid_index_entries(&to->cpuid);
	policy_update(to);
	return 0;
}

void keel_cpuid_destroy(struct vcpu *vcpu)
{
	kvfree(vcpu->cpuid.entries);
	vcpu->cpuid.entries = NULL;
	vcpu->cpuid.nent = 0;
}
