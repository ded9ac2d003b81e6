// SPDX-License-Identifier: GPL-2.0-only
/*
 * Model-specific registers of a guest.
 *
 * One table of rows says which MSRs exist, which CPUID feature brings each, and what reads and writes it. An MSR without
 * a row is the backend's or unknown; an unknown one is #GP to the guest and "not settable" to the launcher. Most rows are plain
 * storage with a mask of the bits that may be set. No MSR here reaches the host's, but for the barriers that a guest may issue.
 *
 * keel_msr_get_fast() and keel_msr_set_fast() serve the few that guests use all the time from the inner loop.
 */
#include <linux/bits.h>
#include <linux/kvm_para.h>
#include <linux/nospec.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/stddef.h>
#include <asm/apicdef.h>
#include <asm/cpufeature.h>
#include <asm/mce.h>
#include <asm/msr.h>
#include <asm/mtrr.h>
#include <keel/host.h>
#include <keel/irq.h>
#include <keel/state.h>
#include <keel/vcpu.h>
#include <keel/vendor.h>
#include <keel/vm.h>
#include "msr_filter.h"

struct msr_row;

typedef int (*msr_get_fn)(struct vcpu *vcpu, const struct msr_row *row, u32 msr, u64 *val);
typedef int (*msr_set_fn)(struct vcpu *vcpu, const struct msr_row *row, u32 msr, u64 val, enum msr_from from);

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
	msr_get_fn get;
	msr_set_fn set;
	u16 offset;
	u32 group;
	u64 mask;
};

#define ANY		(~0ull)
#define AT(member)	.offset = offsetof(struct vcpu, member)

/* ---- generic rows ---- */

static u64 *row_value(struct vcpu *vcpu, const struct msr_row *row, u32 msr)
{
	return (u64 *)((char *)vcpu + row->offset) + (msr - row->first);
}

static int get_stored(struct vcpu *vcpu, const struct msr_row *row, u32 msr, u64 *val)
{
	*val = *row_value(vcpu, row, msr);
	return 0;
}

static int set_stored(struct vcpu *vcpu, const struct msr_row *row, u32 msr, u64 val, enum msr_from from)
{
	if (val & ~row->mask)
		return MSR_INVALID;
	*row_value(vcpu, row, msr) = val;
	return 0;
}

/* Part of a register group. */
static int get_group(struct vcpu *vcpu, const struct msr_row *row, u32 msr, u64 *val)
{
	vcpu_need(vcpu, row->group);
	*val = *row_value(vcpu, row, msr);
	return 0;
}

static int set_group(struct vcpu *vcpu, const struct msr_row *row, u32 msr, u64 val, enum msr_from from)
{
	if (val & ~row->mask)
		return MSR_INVALID;
	vcpu_need(vcpu, row->group);
	*row_value(vcpu, row, msr) = val;
	vcpu_dirty(vcpu, row->group);
	return 0;
}

static bool is_canonical(struct vcpu *vcpu, u64 la)
{
	unsigned int unused = 64 - (vcpu_cr4(vcpu) & X86_CR4_LA57 ? 57 : 48);

	return (u64)((s64)(la << unused) >> unused) == la;
}

/* Part of a register group, and a linear address. */
static int set_address(struct vcpu *vcpu, const struct msr_row *row, u32 msr, u64 val, enum msr_from from)
{
	if (!is_canonical(vcpu, val))
		return MSR_INVALID;
	return set_group(vcpu, row, msr, val, from);
}

/* Constant: row->mask. */
static int get_constant(struct vcpu *vcpu, const struct msr_row *row, u32 msr, u64 *val)
{
	*val = row->mask;
	return 0;
}

static int set_ignored(struct vcpu *vcpu, const struct msr_row *row, u32 msr, u64 val, enum msr_from from)
{
	return 0;
}

/* Reads as zero and can be written with zero. */
static int set_zero(struct vcpu *vcpu, const struct msr_row *row, u32 msr, u64 val, enum msr_from from)
{
	return val ? MSR_INVALID : 0;
}

static int get_zero(struct vcpu *vcpu, const struct msr_row *row, u32 msr, u64 *val)
{
	*val = 0;
	return 0;
}

/* ---- time ---- */

static int get_tsc(struct vcpu *vcpu, const struct msr_row *row, u32 msr, u64 *val)
{
	*val = keel_tsc_read(vcpu);
	return 0;
}

static int set_tsc(struct vcpu *vcpu, const struct msr_row *row, u32 msr, u64 val, enum msr_from from)
{
	if (from == MSR_FROM_HOST)
		keel_tsc_write(vcpu, val);
	else
		keel_tsc_write_guest(vcpu, val);
	return 0;
}

