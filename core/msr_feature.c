// SPDX-License-Identifier: GPL-2.0-only
/*
 * The MSRs that say what a CPU is and that turn its features on: identity, speculation, and what a launcher may ask of the
 * host before it makes a vCPU (system-wide KVM_GET_MSRS).
 */
#include <linux/bits.h>
#include <asm/cpufeature.h>
#include <asm/msr.h>
#include <keel/host.h>
#include <keel/state.h>
#include <keel/vcpu.h>
#include "feature.h"
#include "msr.h"

/* ---- speculation ---- */

int msr_get_spec_ctrl(struct vcpu *vcpu, const struct msr_row *row, u32 msr, u64 *val)
{
	msr_spec_ctrl_get(vcpu, val);
	return 0;
}

int msr_set_spec_ctrl(struct vcpu *vcpu, const struct msr_row *row, u32 msr, u64 val, enum msr_from from)
{
	return msr_spec_ctrl_set(vcpu, val, from);
}

int msr_set_pred_cmd(struct vcpu *vcpu, const struct msr_row *row, u32 msr, u64 val, enum msr_from from)
{
	if (val & ~msr_allowed(vcpu, SET_PRED_CMD, from))
		return MSR_INVALID;
	if (val && from == MSR_FROM_GUEST)
		keel_host_pred_cmd(val);
	return 0;
}

/* ---- identity and features ---- */

static bool host_has_bug(unsigned int bug)
{
	return boot_cpu_has_bug(bug);
}

u64 msr_arch_capabilities(void)
{
	u64 caps = 0;

	if (boot_cpu_has(X86_FEATURE_ARCH_CAPABILITIES))
		rdmsrl(MSR_IA32_ARCH_CAPABILITIES, caps);
	caps = feature_arch_capabilities(caps, host_has_bug);
	/* flushed before its entries, or nothing to flush for; where neither is so, a guest must not be told it */
	if (keel_plan.l1d_flush == L1D_NEVER)
		caps &= ~(u64)ARCH_CAP_SKIP_VMENTRY_L1DFLUSH;
	return caps;
}

u64 msr_de_cfg_bits(void)
{
	return boot_cpu_has(X86_FEATURE_LFENCE_RDTSC) ? MSR_AMD64_DE_CFG_LFENCE_SERIALIZE : 0;
}

/* The guest may write what is there. */
int msr_set_de_cfg(struct vcpu *vcpu, const struct msr_row *row, u32 msr, u64 val, enum msr_from from)
{
	if (val & ~msr_de_cfg_bits())
		return MSR_INVALID;
	if (from == MSR_FROM_GUEST && val != vcpu->msrs.de_cfg)
		return MSR_INVALID;
	vcpu->msrs.de_cfg = val;
	return 0;
}

#define HWCR_IGNORED	(BIT_ULL(3) | BIT_ULL(6) | BIT_ULL(8))	/* TlbCacheDis, FFDIS, IGNNE_EM: old kernels set them */
#define HWCR_STORED	(HWCR_MC_STATUS_WR | BIT_ULL(24))	/* and TscFreqSel */

int msr_set_hwcr(struct vcpu *vcpu, const struct msr_row *row, u32 msr, u64 val, enum msr_from from)
{
	val &= ~HWCR_IGNORED;
	if (val & ~HWCR_STORED)
		return MSR_INVALID;
	vcpu->msrs.hwcr = val;
	return 0;
}

int msr_set_misc_enable(struct vcpu *vcpu, const struct msr_row *row, u32 msr, u64 val, enum msr_from from)
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
int msr_set_platform_info(struct vcpu *vcpu, const struct msr_row *row, u32 msr, u64 val, enum msr_from from)
{
	if (!(val & MSR_PLATFORM_INFO_CPUID_FAULT) && vcpu->msrs.misc_features)
		return MSR_INVALID;
	vcpu->msrs.platform_info = val;
	return 0;
}

int msr_set_misc_features(struct vcpu *vcpu, const struct msr_row *row, u32 msr, u64 val, enum msr_from from)
{
	if (val & ~(u64)MSR_MISC_FEATURES_ENABLES_CPUID_FAULT)
		return MSR_INVALID;
	if (val && !(vcpu->msrs.platform_info & MSR_PLATFORM_INFO_CPUID_FAULT))
		return MSR_INVALID;
	vcpu->msrs.misc_features = val;
	return 0;
}

int msr_set_xss(struct vcpu *vcpu, const struct msr_row *row, u32 msr, u64 val, enum msr_from from)
{
	if (val & ~vcpu->cpuid.xss_allowed)
		return MSR_INVALID;
	vcpu->msrs.xss = val;
	keel_cpuid_update_runtime(vcpu);
	return 0;
}

/* ---- KVM_GET_MSR_FEATURE_INDEX_LIST and system-wide KVM_GET_MSRS ---- */

/* What a launcher may ask of the host before it makes a vCPU. */
static const u32 feature_msrs[] = { MSR_IA32_UCODE_REV, MSR_IA32_ARCH_CAPABILITIES, MSR_AMD64_DE_CFG };

int keel_msr_feature_list(u32 *indices, u32 *n)
{
	return msr_copy_list(feature_msrs, ARRAY_SIZE(feature_msrs), indices, n);
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
		*val = msr_arch_capabilities();
		return 0;
	case MSR_AMD64_DE_CFG:
		*val = msr_de_cfg_bits();
		return 0;
	default:
		return 1;
	}
}
