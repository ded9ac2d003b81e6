// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which MSRs a guest has: one table of rows, each with the CPUID feature that brings it and what reads and writes it.
 *
 * Most rows are plain storage with a mask of the bits that may be set; those are served here, and those whose work is another
 * file's of core/ or irqchip/. msr_memtype.c, msr_mce.c and msr_feature.c have the rest. No MSR here reaches the host's, but
 * for the barriers that a guest may issue.
 */
#include <linux/bits.h>
#include <linux/errno.h>
#include <linux/kvm_para.h>
#include <linux/preempt.h>
#include <linux/stddef.h>
#include <linux/string.h>
#include <asm/apicdef.h>
#include <asm/cpufeature.h>
#include <asm/msr-index.h>
#include <asm/mtrr.h>
#include <keel/access.h>
#include <keel/host.h>
#include <keel/irq.h>
#include <keel/state.h>
#include <keel/vcpu.h>
#include "msr.h"

#define ANY		(~0ull)
#define AT(member)	.offset = offsetof(struct vcpu, member)

/* ---- generic rows ---- */

static int get_stored(struct vcpu *vcpu, const struct msr_row *row, u32 msr, u64 *val)
{
	*val = *msr_row_value(vcpu, row, msr);
	return 0;
}

/* Part of a register group. */
static int get_group(struct vcpu *vcpu, const struct msr_row *row, u32 msr, u64 *val)
{
	vcpu_need(vcpu, row->group);
	*val = *msr_row_value(vcpu, row, msr);
	return 0;
}

/* As wide as the CPU's addresses can be: that paging has 4 levels at present does not matter (SDM, "Canonicality Checking"). */
static bool is_canonical(struct vcpu *vcpu, u64 la)
{
	u64 cr4 = vcpu_cr4(vcpu) | vcpu->cpuid.allowed[SET_CR4];
	unsigned int unused = 64 - (cr4 & X86_CR4_LA57 ? 57 : 48);

	return (u64)((s64)(la << unused) >> unused) == la;
}

/* Part of a register group, and a linear address. */
static int set_address(struct vcpu *vcpu, const struct msr_row *row, u32 msr, u64 val, enum msr_from from)
{
	if (!is_canonical(vcpu, val))
		return MSR_INVALID;
	return msr_set_group(vcpu, row, msr, val, from);
}

/* Constant: row->mask, 0 where the row says none. */
static int get_constant(struct vcpu *vcpu, const struct msr_row *row, u32 msr, u64 *val)
{
	*val = row->mask;
	return 0;
}

static int set_ignored(struct vcpu *vcpu, const struct msr_row *row, u32 msr, u64 val, enum msr_from from)
{
	return 0;
}

/* A setter of one call or test, which says whether it failed. */
#define SETTER(name, failed)													\
static int set_##name(struct vcpu *vcpu, const struct msr_row *row, u32 msr, u64 val, enum msr_from from)			\
{																\
	return (failed) ? MSR_INVALID : 0;											\
}

/* Reads as zero and can be written with zero. */
SETTER(zero, val)

/* Of Intel's CPUs. Without VMX in the guest there is nothing but the lock, which holds until a reset. */
static int get_feature_control(struct vcpu *vcpu, const struct msr_row *row, u32 msr, u64 *val)
{
	*val = vcpu->msrs.feature_control;
	return vcpu->cpuid.flags & GUEST_IS_AMD ? MSR_INVALID : 0;
}

static int set_feature_control(struct vcpu *vcpu, const struct msr_row *row, u32 msr, u64 val, enum msr_from from)
{
	bool locked = from == MSR_FROM_GUEST && (vcpu->msrs.feature_control & FEAT_CTL_LOCKED);

	if ((vcpu->cpuid.flags & GUEST_IS_AMD) || (val & ~(u64)FEAT_CTL_LOCKED) || locked)
		return MSR_INVALID;
	vcpu->msrs.feature_control = val;
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
		keel_host_uret_tsc_aux(val);
	preempt_enable();
	return 0;
}

