// SPDX-License-Identifier: GPL-2.0-only
/*
 * The MSRs of machine check: banks of plain storage, as many as the launcher asks for (KVM_X86_SETUP_MCE), allocated at the
 * first write.
 */
#include <linux/bits.h>
#include <linux/errno.h>
#include <linux/nospec.h>
#include <linux/slab.h>
#include <asm/mce.h>
#include <asm/msr-index.h>
#include <keel/state.h>
#include <keel/vcpu.h>
#include "msr.h"

static unsigned int mce_count(const struct vcpu *vcpu)
{
	return vcpu->msrs.mcg_cap & MCG_BANKCNT_MASK;
}

int msr_get_mce_bank(struct vcpu *vcpu, const struct msr_row *row, u32 msr, u64 *val)
{
	unsigned int i = msr - MSR_IA32_MC0_CTL;

	if (i >= mce_count(vcpu) * 4)
		return MSR_UNKNOWN;
	i = array_index_nospec(i, mce_count(vcpu) * 4);
	/* CTL is all ones after reset */
	*val = vcpu->msrs.mce_banks ? vcpu->msrs.mce_banks[i] : (i & 3) ? 0 : ~0ull;
	return 0;
}

static bool mce_value_valid(struct vcpu *vcpu, unsigned int reg, u64 val, enum msr_from from)
{
	/* CTL: all or none, but for bits that some guests clear in bank 4 (10) and others (0) */
	if (reg == 0)
		return !val || (val | BIT_ULL(10) | BIT_ULL(0)) == ~0ull;
	/* STATUS: a guest clears it, or writes it where HWCR says so */
	if (reg == 1 && from == MSR_FROM_GUEST)
		return !val || (vcpu->msrs.hwcr & HWCR_MC_STATUS_WR);
	return true;
}

int msr_set_mce_bank(struct vcpu *vcpu, const struct msr_row *row, u32 msr, u64 val, enum msr_from from)
{
	unsigned int i = msr - MSR_IA32_MC0_CTL, n = mce_count(vcpu) * 4, k;

	if (i >= n)
		return MSR_UNKNOWN;
	if (!mce_value_valid(vcpu, i & 3, val, from))
		return MSR_INVALID;
	if (!vcpu->msrs.mce_banks) {
		/* MCG_BANKCNT_MASK: room for all that a later KVM_X86_SETUP_MCE may ask for */
		vcpu->msrs.mce_banks = kcalloc(4 * MCE_BANKS_MAX, sizeof(u64), GFP_KERNEL_ACCOUNT);
		if (!vcpu->msrs.mce_banks)
			return -ENOMEM;
		for (k = 0; k < MCE_BANKS_MAX; k++)
			vcpu->msrs.mce_banks[4 * k] = ~0ull;
	}
	vcpu->msrs.mce_banks[array_index_nospec(i, n)] = val;
	return 0;
}

int msr_set_mcg_ctl(struct vcpu *vcpu, const struct msr_row *row, u32 msr, u64 val, enum msr_from from)
{
	if (val && !(vcpu->msrs.mcg_cap & MCG_CTL_P))
		return MSR_INVALID;
	if (val && val != ~0ull)
		return MSR_INVALID;
	vcpu->msrs.mcg_ctl = val;
	return 0;
}
