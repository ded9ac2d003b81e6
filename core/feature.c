// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which bit of which register a CPUID feature brings: one table, from which the list of what
 * guests are offered, what a guest's and a launcher's writes may hold, and what needs an
 * intercept take their answers. A feature that stands here cannot be offered without its bits,
 * nor its bits be set where it is not offered.
 *
 * Sources: SDM vol. 3, "Control Registers", vol. 4, "Architectural MSRs"; Intel, "CPUID
 * Enumeration and Architectural MSRs"; APM vol. 2, "System-Control Registers", "Speculation
 * Control MSRs", vol. 3, "CPUID Fn8000_0008_EBX", "CPUID Fn8000_0021_EAX". What no
 * header names has the manual's name below.
 */
#include <linux/bits.h>
#include <linux/kernel.h>
#include <asm/cpufeatures.h>
#include <asm/msr-index.h>
#include <asm/processor-flags.h>
#include "feature.h"

/* IA32_SPEC_CTRL */
#define SPEC_CTRL_IPRED_DIS_U	BIT(3)
#define SPEC_CTRL_IPRED_DIS_S	BIT(4)
#define SPEC_CTRL_RRSBA_DIS_U	BIT(5)
#define SPEC_CTRL_PSFD		BIT(7)
#define SPEC_CTRL_DDPD_U	BIT(8)

struct feature_row {
	u32 function;
	u32 index;
	enum reg reg;
	u32 feature;
	enum feature_set set;
	u64 bits;
};

static const struct feature_row rows[] = {
	{ 1, 0, ECX, F(XSAVE), SET_CR4, X86_CR4_OSXSAVE },
	{ 1, 0, ECX, F(PCID), SET_CR4, X86_CR4_PCIDE },
	{ 7, 0, EBX, F(FSGSBASE), SET_CR4, X86_CR4_FSGSBASE },
	{ 7, 0, EBX, F(SMEP), SET_CR4, X86_CR4_SMEP },
	{ 7, 0, EBX, F(SMAP), SET_CR4, X86_CR4_SMAP },
	{ 7, 0, ECX, F(UMIP), SET_CR4, X86_CR4_UMIP },
	{ 7, 0, ECX, F(LA57), SET_CR4, X86_CR4_LA57 },
	{ 7, 0, ECX, F(PKU), SET_CR4, X86_CR4_PKE },

	{ 0x80000001, 0, EDX, F(SYSCALL), SET_EFER, EFER_SCE },
	{ 0x80000001, 0, EDX, F(LM), SET_EFER, EFER_LME | EFER_LMA },
	{ 0x80000001, 0, EDX, F(NX), SET_EFER, EFER_NX },
	{ 0x80000001, 0, EDX, F(FXSR_OPT), SET_EFER, EFER_FFXSR },
	{ 0x80000021, 0, EAX, F(AUTOIBRS), SET_EFER, EFER_AUTOIBRS },

	{ 7, 0, EDX, F(SPEC_CTRL), SET_SPEC_CTRL, SPEC_CTRL_IBRS },
	{ 7, 0, EDX, F(INTEL_STIBP), SET_SPEC_CTRL, SPEC_CTRL_STIBP },
	{ 7, 0, EDX, F(SPEC_CTRL_SSBD), SET_SPEC_CTRL, SPEC_CTRL_SSBD },
	{ 7, 2, EDX, BIT(0) /* PSFD */, SET_SPEC_CTRL, SPEC_CTRL_PSFD },
	{ 7, 2, EDX, BIT(1) /* IPRED_CTRL */, SET_SPEC_CTRL,
	  SPEC_CTRL_IPRED_DIS_U | SPEC_CTRL_IPRED_DIS_S },
	{ 7, 2, EDX, BIT(2) /* RRSBA_CTRL */, SET_SPEC_CTRL,
	  SPEC_CTRL_RRSBA_DIS_U | SPEC_CTRL_RRSBA_DIS_S },
	{ 7, 2, EDX, BIT(3) /* DDPD_U */, SET_SPEC_CTRL, SPEC_CTRL_DDPD_U },
	{ 7, 2, EDX, BIT(4) /* BHI_CTRL */, SET_SPEC_CTRL, SPEC_CTRL_BHI_DIS_S },
	{ 0x80000008, 0, EBX, F(AMD_IBRS), SET_SPEC_CTRL, SPEC_CTRL_IBRS },
	{ 0x80000008, 0, EBX, F(AMD_STIBP), SET_SPEC_CTRL, SPEC_CTRL_STIBP },
	{ 0x80000008, 0, EBX, F(AMD_SSBD), SET_SPEC_CTRL, SPEC_CTRL_SSBD },
	{ 0x80000008, 0, EBX, BIT(28) /* PSFD */, SET_SPEC_CTRL, SPEC_CTRL_PSFD },

	{ 7, 0, EDX, F(SPEC_CTRL), SET_PRED_CMD, PRED_CMD_IBPB },
	{ 0x80000008, 0, EBX, F(AMD_IBPB), SET_PRED_CMD, PRED_CMD_IBPB },
	{ 0x80000021, 0, EAX, F(SBPB), SET_PRED_CMD, PRED_CMD_SBPB },

	/* what an instruction or MSR does anyway, and what the CPU is free of */
	{ 7, 0, EDX, F(MD_CLEAR), SET_NONE },
	{ 7, 2, EDX, BIT(5) /* MCDT_NO */, SET_NONE },
	{ 0x80000008, 0, EBX, F(AMD_STIBP_ALWAYS_ON) | F(AMD_SSB_NO), SET_NONE },
	{ 0x80000021, 0, EAX, BIT(2) /* LFENCE serializes */ | F(VERW_CLEAR), SET_NONE },
	{ 0x80000021, 0, EAX, F(IBPB_BRTYPE) | F(SRSO_NO), SET_NONE },
	{ 0x80000021, 0, ECX, BIT(1) /* TSA_SQ_NO */ | BIT(2) /* TSA_L1_NO */, SET_NONE },

	{ 1, 0, ECX, F(X2APIC), SET_FLAGS, GUEST_HAS_X2APIC },
	{ 1, 0, ECX, F(TSC_DEADLINE_TIMER), SET_FLAGS, GUEST_HAS_TSC_DEADLINE },
	{ 1, 0, ECX, F(XSAVE), SET_FLAGS, GUEST_HAS_XSAVE },
	{ 1, 0, EDX, F(MTRR), SET_FLAGS, GUEST_HAS_MTRR },
	{ 7, 0, EBX, F(TSC_ADJUST), SET_FLAGS, GUEST_HAS_TSC_ADJUST },
	{ 7, 0, EBX, F(INVPCID), SET_FLAGS, GUEST_HAS_INVPCID },
	{ 7, 0, ECX, F(RDPID), SET_FLAGS, GUEST_HAS_RDTSCP },
	{ 7, 0, EDX, F(ARCH_CAPABILITIES), SET_FLAGS, GUEST_HAS_ARCH_CAPS },
	{ 0xd, 1, EAX, F(XSAVES), SET_FLAGS, GUEST_HAS_XSAVES },
	{ 0x80000001, 0, EDX, F(GBPAGES), SET_FLAGS, GUEST_HAS_GBPAGES },
	{ 0x80000001, 0, EDX, F(RDTSCP), SET_FLAGS, GUEST_HAS_RDTSCP },
};