/* ---- local APIC ---- */

SETTER(apic_base, keel_apic_base_set(vcpu, val, from == MSR_FROM_HOST))

static int get_x2apic(struct vcpu *vcpu, const struct msr_row *row, u32 msr, u64 *val)
{
	return keel_lapic_msr_get(vcpu, msr, val) ? MSR_INVALID : 0;
}

SETTER(x2apic, keel_lapic_msr_set(vcpu, msr, val))

/* ---- long mode ---- */

SETTER(efer, keel_set_efer(vcpu, val, msr_allowed(vcpu, SET_EFER, from)))

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

SETTER(clock, keel_clock_msr_set(vcpu, msr, val))
SETTER(steal_time, keel_pv_set_steal_time(vcpu, val))
SETTER(pv_eoi, keel_lapic_set_pv_eoi(vcpu, val))

/* ---- the table, by number ---- */

#define PV(feature)	.pv = KVM_FEATURE_##feature + 1
#define ONE(n)		.first = (n), .last = (n)
#define RANGE(a, b)	.first = (a), .last = (b)
#define STORED(m)	.get = get_stored, .set = msr_set_stored, AT(m)
#define GROUP(g, m)	.get = get_group, .set = msr_set_group, .group = (g), AT(m)
#define ZERO		.get = get_constant, .set = set_zero
#define READ_ZERO	.get = get_constant
/* Counters that count nothing: there is no PMU, but old guests program them without asking. */
#define IDLE_COUNTER	.get = get_constant, .set = set_ignored