/* The guest moves its TSC by the difference; a launcher restores the number alone. */
static int set_tsc_adjust(struct vcpu *vcpu, const struct msr_row *row, u32 msr, u64 val, enum msr_from from)
{
	if (from == MSR_FROM_GUEST)
		keel_tsc_adjust(vcpu, val - (u64)vcpu->tsc.adjust);
	vcpu->tsc.adjust = val;
	return 0;
}

static int get_deadline(struct vcpu *vcpu, const struct msr_row *row, u32 msr, u64 *val)
{
	*val = vcpu->lapic ? keel_lapic_get_deadline(vcpu) : 0;
	return 0;
}

static int set_deadline(struct vcpu *vcpu, const struct msr_row *row, u32 msr, u64 val, enum msr_from from)
{
	if (vcpu->lapic)
		keel_lapic_set_deadline(vcpu, val);
	return 0;
}

static int set_tsc_aux(struct vcpu *vcpu, const struct msr_row *row, u32 msr, u64 val, enum msr_from from)
{
	/* AMD keeps 64 bits of which 32 are defined; Intel refuses the upper half */
	if (val >> 32) {
		if (from == MSR_FROM_GUEST && !(vcpu->cpuid.flags & GUEST_IS_AMD))
			return MSR_INVALID;
		val = (u32)val;
	}
	vcpu->msrs.tsc_aux = val;
	preempt_disable();
	if (boot_cpu_has(X86_FEATURE_RDTSCP))
		keel_host_uret_set(URET_TSC_AUX, val);
	preempt_enable();
	return 0;
}

/* ---- local APIC ---- */

static int set_apic_base(struct vcpu *vcpu, const struct msr_row *row, u32 msr, u64 val, enum msr_from from)
{
	return keel_apic_base_set(vcpu, val, from == MSR_FROM_HOST) ? MSR_INVALID : 0;
}

static int get_x2apic(struct vcpu *vcpu, const struct msr_row *row, u32 msr, u64 *val)
{
	return keel_lapic_msr_get(vcpu, msr, val) ? MSR_INVALID : 0;
}

static int set_x2apic(struct vcpu *vcpu, const struct msr_row *row, u32 msr, u64 val, enum msr_from from)
{
	return keel_lapic_msr_set(vcpu, msr, val) ? MSR_INVALID : 0;
}

/* ---- memory types ---- */

#define MTRR_COUNT	8	/* variable ranges */
#define MTRR_CAP	(MTRR_COUNT | BIT(8) /* fixed ranges */ | BIT(10) /* write combining */)

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

/* Each of the eight types one of 0, 1, 4, 5, 6, 7: not bit 1 without bit 2. */
static bool pat_valid(u64 val)
{
	u64 bit1 = val & 0x0202020202020202ull, bit2 = val & 0x0404040404040404ull;

	return !(val & 0xf8f8f8f8f8f8f8f8ull) && !(bit1 & ~(bit2 >> 1));
}

static int set_pat(struct vcpu *vcpu, const struct msr_row *row, u32 msr, u64 val, enum msr_from from)
{
	return pat_valid(val) ? set_group(vcpu, row, msr, val, from) : MSR_INVALID;
}

static int set_mtrr_type(struct vcpu *vcpu, const struct msr_row *row, u32 msr, u64 val, enum msr_from from)
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

static int get_mtrr_fixed(struct vcpu *vcpu, const struct msr_row *row, u32 msr, u64 *val)
{
	int i = fixed_index(msr);

	if (i < 0)
		return MSR_UNKNOWN;
	*val = vcpu->msrs.mtrr_fixed[i];
	return 0;
}

static int set_mtrr_fixed(struct vcpu *vcpu, const struct msr_row *row, u32 msr, u64 val, enum msr_from from)
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
static int set_mtrr_var(struct vcpu *vcpu, const struct msr_row *row, u32 msr, u64 val, enum msr_from from)
{
	u64 reserved = vcpu->cpuid.reserved_gpa;

	if (msr & 1) {
		if (val & (reserved | 0x7ff))
			return MSR_INVALID;
	} else if ((val & (reserved | 0xf00)) || !mtrr_type_valid(val & 0xff)) {
		return MSR_INVALID;
	}
	return set_stored(vcpu, row, msr, val, from);
}

/* ---- machine check ---- */

static unsigned int mce_count(const struct vcpu *vcpu)
{
	return vcpu->msrs.mcg_cap & MCG_BANKCNT_MASK;
}

