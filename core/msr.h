/* SPDX-License-Identifier: GPL-2.0-only */
/* Private to core/: the table of MSRs, what its rows are served by, and the launcher's filter. */
#ifndef CORE_MSR_H
#define CORE_MSR_H

#include <linux/bits.h>
#include <linux/nospec.h>
#include <asm/cpufeature.h>
#include <asm/msr-index.h>
#include <keel/access.h>
#include <keel/state.h>
#include <keel/types.h>
#include <keel/vcpu.h>
#include <keel/vendor.h>
#include "cpuid.h"

struct msr_row;

/* Readers and writers. Loaded, may sleep. Return: 0, MSR_INVALID, MSR_UNKNOWN or negative errno. */
typedef int (msr_get_fn)(struct vcpu *vcpu, const struct msr_row *row, u32 msr, u64 *val);
typedef int (msr_set_fn)(struct vcpu *vcpu, const struct msr_row *row, u32 msr, u64 val, enum msr_from from);

/* What a row says besides its functions */
#define ROW_LIST	BIT(0)	/* in KVM_GET_MSR_INDEX_LIST: part of the state to save */
#define ROW_HOST_SET	BIT(1)	/* only the launcher writes it; the guest's write is #GP */
#define ROW_GUEST_DROP	BIT(2)	/* only the launcher writes it; the guest's write is ignored */
#define ROW_WRITE_ONLY	BIT(3)
#define ROW_MCG_CTL	BIT(4)	/* there for the guest only with MCG_CTL_P */
#define ROW_PLATFORM	BIT(5)	/* hidden from the guest by KVM_CAP_MSR_PLATFORM_INFO */

/**
 * struct msr_row - a run of MSRs
 * @first: first number
 * @last: last number
 * @flags: ROW_*
 * @needs: GUEST_HAS_* without which the guest gets #GP, 0 for none
 * @pv: KVM_FEATURE_* bit + 1 without which the guest gets #GP, 0 for none
 * @get: reader
 * @set: writer, NULL for read-only
 * @offset: for the generic functions: of a u64 in struct vcpu
 * @mask: for the generic functions: bits that may be set
 * @group: for the generic functions: RG_* group that the u64 belongs to
 */
struct msr_row {
	u32 first, last;
	u8 flags;
	u8 pv;
	u32 needs;
	msr_get_fn *get;
	msr_set_fn *set;
	u16 offset;
	u32 group;
	u64 mask;
};

/* ---- rows that are plain storage, or storage that is part of a register group: only bits of the row's mask ---- */

/* The guest picks the number, and the search for its row is made of branches: no other row's number may get here speculatively. */
static inline u64 *msr_row_value(struct vcpu *vcpu, const struct msr_row *row, u32 msr)
{
	return (u64 *)((char *)vcpu + row->offset) + array_index_nospec(msr - row->first, row->last - row->first + 1);
}

static inline int msr_set_stored(struct vcpu *vcpu, const struct msr_row *row, u32 msr, u64 val, enum msr_from from)
{
	if (val & ~row->mask)
		return MSR_INVALID;
	*msr_row_value(vcpu, row, msr) = val;
	return 0;
}

static inline int msr_set_group(struct vcpu *vcpu, const struct msr_row *row, u32 msr, u64 val, enum msr_from from)
{
	if (val & ~row->mask)
		return MSR_INVALID;
	vcpu_need(vcpu, row->group);
	*msr_row_value(vcpu, row, msr) = val;
	vcpu_dirty(vcpu, row->group);
	return 0;
}

/* For the index lists: *@n in: room, out: @count. Return: 0 or -E2BIG. */
static inline int msr_copy_list(const u32 *from, u32 count, u32 *indices, u32 *n)
{
	u32 room = *n;

	*n = count;
	if (room < count)
		return -E2BIG;
	memcpy(indices, from, count * sizeof(*from));
	return 0;
}

/* ---- msr_table.c ---- */

/* The row of an MSR, NULL if it has none. */
const struct msr_row *msr_find_row(u32 msr);
/* ---- msr_memtype.c ---- */

#define MTRR_COUNT	8	/* variable ranges */
#define MTRR_CAP	(MTRR_COUNT | BIT(8) /* fixed ranges */ | BIT(10) /* write combining */)

/* Each of the eight types one of 0, 1, 4, 5, 6, 7: not bit 1 without bit 2. */
static inline bool msr_pat_valid(u64 val)
{
	u64 bit1 = val & 0x0202020202020202ull, bit2 = val & 0x0404040404040404ull;

	return !(val & 0xf8f8f8f8f8f8f8f8ull) && !(bit1 & ~(bit2 >> 1));
}

msr_set_fn msr_set_pat;
msr_set_fn msr_set_mtrr_type;
msr_get_fn msr_get_mtrr_fixed;
msr_set_fn msr_set_mtrr_fixed;
msr_set_fn msr_set_mtrr_var;

/* ---- msr_mce.c ---- */

#define MCE_BANKS_MAX	32
#define HWCR_MC_STATUS_WR	BIT_ULL(18)

msr_get_fn msr_get_mce_bank;
msr_set_fn msr_set_mce_bank;
msr_set_fn msr_set_mcg_ctl;

/* ---- msr_feature.c ---- */

/* Bits that may be set: a guest is bound by its CPUID, a launcher by what the host offers. */
static inline u64 msr_allowed(const struct vcpu *vcpu, enum feature_set set, enum msr_from from)
{
	return from == MSR_FROM_GUEST ? vcpu->cpuid.allowed[set] : cpuid_offered_bits[set];
}

/* A backend that lets the guest write it directly knows the value; the others are told. */
static inline void msr_spec_ctrl_get(struct vcpu *vcpu, u64 *val)
{
	if (keel_vendor->msr(vcpu, MSR_IA32_SPEC_CTRL, val, VENDOR_MSR_READ))
		*val = vcpu->msrs.spec_ctrl;
}

static inline int msr_spec_ctrl_set(struct vcpu *vcpu, u64 val, enum msr_from from)
{
	if (val & ~msr_allowed(vcpu, SET_SPEC_CTRL, from))
		return MSR_INVALID;
	vcpu->msrs.spec_ctrl = val;
	keel_vendor->msr(vcpu, MSR_IA32_SPEC_CTRL, &vcpu->msrs.spec_ctrl, VENDOR_MSR_WRITE);
	return 0;
}

/* Of this host, what guests may be given. */
u64 msr_arch_capabilities(void);
u64 msr_de_cfg_bits(void);

msr_get_fn msr_get_spec_ctrl;
msr_set_fn msr_set_spec_ctrl;
msr_set_fn msr_set_pred_cmd;
msr_set_fn msr_set_de_cfg;
msr_set_fn msr_set_hwcr;
msr_set_fn msr_set_misc_enable;
msr_set_fn msr_set_platform_info;
msr_set_fn msr_set_misc_features;
msr_set_fn msr_set_xss;

/* ---- msr_filter.c ---- */

/**
 * msr_filter_allows() - does the launcher let the guest access an MSR?
 * @vm: whose filter
 * @msr: number; the x2APIC's are never filtered
 * @access: KVM_MSR_FILTER_READ or KVM_MSR_FILTER_WRITE
 *
 * Interrupts may be off.
 */
bool msr_filter_allows(struct vm *vm, u32 msr, u32 access);

#endif
