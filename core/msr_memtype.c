// SPDX-License-Identifier: GPL-2.0-only
/*
 * The MSRs that give memory its type: PAT and MTRRs. Values are checked as a CPU checks them. The MTRRs of a guest type no
 * memory.
 */
#include <linux/bits.h>
#include <linux/kernel.h>
#include <asm/msr-index.h>
#include <keel/state.h>
#include <keel/vcpu.h>
#include "msr.h"

static const u32 fixed_mtrrs[] = {
	MSR_MTRRfix64K_00000, MSR_MTRRfix16K_80000, MSR_MTRRfix16K_A0000,
	MSR_MTRRfix4K_C0000, MSR_MTRRfix4K_C8000, MSR_MTRRfix4K_D0000, MSR_MTRRfix4K_D8000,
	MSR_MTRRfix4K_E0000, MSR_MTRRfix4K_E8000, MSR_MTRRfix4K_F0000, MSR_MTRRfix4K_F8000,
};

/* UC, WC, WT, WP, WB */
static bool mtrr_type_valid(u8 type)
{
	return type < 8 && (BIT(type) & (BIT(0) | BIT(1) | BIT(4) | BIT(5) | BIT(6)));
}

int msr_set_pat(struct vcpu *vcpu, const struct msr_row *row, u32 msr, u64 val, enum msr_from from)
{
	return msr_pat_valid(val) ? msr_set_group(vcpu, row, msr, val, from) : MSR_INVALID;
}

int msr_set_mtrr_type(struct vcpu *vcpu, const struct msr_row *row, u32 msr, u64 val, enum msr_from from)
{
	if ((val & ~0xcffull) || !mtrr_type_valid(val & 0xff))
		return MSR_INVALID;
	vcpu->msrs.mtrr_def_type = val;
	return 0;
}

static int fixed_index(u32 msr)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(fixed_mtrrs); i++)
		if (fixed_mtrrs[i] == msr)
			return i;
	return -1;
}

int msr_get_mtrr_fixed(struct vcpu *vcpu, const struct msr_row *row, u32 msr, u64 *val)
{
	int i = fixed_index(msr);

	if (i < 0)
		return MSR_UNKNOWN;
	*val = vcpu->msrs.mtrr_fixed[i];
	return 0;
}

int msr_set_mtrr_fixed(struct vcpu *vcpu, const struct msr_row *row, u32 msr, u64 val, enum msr_from from)
{
	int i = fixed_index(msr), byte;

	if (i < 0)
		return MSR_UNKNOWN;
	for (byte = 0; byte < 8; byte++)
		if (!mtrr_type_valid(val >> (byte * 8)))
			return MSR_INVALID;
	vcpu->msrs.mtrr_fixed[i] = val;
	return 0;
}

/* Pairs of base and mask. */
int msr_set_mtrr_var(struct vcpu *vcpu, const struct msr_row *row, u32 msr, u64 val, enum msr_from from)
{
	u64 reserved = vcpu->cpuid.reserved_gpa;

	if (msr & 1) {
		if (val & (reserved | 0x7ff))
			return MSR_INVALID;
	} else if ((val & (reserved | 0xf00)) || !mtrr_type_valid(val & 0xff)) {
		return MSR_INVALID;
	}
	return msr_set_stored(vcpu, row, msr, val, from);
}