static int get_mce_bank(struct vcpu *vcpu, const struct msr_row *row, u32 msr, u64 *val)
{
	unsigned int i = msr - MSR_IA32_MC0_CTL;

	if (i >= mce_count(vcpu) * 4)
		return MSR_UNKNOWN;
	i = array_index_nospec(i, mce_count(vcpu) * 4);
	/* CTL is all ones after reset */
	*val = vcpu->msrs.mce_banks ? vcpu->msrs.mce_banks[i] : (i & 3) ? 0 : ~0ull;
	return 0;
}

#define HWCR_MC_STATUS_WR	BIT_ULL(18)

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

static int set_mce_bank(struct vcpu *vcpu, const struct msr_row *row, u32 msr, u64 val, enum msr_from from)
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

static int set_mcg_ctl(struct vcpu *vcpu, const struct msr_row *row, u32 msr, u64 val, enum msr_from from)
{
	if (val && !(vcpu->msrs.mcg_cap & MCG_CTL_P))
		return MSR_INVALID;
	if (val && val != ~0ull)
		return MSR_INVALID;
	vcpu->msrs.mcg_ctl = val;
	return 0;
}

/* ---- speculation ---- */

/* What the host's CPU has of SPEC_CTRL: a guest must not be able to make WRMSR fault in the host. */
static u64 spec_ctrl_bits(void)
{
	u64 bits = 0;

	if (boot_cpu_has(X86_FEATURE_SPEC_CTRL) || boot_cpu_has(X86_FEATURE_AMD_IBRS))
		bits |= SPEC_CTRL_IBRS;
	if (boot_cpu_has(X86_FEATURE_INTEL_STIBP) || boot_cpu_has(X86_FEATURE_AMD_STIBP))
		bits |= SPEC_CTRL_STIBP;
	if (boot_cpu_has(X86_FEATURE_SPEC_CTRL_SSBD) || boot_cpu_has(X86_FEATURE_AMD_SSBD))
		bits |= SPEC_CTRL_SSBD;
	return bits;
}

/* A backend that lets the guest write it directly knows the value; the others are told. */
static int get_spec_ctrl(struct vcpu *vcpu, const struct msr_row *row, u32 msr, u64 *val)
{
	if (keel_vendor->msr_get(vcpu, msr, val))
		*val = vcpu->msrs.spec_ctrl;
	return 0;
}

static int set_spec_ctrl(struct vcpu *vcpu, const struct msr_row *row, u32 msr, u64 val, enum msr_from from)
{
	if (val & ~spec_ctrl_bits())
		return MSR_INVALID;
	vcpu->msrs.spec_ctrl = val;
	keel_vendor->msr_set(vcpu, msr, val, from == MSR_FROM_HOST);
	return 0;
}

static int set_pred_cmd(struct vcpu *vcpu, const struct msr_row *row, u32 msr, u64 val, enum msr_from from)
{
	if (val & ~(u64)PRED_CMD_IBPB)
		return MSR_INVALID;
	if (val && from == MSR_FROM_GUEST)
		keel_host_ibpb();
	return 0;
}

/* ---- identity and features ---- */

/* Bits of ARCH_CAPABILITIES that say a CPU is free of a fault: true for the guest if true for the host. */
#define ARCH_CAPS_PASSED	(ARCH_CAP_RDCL_NO | ARCH_CAP_IBRS_ALL | ARCH_CAP_RSBA | ARCH_CAP_SSB_NO | \
				 ARCH_CAP_MDS_NO | ARCH_CAP_PSCHANGE_MC_NO | ARCH_CAP_TAA_NO | \
				 ARCH_CAP_SBDR_SSDP_NO | ARCH_CAP_FBSDP_NO | ARCH_CAP_PSDP_NO | \
				 ARCH_CAP_FB_CLEAR | ARCH_CAP_RRSBA | ARCH_CAP_PBRSB_NO | ARCH_CAP_GDS_NO)

static u64 arch_capabilities(void)
{
	u64 caps = 0;

	if (boot_cpu_has(X86_FEATURE_ARCH_CAPABILITIES))
		rdmsrl(MSR_IA32_ARCH_CAPABILITIES, caps);
	caps &= ARCH_CAPS_PASSED;
	/* page-size changes are the host's business; what the CPU lacks the flag for the kernel may still know */
	caps |= ARCH_CAP_PSCHANGE_MC_NO | ARCH_CAP_SKIP_VMENTRY_L1DFLUSH;
	if (!boot_cpu_has_bug(X86_BUG_CPU_MELTDOWN))
		caps |= ARCH_CAP_RDCL_NO;
	if (!boot_cpu_has_bug(X86_BUG_SPEC_STORE_BYPASS))
		caps |= ARCH_CAP_SSB_NO;
	if (!boot_cpu_has_bug(X86_BUG_MDS))
		caps |= ARCH_CAP_MDS_NO;
	return caps;
}

