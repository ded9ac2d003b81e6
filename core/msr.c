// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reading and writing the MSRs of a guest.
 *
 * What the launcher's filter lets through is looked up in the table (msr_table.c). An MSR without a row is the backend's or
 * unknown; an unknown one is #GP to the guest and "not settable" to the launcher.
 *
 * keel_fast_rdmsr() and keel_fast_wrmsr() serve the few that guests use all the time from the inner loop.
 */
#include <linux/bits.h>
#include <linux/errno.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <asm/apicdef.h>
#include <asm/mce.h>
#include <asm/msr-index.h>
#include <keel/access.h>
#include <keel/exit.h>
#include <keel/exit_fast.h>
#include <keel/irq.h>
#include <keel/state.h>
#include <keel/vcpu.h>
#include <keel/vendor.h>
#include <keel/vm.h>
#include "msr.h"

static bool guest_lacks(const struct vcpu *vcpu, const struct msr_row *row)
{
	if (row->needs && !(vcpu->cpuid.flags & row->needs))
		return true;
	if ((row->flags & ROW_MCG_CTL) && !(vcpu->msrs.mcg_cap & MCG_CTL_P))
		return true;
	if ((row->flags & ROW_PLATFORM) && vcpu->vm->hide_platform_info)
		return true;
	return row->pv && !(vcpu->pv.features & BIT(row->pv - 1));
}

/**
 * keel_msr_get() - read an MSR
 * @vcpu: loaded
 * @msr: number
 * @val: out
 * @from: the guest is bound by its CPUID and by the launcher's filter
 *
 * Context: may sleep. Return: 0, MSR_INVALID, MSR_UNKNOWN, MSR_FILTERED or negative errno.
 */
int keel_msr_get(struct vcpu *vcpu, u32 msr, u64 *val, enum msr_from from)
{
	const struct msr_row *row = msr_find_row(msr);
	int ret;

	if (from == MSR_FROM_GUEST && !msr_filter_allows(vcpu->vm, msr, KVM_MSR_FILTER_READ))
		return MSR_FILTERED;
	if (!row) {
		ret = keel_vendor->msr(vcpu, msr, val, VENDOR_MSR_READ);
		return ret == -ENOENT ? MSR_UNKNOWN : ret;
	}
	if (from == MSR_FROM_GUEST && ((row->flags & ROW_WRITE_ONLY) || guest_lacks(vcpu, row)))
		return MSR_INVALID;
	return row->get(vcpu, row, msr, val);
}

/**
 * keel_msr_set() - write an MSR
 * @vcpu: loaded
 * @msr: number
 * @val: value
 * @from: the guest is bound by its CPUID and by the launcher's filter
 *
 * Context: may sleep. Return: 0, MSR_INVALID, MSR_UNKNOWN, MSR_FILTERED or negative errno.
 */
int keel_msr_set(struct vcpu *vcpu, u32 msr, u64 val, enum msr_from from)
{
	const struct msr_row *row = msr_find_row(msr);
	int ret;

	if (from == MSR_FROM_GUEST && !msr_filter_allows(vcpu->vm, msr, KVM_MSR_FILTER_WRITE))
		return MSR_FILTERED;
	if (!row) {
		ret = keel_vendor->msr(vcpu, msr, &val, from == MSR_FROM_HOST ? VENDOR_MSR_RESTORE : VENDOR_MSR_WRITE);
		return ret == -ENOENT ? MSR_UNKNOWN : ret;
	}
	if (!row->set)
		return MSR_INVALID;
	if (from == MSR_FROM_GUEST) {
		if (guest_lacks(vcpu, row) || (row->flags & ROW_HOST_SET))
			return MSR_INVALID;
		if (row->flags & ROW_GUEST_DROP)
			return 0;
	}
	return row->set(vcpu, row, msr, val, from);
}

/* ---- in the inner loop ---- */

/* x2APIC registers are never filtered. Where they are refused nothing was changed. */
static bool is_x2apic(u32 msr)
{
	return msr - APIC_BASE_MSR <= 0xff;
}

static noinline int read_x2apic(struct vcpu *vcpu, u32 msr, unsigned int len)
{
	u64 val;

	if (keel_lapic_msr_get(vcpu, msr, &val))
		return RUN_SLOW;
	vcpu_set_edx_eax(vcpu, val);
	return vcpu_advance_valid(vcpu, len);
}

static noinline int write_x2apic(struct vcpu *vcpu, u32 msr, u64 val, unsigned int len)
{
	return keel_lapic_msr_set(vcpu, msr, val) ? RUN_SLOW : vcpu_advance_valid(vcpu, len);
}