/* Bits of CR4 that no guest is denied, as on KVM. */
#define CR4_ALWAYS	(X86_CR4_VME | X86_CR4_PVI | X86_CR4_TSD | X86_CR4_DE | X86_CR4_PSE | \
			 X86_CR4_PAE | X86_CR4_MCE | X86_CR4_PGE | X86_CR4_PCE | X86_CR4_OSFXSR | \
			 X86_CR4_OSXMMEXCPT)

u64 feature_bits(enum feature_set set, feature_cpuid_fn *cpuid, struct vcpu *vcpu)
{
	u64 bits = set == SET_CR4 ? CR4_ALWAYS : 0;
	const struct feature_row *r;

	for (r = rows; r < rows + ARRAY_SIZE(rows); r++)
		if (r->set == set && (cpuid(vcpu, r->function, r->index, r->reg) & r->feature))
			bits |= r->bits;
	return bits;
}

u32 feature_offers(u32 function, u32 index, enum reg reg)
{
	const struct feature_row *r;
	u32 features = 0;

	for (r = rows; r < rows + ARRAY_SIZE(rows); r++)
		if (r->set != SET_FLAGS && r->function == function && r->index == index &&
		    r->reg == reg)
			features |= r->feature;
	return features;
}

/* ---- IA32_ARCH_CAPABILITIES ---- */

/*
 * Bits that tell of the CPU what is true for a guest as well. Left out: TSX_CTRL, FB_CLEAR_CTRL,
 * GDS_CTRL and the like, which stand for MSRs that guests do not have.
 */
#define ARCH_CAPS_PASSED \
	(ARCH_CAP_RDCL_NO | ARCH_CAP_IBRS_ALL | ARCH_CAP_RSBA | ARCH_CAP_SSB_NO | \
	 ARCH_CAP_MDS_NO | ARCH_CAP_PSCHANGE_MC_NO | ARCH_CAP_TAA_NO | ARCH_CAP_SBDR_SSDP_NO | \
	 ARCH_CAP_FBSDP_NO | ARCH_CAP_PSDP_NO | ARCH_CAP_FB_CLEAR | ARCH_CAP_RRSBA | \
	 ARCH_CAP_BHI_NO | ARCH_CAP_PBRSB_NO | ARCH_CAP_GDS_NO | ARCH_CAP_RFDS_NO | \
	 ARCH_CAP_RFDS_CLEAR | ARCH_CAP_ITS_NO)

/* What the CPU lacks the bit for the kernel may still know. */
static const struct {
	unsigned int bug;
	u64 free;
} known[] = {
	{ X86_BUG_CPU_MELTDOWN, ARCH_CAP_RDCL_NO },
	{ X86_BUG_SPEC_STORE_BYPASS, ARCH_CAP_SSB_NO },
	{ X86_BUG_MDS, ARCH_CAP_MDS_NO },
	{ X86_BUG_GDS, ARCH_CAP_GDS_NO },
	{ X86_BUG_RFDS, ARCH_CAP_RFDS_NO },
	{ X86_BUG_ITS, ARCH_CAP_ITS_NO },
};

u64 feature_arch_capabilities(u64 host, bool (*has_bug)(unsigned int bug))
{
	/* page-size changes and the flush of the first-level cache are the host's business */
	u64 caps = (host & ARCH_CAPS_PASSED) | ARCH_CAP_PSCHANGE_MC_NO |
		   ARCH_CAP_SKIP_VMENTRY_L1DFLUSH;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(known); i++)
		if (!has_bug(known[i].bug))
			caps |= known[i].free;
	return caps;
}