static u64 de_cfg_bits(void)
{
	return boot_cpu_has(X86_FEATURE_LFENCE_RDTSC) ? MSR_AMD64_DE_CFG_LFENCE_SERIALIZE : 0;
}

/* The guest may write what is there. */
static int set_de_cfg(struct vcpu *vcpu, const struct msr_row *row, u32 msr, u64 val, enum msr_from from)
{
	if (val & ~de_cfg_bits())
		return MSR_INVALID;
	if (from == MSR_FROM_GUEST && val != vcpu->msrs.de_cfg)
		return MSR_INVALID;
	vcpu->msrs.de_cfg = val;
	return 0;
}

#define HWCR_IGNORED	(BIT_ULL(3) | BIT_ULL(6) | BIT_ULL(8))	/* TlbCacheDis, FFDIS, IGNNE_EM: old kernels set them */
#define HWCR_STORED	(HWCR_MC_STATUS_WR | BIT_ULL(24))	/* and TscFreqSel */

static int set_hwcr(struct vcpu *vcpu, const struct msr_row *row, u32 msr, u64 val, enum msr_from from)
{
	val &= ~HWCR_IGNORED;
	if (val & ~HWCR_STORED)
		return MSR_INVALID;
	vcpu->msrs.hwcr = val;
	return 0;
}

static int set_misc_enable(struct vcpu *vcpu, const struct msr_row *row, u32 msr, u64 val, enum msr_from from)
{
	u64 changed = vcpu->msrs.misc_enable ^ val;
	const u64 read_only = MSR_IA32_MISC_ENABLE_BTS_UNAVAIL | MSR_IA32_MISC_ENABLE_PEBS_UNAVAIL;

	if (from == MSR_FROM_GUEST)
		val = (val & ~read_only) | (vcpu->msrs.misc_enable & read_only);
	vcpu->msrs.misc_enable = val;
	if (changed & MSR_IA32_MISC_ENABLE_MWAIT)
		keel_cpuid_update_runtime(vcpu);
	return 0;
}

/* CPUID faulting that is on must stay possible; ratios and the like are for the guest to read. */
static int set_platform_info(struct vcpu *vcpu, const struct msr_row *row, u32 msr, u64 val, enum msr_from from)
{
	if (!(val & MSR_PLATFORM_INFO_CPUID_FAULT) && vcpu->msrs.misc_features)
		return MSR_INVALID;
	vcpu->msrs.platform_info = val;
	return 0;
}

static int set_misc_features(struct vcpu *vcpu, const struct msr_row *row, u32 msr, u64 val, enum msr_from from)
{
	if (val & ~(u64)MSR_MISC_FEATURES_ENABLES_CPUID_FAULT)
		return MSR_INVALID;
	if (val && !(vcpu->msrs.platform_info & MSR_PLATFORM_INFO_CPUID_FAULT))
		return MSR_INVALID;
	vcpu->msrs.misc_features = val;
	return 0;
}

static int set_xss(struct vcpu *vcpu, const struct msr_row *row, u32 msr, u64 val, enum msr_from from)
{
	if (val & ~vcpu->cpuid.xss_allowed)
		return MSR_INVALID;
	vcpu->msrs.xss = val;
	keel_cpuid_update_runtime(vcpu);
	return 0;
}

/* ---- long mode ---- */

static int set_efer(struct vcpu *vcpu, const struct msr_row *row, u32 msr, u64 val, enum msr_from from)
{
	u64 old = vcpu_efer(vcpu);

	if (from == MSR_FROM_GUEST)
		return keel_set_efer(vcpu, val) ? MSR_INVALID : 0;
	if (val & ~vcpu->cpuid.efer_allowed & ~(u64)EFER_LMA)
		return MSR_INVALID;
	if (vcpu_is_paging(vcpu) && ((old ^ val) & EFER_LME))
		return MSR_INVALID;
	vcpu->regs.efer = (val & ~(u64)EFER_LMA) | (old & EFER_LMA);
	vcpu_dirty(vcpu, RG_EFER);
	return 0;
}

static int get_segment_base(struct vcpu *vcpu, const struct msr_row *row, u32 msr, u64 *val)
{
	*val = vcpu_seg(vcpu, msr == MSR_FS_BASE ? SEG_FS : SEG_GS)->base;
	return 0;
}