/* These two have an owner to call. */
static noinline int read_owned(struct vcpu *vcpu, u32 msr, unsigned int len)
{
	u64 val;

	if (msr == MSR_IA32_TSC) {
		val = keel_tsc_read(vcpu);
	} else {
		if (!(vcpu->cpuid.flags & GUEST_HAS_SPEC_CTRL))
			return RUN_SLOW;
		msr_spec_ctrl_get(vcpu, &val);
	}
	vcpu_set_edx_eax(vcpu, val);
	return vcpu_advance_valid(vcpu, len);
}

/**
 * keel_fast_rdmsr() - RDMSR in the inner loop
 * @vcpu: loaded, interrupts off; RIP and RFLAGS are valid
 * @len: bytes of the instruction
 *
 * Return: RUN_RESUME, or RUN_SLOW with nothing changed.
 */
int keel_fast_rdmsr(struct vcpu *vcpu, unsigned int len)
{
	u32 msr = vcpu->regs.gpr[GPR_RCX];
	u64 val;

	if (is_x2apic(msr))
		return read_x2apic(vcpu, msr, len);
	if (unlikely(rcu_access_pointer(vcpu->vm->msr_filter)))
		return RUN_SLOW;
	switch (msr) {
	case MSR_IA32_APICBASE:
		val = vcpu->apic.base;
		break;
	case MSR_IA32_TSC:
	case MSR_IA32_SPEC_CTRL:
		return read_owned(vcpu, msr, len);
	/* these two are always valid: no backend lets a guest change them without an exit */
	case MSR_IA32_CR_PAT:
		val = vcpu->regs.pat;
		break;
	case MSR_EFER:
		val = vcpu->regs.efer;
		break;
	default:
		return RUN_SLOW;
	}
	vcpu_set_edx_eax(vcpu, val);
	return vcpu_advance_valid(vcpu, len);
}

/**
 * keel_fast_wrmsr() - WRMSR in the inner loop
 * @vcpu: loaded, interrupts off; RIP and RFLAGS are valid
 * @len: bytes of the instruction
 *
 * Return: RUN_RESUME, or RUN_SLOW with nothing changed.
 */
int keel_fast_wrmsr(struct vcpu *vcpu, unsigned int len)
{
	u32 msr = vcpu->regs.gpr[GPR_RCX];
	u64 val = vcpu_edx_eax(vcpu);

	if (is_x2apic(msr))
		return write_x2apic(vcpu, msr, val, len);
	if (unlikely(rcu_access_pointer(vcpu->vm->msr_filter)))
		return RUN_SLOW;
	switch (msr) {
	case MSR_IA32_TSC_DEADLINE:
		if (!vcpu->lapic || !(vcpu->cpuid.flags & GUEST_HAS_TSC_DEADLINE))
			return RUN_SLOW;
		keel_lapic_set_deadline(vcpu, val);
		break;
	case MSR_IA32_CR_PAT:
		if (!msr_pat_valid(val))
			return RUN_SLOW;
		vcpu->regs.pat = val;
		vcpu_dirty(vcpu, RG_PAT);
		break;
	case MSR_IA32_SPEC_CTRL:
		if (!(vcpu->cpuid.flags & GUEST_HAS_SPEC_CTRL) || msr_spec_ctrl_set(vcpu, val, MSR_FROM_GUEST))
			return RUN_SLOW;
		break;
	default:
		return RUN_SLOW;
	}
	return vcpu_advance_valid(vcpu, len);
}

/* ---- life ---- */

/**
 * keel_msr_reset() - MSRs at reset
 * @vcpu: loaded
 * @init: INIT, which leaves most as they are
 */
void keel_msr_reset(struct vcpu *vcpu, bool init)
{
	struct vcpu_msrs *m = &vcpu->msrs;
	u64 *banks = m->mce_banks;
	u64 mcg_cap = m->mcg_cap, mcg_ctl = m->mcg_ctl;

	m->misc_features = 0;
	m->xss = 0;
	if (init)
		return;
	memset(m, 0, sizeof(*m));
	m->mce_banks = banks;
	m->mcg_cap = mcg_cap;
	m->mcg_ctl = mcg_ctl;
	m->misc_enable = MSR_IA32_MISC_ENABLE_FAST_STRING | MSR_IA32_MISC_ENABLE_BTS_UNAVAIL |
			 MSR_IA32_MISC_ENABLE_PEBS_UNAVAIL;
	m->platform_info = MSR_PLATFORM_INFO_CPUID_FAULT;
	m->arch_capabilities = msr_arch_capabilities();
	m->ucode_rev = keel_caps.ucode_rev;
	m->de_cfg = msr_de_cfg_bits();
}

void keel_msr_vcpu_destroy(struct vcpu *vcpu)
{
	kfree(vcpu->msrs.mce_banks);
	vcpu->msrs.mce_banks = NULL;
}