static const struct msr_row rows[] = {
	{ RANGE(MSR_IA32_P5_MC_ADDR, MSR_IA32_P5_MC_TYPE), READ_ZERO },
	{ ONE(MSR_IA32_TSC), .flags = ROW_LIST, .get = get_tsc, .set = set_tsc },
	{ ONE(MSR_KVM_WALL_CLOCK), .flags = ROW_LIST, PV(CLOCKSOURCE), .get = get_stored, .set = set_clock, AT(pv.wall_clock) },
	{ ONE(MSR_KVM_SYSTEM_TIME), .flags = ROW_LIST, PV(CLOCKSOURCE), .get = get_stored, .set = set_clock, AT(pv.system_time) },
	{ ONE(MSR_IA32_PLATFORM_ID), READ_ZERO },
	{ ONE(MSR_IA32_APICBASE), .get = get_stored, .set = set_apic_base, AT(apic.base) },
	{ ONE(MSR_IA32_EBL_CR_POWERON), READ_ZERO },
	/* from here to SMI_COUNT, and 0xcd and 0x11e: no model has them all, but old guests read them unasked */
	{ ONE(MSR_EBC_FREQUENCY_ID), .get = get_constant, .mask = BIT_ULL(24) },	/* core clock: bus clock times 1 */
	{ ONE(MSR_SMI_COUNT), READ_ZERO },
	{ ONE(MSR_IA32_FEAT_CTL), .get = get_feature_control, .set = set_feature_control, AT(msrs.feature_control) },
	{ ONE(MSR_IA32_TSC_ADJUST), .flags = ROW_LIST, .needs = GUEST_HAS_TSC_ADJUST, .get = get_stored, .set = set_tsc_adjust,
	  AT(tsc.adjust) },
	{ ONE(MSR_IA32_SPEC_CTRL), .flags = ROW_LIST, .needs = GUEST_HAS_SPEC_CTRL,
	  .get = msr_get_spec_ctrl, .set = msr_set_spec_ctrl },
	{ ONE(MSR_IA32_PRED_CMD), .flags = ROW_WRITE_ONLY, .needs = GUEST_HAS_PRED_CMD, .get = get_constant, .set = msr_set_pred_cmd },
	{ ONE(MSR_IA32_UCODE_WRITE), .get = get_constant, .set = set_ignored },
	{ ONE(MSR_IA32_UCODE_REV), .flags = ROW_LIST | ROW_GUEST_DROP, STORED(msrs.ucode_rev), .mask = ANY },
	{ RANGE(MSR_P6_PERFCTR0, MSR_P6_PERFCTR1), IDLE_COUNTER },
	{ ONE(MSR_FSB_FREQ), .get = get_constant, .mask = 3 },
	{ ONE(MSR_PLATFORM_INFO), .flags = ROW_LIST | ROW_HOST_SET | ROW_PLATFORM, .get = get_stored, .set = msr_set_platform_info,
	  AT(msrs.platform_info) },
	{ ONE(MSR_MTRRcap), .get = get_constant, .mask = MTRR_CAP },
	{ ONE(MSR_IA32_ARCH_CAPABILITIES), .flags = ROW_LIST | ROW_HOST_SET, .needs = GUEST_HAS_ARCH_CAPS,
	  STORED(msrs.arch_capabilities), .mask = ANY },
	/* an L2 cache that is there and enabled */
	{ ONE(MSR_IA32_BBL_CR_CTL3), .get = get_constant, .set = set_ignored, .mask = 0xbe702111 },
	{ ONE(MSR_MISC_FEATURES_ENABLES), .flags = ROW_LIST, .get = get_stored,
	  .set = msr_set_misc_features, AT(msrs.misc_features) },
	{ ONE(MSR_IA32_SYSENTER_CS), .flags = ROW_LIST, GROUP(RG_SYSCALL, regs.sysenter_cs), .mask = ANY },
	{ ONE(MSR_IA32_SYSENTER_ESP), .flags = ROW_LIST, .get = get_group, .set = set_address, .group = RG_SYSCALL,
	  AT(regs.sysenter_esp), .mask = ANY },
	{ ONE(MSR_IA32_SYSENTER_EIP), .flags = ROW_LIST, .get = get_group, .set = set_address, .group = RG_SYSCALL,
	  AT(regs.sysenter_eip), .mask = ANY },
	{ ONE(MSR_IA32_MCG_CAP), .get = get_stored, AT(msrs.mcg_cap) },
	{ ONE(MSR_IA32_MCG_STATUS), .flags = ROW_LIST, STORED(msrs.mcg_status), .mask = ANY },
	{ ONE(MSR_IA32_MCG_CTL), .flags = ROW_LIST | ROW_MCG_CTL, .get = get_stored, .set = msr_set_mcg_ctl, AT(msrs.mcg_ctl) },
	{ RANGE(MSR_P6_EVNTSEL0, MSR_P6_EVNTSEL1), IDLE_COUNTER },
	/* bus to core ratios as a fixed 4; old guests divide by it */
	{ ONE(MSR_IA32_PERF_STATUS), .get = get_constant, .mask = 1000 | 4ull << 40 },
	{ ONE(MSR_IA32_PERF_CTL), READ_ZERO },
	{ ONE(MSR_IA32_MISC_ENABLE), .flags = ROW_LIST, .get = get_stored, .set = msr_set_misc_enable, AT(msrs.misc_enable) },
	/* how idle states behave, of which a guest has none: a value to keep */
	{ ONE(MSR_IA32_POWER_CTL), .flags = ROW_LIST, STORED(msrs.power_ctl), .mask = ANY },
	{ RANGE(MTRRphysBase_MSR(0), MTRRphysMask_MSR(MTRR_COUNT - 1)), .needs = GUEST_HAS_MTRR, .get = get_stored,
	  .set = msr_set_mtrr_var, AT(msrs.mtrr_var), .mask = ANY },
	{ RANGE(MSR_MTRRfix64K_00000, MSR_MTRRfix4K_F8000), .needs = GUEST_HAS_MTRR, .get = msr_get_mtrr_fixed,
	  .set = msr_set_mtrr_fixed },
	{ ONE(MSR_IA32_CR_PAT), .flags = ROW_LIST, .get = get_group, .set = msr_set_pat,
	  .group = RG_PAT, AT(regs.pat), .mask = ANY },
	{ ONE(MSR_MTRRdefType), .needs = GUEST_HAS_MTRR, .get = get_stored, .set = msr_set_mtrr_type, AT(msrs.mtrr_def_type) },
	{ RANGE(MSR_IA32_MC0_CTL, MSR_IA32_MC0_CTL + 4 * MCE_BANKS_MAX - 1), .get = msr_get_mce_bank, .set = msr_set_mce_bank },
	/* energy: some guests read these without asking CPUID */
	{ ONE(MSR_RAPL_POWER_UNIT), READ_ZERO },
	{ ONE(MSR_PKG_ENERGY_STATUS), READ_ZERO },
	{ ONE(MSR_DRAM_ENERGY_STATUS), READ_ZERO },
	{ ONE(MSR_PP0_ENERGY_STATUS), READ_ZERO },
	{ ONE(MSR_PP1_ENERGY_STATUS), READ_ZERO },
	{ ONE(MSR_IA32_TSC_DEADLINE), .flags = ROW_LIST, .needs = GUEST_HAS_TSC_DEADLINE, .get = get_deadline, .set = set_deadline },
	{ RANGE(APIC_BASE_MSR, APIC_BASE_MSR + 0xff), .get = get_x2apic, .set = set_x2apic },
	{ ONE(MSR_IA32_XSS), .flags = ROW_LIST, .needs = GUEST_HAS_XSAVES, .get = get_stored, .set = msr_set_xss, AT(msrs.xss) },

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
	{ RANGE(MSR_K7_EVNTSEL0, MSR_K7_PERFCTR3), IDLE_COUNTER },
	{ ONE(MSR_AMD64_SYSCFG), ZERO },
	{ ONE(MSR_K7_HWCR), .flags = ROW_LIST, .get = get_stored, .set = msr_set_hwcr, AT(msrs.hwcr) },
	{ ONE(MSR_K7_CLK_CTL), .get = get_constant, .mask = 0x20000000 },
	{ ONE(MSR_K8_TOP_MEM2), ZERO },
	{ ONE(MSR_AMD64_NB_CFG), ZERO },
	{ ONE(MSR_AMD64_PATCH_LOADER), .flags = ROW_WRITE_ONLY, .get = get_constant, .set = set_ignored },
	{ ONE(MSR_K8_INT_PENDING_MSG), READ_ZERO },
	{ ONE(MSR_FAM10H_MMIO_CONF_BASE), ZERO },
	{ RANGE(MSR_K8_TSEG_ADDR, MSR_K8_TSEG_MASK), READ_ZERO },
	/* of the errata that OSVW tells of, the first three do not show in a guest */
	{ ONE(MSR_AMD64_OSVW_ID_LENGTH), .flags = ROW_GUEST_DROP, .get = get_constant, .set = set_ignored, .mask = 3 },
	{ ONE(MSR_AMD64_OSVW_STATUS), .flags = ROW_GUEST_DROP, .get = get_constant, .set = set_ignored },
	{ RANGE(MSR_AMD64_DC_CFG, MSR_AMD64_TW_CFG), .get = get_constant, .set = set_ignored },
	{ ONE(MSR_AMD64_DE_CFG), .flags = ROW_LIST, .get = get_stored, .set = msr_set_de_cfg, AT(msrs.de_cfg) },
	{ ONE(MSR_AMD64_BU_CFG2), .get = get_constant, .set = set_ignored },
	{ ONE(MSR_F15H_EX_CFG), .get = get_constant, .set = set_ignored },
};

/* Binary search: the rows are in ascending order and do not overlap. */
const struct msr_row *msr_find_row(u32 msr)
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

/* ---- KVM_GET_MSR_INDEX_LIST ---- */

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
	return msr_copy_list(list, count, indices, n);
}