static int set_segment_base(struct vcpu *vcpu, const struct msr_row *row, u32 msr, u64 val, enum msr_from from)
{
	if (!is_canonical(vcpu, val))
		return MSR_INVALID;
	vcpu_seg(vcpu, msr == MSR_FS_BASE ? SEG_FS : SEG_GS)->base = val;
	vcpu_dirty(vcpu, RG_SEG);
	return 0;
}

/* ---- paravirtual ---- */

static int set_clock(struct vcpu *vcpu, const struct msr_row *row, u32 msr, u64 val, enum msr_from from)
{
	return keel_clock_msr_set(vcpu, msr, val) ? MSR_INVALID : 0;
}

static int set_steal_time(struct vcpu *vcpu, const struct msr_row *row, u32 msr, u64 val, enum msr_from from)
{
	return keel_pv_set_steal_time(vcpu, val) ? MSR_INVALID : 0;
}

static int set_pv_eoi(struct vcpu *vcpu, const struct msr_row *row, u32 msr, u64 val, enum msr_from from)
{
	return keel_lapic_set_pv_eoi(vcpu, val) ? MSR_INVALID : 0;
}

/* ---- the table, by number ---- */

#define PV(feature)	.pv = KVM_FEATURE_##feature + 1
#define ONE(n)		.first = (n), .last = (n)
#define RANGE(a, b)	.first = (a), .last = (b)
#define STORED(m)	.get = get_stored, .set = set_stored, AT(m)
#define GROUP(g, m)	.get = get_group, .set = set_group, .group = (g), AT(m)
#define ZERO		.get = get_zero, .set = set_zero
#define READ_ZERO	.get = get_zero

