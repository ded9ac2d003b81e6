// SPDX-License-Identifier: GPL-2.0-only
/*
 * Reading and writing the MSRs of a guest.
 *
 * What the launcher's filter lets through is looked up in the table (msr_table.c). An MSR without a row is the backend's or
 * unknown; an unknown one is #GP to the guest and "not settable" to the launcher.
 *
 * keel_msr_get_fast() and keel_msr_set_fast() serve the few that guests use all the time from the inner loop.
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

/**
 * keel_msr_get_fast() - read an MSR in the inner loop
 * @vcpu: loaded, interrupts off
 * @msr: number
 * @val: out
 *
 * Return: 0, or RUN_SLOW: ask keel_msr_get().
 */
int keel_msr_get_fast(struct vcpu *vcpu, u32 msr, u64 *val)
{
	if (msr - APIC_BASE_MSR <= 0xff)	/* never filtered */
		return keel_lapic_msr_get(vcpu, msr, val) ? RUN_SLOW : 0;
	if (unlikely(rcu_access_pointer(vcpu->vm->msr_filter)))
		return RUN_SLOW;
	switch (msr) {
	case MSR_IA32_APICBASE:
		*val = vcpu->apic_base;
		return 0;
	case MSR_IA32_TSC:
		*val = keel_tsc_read(vcpu);
		return 0;
	case MSR_IA32_CR_PAT:
		vcpu_need(vcpu, RG_PAT);
		*val = vcpu->regs.pat;
		return 0;
	case MSR_EFER:
		*val = vcpu_efer(vcpu);
		return 0;
	case MSR_IA32_SPEC_CTRL:
		if (!(vcpu->cpuid.flags & GUEST_HAS_SPEC_CTRL))
			return RUN_SLOW;
		msr_spec_ctrl_get(vcpu, val);
		return 0;
	default:
		return RUN_SLOW;
	}
}

/**
 * keel_msr_set_fast() - write an MSR in the inner loop
 * @vcpu: loaded, interrupts off
 * @msr: number
 * @val: value
 *
 * Return: 0, or RUN_SLOW with nothing changed: ask keel_msr_set().
 */
int keel_msr_set_fast(struct vcpu *vcpu, u32 msr, u64 val)
{
	if (msr - APIC_BASE_MSR <= 0xff)	/* never filtered; a refusal changes nothing */
		return keel_lapic_msr_set(vcpu, msr, val) ? RUN_SLOW : 0;
	if (unlikely(rcu_access_pointer(vcpu->vm->msr_filter)))
		return RUN_SLOW;
	switch (msr) {
	case MSR_IA32_TSC_DEADLINE:
		if (!vcpu->lapic || !(vcpu->cpuid.flags & GUEST_HAS_TSC_DEADLINE))
			return RUN_SLOW;
		keel_lapic_set_deadline(vcpu, val);
		return 0;
	case MSR_IA32_CR_PAT:
		if (!msr_pat_valid(val))
			return RUN_SLOW;
		vcpu->regs.pat = val;
		vcpu_dirty(vcpu, RG_PAT);
		return 0;
	case MSR_IA32_SPEC_CTRL:
		if (!(vcpu->cpuid.flags & GUEST_HAS_SPEC_CTRL))
			return RUN_SLOW;
		return msr_spec_ctrl_set(vcpu, val, MSR_FROM_GUEST) ? RUN_SLOW : 0;
	default:
		return RUN_SLOW;
	}
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