static const struct msr_row rows[] = {
	{ RANGE(MSR_IA32_P5_MC_ADDR, MSR_IA32_P5_MC_TYPE), READ_ZERO },
	{ ONE(MSR_IA32_TSC), .flags = ROW_LIST, .get = get_tsc, .set = set_tsc },
	{ ONE(MSR_KVM_WALL_CLOCK), .flags = ROW_LIST, PV(CLOCKSOURCE), .get = get_stored, .set = set_clock, AT(pv.wall_clock) },
	{ ONE(MSR_KVM_SYSTEM_TIME), .flags = ROW_LIST, PV(CLOCKSOURCE), .get = get_stored, .set = set_clock, AT(pv.system_time) },
	{ ONE(MSR_IA32_PLATFORM_ID), READ_ZERO },
	{ ONE(MSR_IA32_APICBASE), .get = get_stored, .set = set_apic_base, AT(apic_base) },
	{ ONE(MSR_IA32_EBL_CR_POWERON), READ_ZERO },
	{ ONE(MSR_IA32_TSC_ADJUST), .flags = ROW_LIST, .needs = GUEST_HAS_TSC_ADJUST, .get = get_stored, .set = set_tsc_adjust,
	  AT(tsc.adjust) },
	{ ONE(MSR_IA32_SPEC_CTRL), .flags = ROW_LIST, .needs = GUEST_HAS_SPEC_CTRL, .get = get_spec_ctrl, .set = set_spec_ctrl },
	{ ONE(MSR_IA32_PRED_CMD), .flags = ROW_WRITE_ONLY, .needs = GUEST_HAS_IBPB, .get = get_zero, .set = set_pred_cmd },
	{ ONE(MSR_IA32_UCODE_WRITE), .get = get_zero, .set = set_ignored },
	{ ONE(MSR_IA32_UCODE_REV), .flags = ROW_LIST | ROW_GUEST_DROP, STORED(msrs.ucode_rev), .mask = ANY },
	{ RANGE(MSR_P6_PERFCTR0, MSR_P6_PERFCTR1), ZERO },
	{ ONE(MSR_PLATFORM_INFO), .flags = ROW_LIST | ROW_HOST_SET | ROW_PLATFORM, .get = get_stored, .set = set_platform_info,
	  AT(msrs.platform_info) },
	{ ONE(MSR_MTRRcap), .get = get_constant, .mask = MTRR_CAP },
	{ ONE(MSR_IA32_ARCH_CAPABILITIES), .flags = ROW_LIST | ROW_HOST_SET, .needs = GUEST_HAS_ARCH_CAPS,
	  STORED(msrs.arch_capabilities), .mask = ANY },
	{ ONE(MSR_MISC_FEATURES_ENABLES), .flags = ROW_LIST, .get = get_stored, .set = set_misc_features, AT(msrs.misc_features) },
	{ ONE(MSR_IA32_SYSENTER_CS), .flags = ROW_LIST, GROUP(RG_SYSCALL, regs.sysenter_cs), .mask = ANY },
	{ ONE(MSR_IA32_SYSENTER_ESP), .flags = ROW_LIST, .get = get_group, .set = set_address, .group = RG_SYSCALL,
	  AT(regs.sysenter_esp), .mask = ANY },
	{ ONE(MSR_IA32_SYSENTER_EIP), .flags = ROW_LIST, .get = get_group, .set = set_address, .group = RG_SYSCALL,
	  AT(regs.sysenter_eip), .mask = ANY },
	{ ONE(MSR_IA32_MCG_CAP), .get = get_stored, AT(msrs.mcg_cap) },
	{ ONE(MSR_IA32_MCG_STATUS), .flags = ROW_LIST, STORED(msrs.mcg_status), .mask = ANY },
	{ ONE(MSR_IA32_MCG_CTL), .flags = ROW_LIST | ROW_MCG_CTL, .get = get_stored, .set = set_mcg_ctl, AT(msrs.mcg_ctl) },
	{ RANGE(MSR_P6_EVNTSEL0, MSR_P6_EVNTSEL1), ZERO },
	/* bus to core ratios as a fixed 4; old guests divide by it */
	{ ONE(MSR_IA32_PERF_STATUS), .get = get_constant, .mask = 1000 | 4ull << 40 },
	{ ONE(MSR_IA32_PERF_CTL), READ_ZERO },
	{ ONE(MSR_IA32_MISC_ENABLE), .flags = ROW_LIST, .get = get_stored, .set = set_misc_enable, AT(msrs.misc_enable) },
	/* how idle states behave, of which a guest has none: a value to keep */
	{ ONE(MSR_IA32_POWER_CTL), .flags = ROW_LIST, STORED(msrs.power_ctl), .mask = ANY },
	{ RANGE(MTRRphysBase_MSR(0), MTRRphysMask_MSR(MTRR_COUNT - 1)), .needs = GUEST_HAS_MTRR, .get = get_stored,
	  .set = set_mtrr_var, AT(msrs.mtrr_var), .mask = ANY },
	{ RANGE(MSR_MTRRfix64K_00000, MSR_MTRRfix4K_F8000), .needs = GUEST_HAS_MTRR, .get = get_mtrr_fixed,
	  .set = set_mtrr_fixed },
	{ ONE(MSR_IA32_CR_PAT), .flags = ROW_LIST, .get = get_group, .set = set_pat, .group = RG_PAT, AT(regs.pat), .mask = ANY },
	{ ONE(MSR_MTRRdefType), .needs = GUEST_HAS_MTRR, .get = get_stored, .set = set_mtrr_type, AT(msrs.mtrr_def_type) },
	{ RANGE(MSR_IA32_MC0_CTL, MSR_IA32_MC0_CTL + 4 * MCE_BANKS_MAX - 1), .get = get_mce_bank, .set = set_mce_bank },
	/* energy: some guests read these without asking CPUID */
	{ ONE(MSR_RAPL_POWER_UNIT), READ_ZERO },
	{ ONE(MSR_PKG_ENERGY_STATUS), READ_ZERO },
	{ ONE(MSR_DRAM_ENERGY_STATUS), READ_ZERO },
	{ ONE(MSR_PP0_ENERGY_STATUS), READ_ZERO },
	{ ONE(MSR_PP1_ENERGY_STATUS), READ_ZERO },
	{ ONE(MSR_IA32_TSC_DEADLINE), .flags = ROW_LIST, .needs = GUEST_HAS_TSC_DEADLINE, .get = get_deadline, .set = set_deadline },
	{ RANGE(APIC_BASE_MSR, APIC_BASE_MSR + 0xff), .get = get_x2apic, .set = set_x2apic },
	{ ONE(MSR_IA32_XSS), .flags = ROW_LIST, .needs = GUEST_HAS_XSAVES, .get = get_stored, .set = set_xss, AT(msrs.xss) },

	{ ONE(MSR_KVM_WALL_CLOCK_NEW), .flags = ROW_LIST, PV(CLOCKSOURCE2), .get = get_stored, .set = set_clock,
	  AT(pv.wall_clock) },
	{ ONE(MSR_KVM_SYSTEM_TIME_NEW), .flags = ROW_LIST, PV(CLOCKSOURCE2), .get = get_stored, .set = set_clock,
	  AT(pv.system_time) },
	{ ONE(MSR_KVM_STEAL_TIME), .flags = ROW_LIST, PV(STEAL_TIME), .get = get_stored, .set = set_steal_time, AT(pv.steal_time) },
	{ ONE(MSR_KVM_PV_EOI_EN), .flags = ROW_LIST, PV(PV_EOI), .get = get_stored, .set = set_pv_eoi, AT(pv.eoi) },

	{ ONE(MSR_EFER), .get = get_group, .set = set_efer, .group = RG_EFER, AT(regs.efer) },
	{ ONE(MSR_STAR), .flags = ROW_LIST, GROUP(RG_SYSCALL, regs.star), .mask = ANY },
	{ ONE(MSR_LSTAR), .flags = ROW_LIST, .get = get_group, .set = set_address, .group = RG_SYSCALL, AT(regs.lstar), .mask = ANY },
	{ ONE(MSR_CSTAR), .flags = ROW_LIST, .get = get_group, .set = set_address, .group = RG_SYSCALL, AT(regs.cstar), .mask = ANY },
	{ ONE(MSR_SYSCALL_MASK), .flags = ROW_LIST, GROUP(RG_SYSCALL, regs.sfmask), .mask = 0xffffffff },
	{ RANGE(MSR_FS_BASE, MSR_GS_BASE), .get = get_segment_base, .set = set_segment_base },
	{ ONE(MSR_KERNEL_GS_BASE), .flags = ROW_LIST, .get = get_group, .set = set_address, .group = RG_SYSCALL,
	  AT(regs.kernel_gs_base), .mask = ANY },
	{ ONE(MSR_TSC_AUX), .flags = ROW_LIST, .needs = GUEST_HAS_RDTSCP, .get = get_stored, .set = set_tsc_aux,
	  AT(msrs.tsc_aux) },

	/* AMD */
	{ RANGE(MSR_K7_EVNTSEL0, MSR_K7_PERFCTR3), ZERO },
	{ ONE(MSR_AMD64_SYSCFG), ZERO },
	{ ONE(MSR_K7_HWCR), .flags = ROW_LIST, .get = get_stored, .set = set_hwcr, AT(msrs.hwcr) },
	{ ONE(MSR_K7_CLK_CTL), .get = get_constant, .mask = 0x20000000 },
	{ ONE(MSR_K8_TOP_MEM2), ZERO },
	{ ONE(MSR_AMD64_NB_CFG), ZERO },
	{ ONE(MSR_AMD64_PATCH_LOADER), .flags = ROW_WRITE_ONLY, .get = get_zero, .set = set_ignored },
	{ ONE(MSR_K8_INT_PENDING_MSG), READ_ZERO },
	{ ONE(MSR_FAM10H_MMIO_CONF_BASE), ZERO },
	{ RANGE(MSR_K8_TSEG_ADDR, MSR_K8_TSEG_MASK), READ_ZERO },
	/* of the errata that OSVW tells of, the first three do not show in a guest */
	{ ONE(MSR_AMD64_OSVW_ID_LENGTH), .flags = ROW_GUEST_DROP, .get = get_constant, .set = set_ignored, .mask = 3 },
	{ ONE(MSR_AMD64_OSVW_STATUS), .flags = ROW_GUEST_DROP, .get = get_zero, .set = set_ignored },
	{ RANGE(MSR_AMD64_DC_CFG, MSR_AMD64_TW_CFG), .get = get_zero, .set = set_ignored },
	{ ONE(MSR_AMD64_DE_CFG), .flags = ROW_LIST, .get = get_stored, .set = set_de_cfg, AT(msrs.de_cfg) },
	{ ONE(MSR_AMD64_BU_CFG2), .get = get_zero, .set = set_ignored },
	{ ONE(MSR_F15H_EX_CFG), .get = get_zero, .set = set_ignored },
};

/* Binary search: the rows are in ascending order and do not overlap. */
static const struct msr_row *find_row(u32 msr)
{
	unsigned int low = 0, high = ARRAY_SIZE(rows);

	while (low < high) {
		unsigned int mid = (low + high) / 2;

		if (msr > rows[mid].last)
			low = mid + 1;
		else if (msr < rows[mid].first)
			high = mid;
		else
			return &rows[mid];
	}
	return NULL;
}

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

/* ---- reading and writing ---- */

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
	const struct msr_row *row = find_row(msr);
	int ret;

	if (from == MSR_FROM_GUEST && !msr_filter_allows(vcpu->vm, msr, KVM_MSR_FILTER_READ))
		return MSR_FILTERED;
	if (!row) {
		ret = keel_vendor->msr_get(vcpu, msr, val);
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
	const struct msr_row *row = find_row(msr);
	int ret;

	if (from == MSR_FROM_GUEST && !msr_filter_allows(vcpu->vm, msr, KVM_MSR_FILTER_WRITE))
		return MSR_FILTERED;
	if (!row) {
		ret = keel_vendor->msr_set(vcpu, msr, val, from == MSR_FROM_HOST);
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
 * Return: 0, or MSR_SLOW: ask keel_msr_get().
 */
int keel_msr_get_fast(struct vcpu *vcpu, u32 msr, u64 *val)
{
	if (msr - APIC_BASE_MSR <= 0xff)	/* never filtered */
		return keel_lapic_msr_get(vcpu, msr, val) ? MSR_SLOW : 0;
	if (unlikely(rcu_access_pointer(vcpu->vm->msr_filter)))
		return MSR_SLOW;
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
			return MSR_SLOW;
		return get_spec_ctrl(vcpu, NULL, msr, val);
	default:
		return MSR_SLOW;
	}
}

/**
 * keel_msr_set_fast() - write an MSR in the inner loop
 * @vcpu: loaded, interrupts off
 * @msr: number
 * @val: value
 *
 * Return: 0, or MSR_SLOW with nothing changed: ask keel_msr_set().
 */
int keel_msr_set_fast(struct vcpu *vcpu, u32 msr, u64 val)
{
	if (msr - APIC_BASE_MSR <= 0xff)	/* never filtered; a refusal changes nothing */
		return keel_lapic_msr_set(vcpu, msr, val) ? MSR_SLOW : 0;
	if (unlikely(rcu_access_pointer(vcpu->vm->msr_filter)))
		return MSR_SLOW;
	switch (msr) {
	case MSR_IA32_TSC_DEADLINE:
		if (!vcpu->lapic || !(vcpu->cpuid.flags & GUEST_HAS_TSC_DEADLINE))
			return MSR_SLOW;
		keel_lapic_set_deadline(vcpu, val);
		return 0;
	case MSR_IA32_CR_PAT:
		if (!pat_valid(val))
			return MSR_SLOW;
		vcpu->regs.pat = val;
		vcpu_dirty(vcpu, RG_PAT);
		return 0;
	case MSR_IA32_SPEC_CTRL:
		if (!(vcpu->cpuid.flags & GUEST_HAS_SPEC_CTRL) || (val & ~spec_ctrl_bits()))
			return MSR_SLOW;
		return set_spec_ctrl(vcpu, NULL, msr, val, MSR_FROM_GUEST);
	default:
		return MSR_SLOW;
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
	m->arch_capabilities = arch_capabilities();
	m->ucode_rev = keel_caps.ucode_rev;
	m->de_cfg = de_cfg_bits();
}

void keel_msr_vcpu_destroy(struct vcpu *vcpu)
{
	kfree(vcpu->msrs.mce_banks);
	vcpu->msrs.mce_banks = NULL;
}

/* ---- lists ---- */

static int copy_list(const u32 *from, u32 count, u32 *indices, u32 *n)
{
	u32 room = *n;

	*n = count;
	if (room < count)
		return -E2BIG;
	memcpy(indices, from, count * sizeof(*from));
	return 0;
}

/**
 * keel_msr_list() - KVM_GET_MSR_INDEX_LIST: what makes up a vCPU's state beside its registers
 * @indices: room for *@n
 * @n: in: room; out: count
 *
 * Return: 0 or -E2BIG.
 */
int keel_msr_list(u32 *indices, u32 *n)
{
	u32 list[ARRAY_SIZE(rows)];
	unsigned int i;
	u32 count = 0;

	for (i = 0; i < ARRAY_SIZE(rows); i++)
		if (rows[i].flags & ROW_LIST)
			list[count++] = rows[i].first;
	return copy_list(list, count, indices, n);
}

/* What a launcher may ask of the host before it makes a vCPU. */
static const u32 feature_msrs[] = { MSR_IA32_UCODE_REV, MSR_IA32_ARCH_CAPABILITIES, MSR_AMD64_DE_CFG };

int keel_msr_feature_list(u32 *indices, u32 *n)
{
	return copy_list(feature_msrs, ARRAY_SIZE(feature_msrs), indices, n);
}

/**
 * keel_msr_feature_get() - system-wide KVM_GET_MSRS
 * @msr: one of the feature list
 * @val: what guests may be given
 *
 * Return: 0, 1 if it is none.
 */
int keel_msr_feature_get(u32 msr, u64 *val)
{
	switch (msr) {
	case MSR_IA32_UCODE_REV:
		return rdmsrl_safe(msr, val) ? 1 : 0;
	case MSR_IA32_ARCH_CAPABILITIES:
		*val = arch_capabilities();
		return 0;
	case MSR_AMD64_DE_CFG:
		*val = de_cfg_bits();
		return 0;
	default:
		return 1;
	}
}
