/* SPDX-License-Identifier: GPL-2.0-only */
/* What core/feature.c needs of the kernel, for its unit test in user space. Numbers are those of the manuals. */
#ifndef CORE_SHIM_H
#define CORE_SHIM_H

#include <stdbool.h>
#include <stdint.h>
#include <linux/types.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int64_t s64;

#define BIT(n)		(1ULL << (n))
#define BIT_ULL(n)	(1ULL << (n))
#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

/* bits of their CPUID registers */
#define X86_FEATURE_PCID		17
#define X86_FEATURE_X2APIC		21
#define X86_FEATURE_TSC_DEADLINE_TIMER	24
#define X86_FEATURE_XSAVE		26
#define X86_FEATURE_MTRR		12
#define X86_FEATURE_FSGSBASE		0
#define X86_FEATURE_TSC_ADJUST		1
#define X86_FEATURE_SMEP		7
#define X86_FEATURE_INVPCID		10
#define X86_FEATURE_SMAP		20
#define X86_FEATURE_UMIP		2
#define X86_FEATURE_PKU			3
#define X86_FEATURE_LA57		16
#define X86_FEATURE_RDPID		22
#define X86_FEATURE_FSRM		4
#define X86_FEATURE_MD_CLEAR		10
#define X86_FEATURE_SPEC_CTRL		26
#define X86_FEATURE_INTEL_STIBP		27
#define X86_FEATURE_ARCH_CAPABILITIES	29
#define X86_FEATURE_SPEC_CTRL_SSBD	31
#define X86_FEATURE_XSAVES		3
#define X86_FEATURE_SYSCALL		11
#define X86_FEATURE_NX			20
#define X86_FEATURE_FXSR_OPT		25
#define X86_FEATURE_GBPAGES		26
#define X86_FEATURE_RDTSCP		27
#define X86_FEATURE_LM			29
#define X86_FEATURE_AMD_IBPB		12
#define X86_FEATURE_AMD_IBRS		14
#define X86_FEATURE_AMD_STIBP		15
#define X86_FEATURE_AMD_STIBP_ALWAYS_ON	17
#define X86_FEATURE_AMD_SSBD		24
#define X86_FEATURE_AMD_SSB_NO		26
#define X86_FEATURE_VERW_CLEAR		5
#define X86_FEATURE_AUTOIBRS		8
#define X86_FEATURE_SBPB		27
#define X86_FEATURE_IBPB_BRTYPE		28
#define X86_FEATURE_SRSO_NO		29

/* any numbers, all different */
enum {
	X86_BUG_CPU_MELTDOWN, X86_BUG_SPEC_STORE_BYPASS, X86_BUG_MDS, X86_BUG_GDS, X86_BUG_RFDS, X86_BUG_ITS, NR_BUGS,
};

#define EFER_SCE		BIT(0)
#define EFER_LME		BIT(8)
#define EFER_LMA		BIT(10)
#define EFER_NX			BIT(11)
#define EFER_FFXSR		BIT(14)
#define EFER_AUTOIBRS		BIT(21)
#define SPEC_CTRL_IBRS		BIT(0)
#define SPEC_CTRL_STIBP		BIT(1)
#define SPEC_CTRL_SSBD		BIT(2)
#define SPEC_CTRL_RRSBA_DIS_S	BIT(6)
#define SPEC_CTRL_BHI_DIS_S	BIT(10)
#define PRED_CMD_IBPB		BIT(0)
#define PRED_CMD_SBPB		BIT(7)
#define ARCH_CAP_RDCL_NO	BIT(0)
#define ARCH_CAP_IBRS_ALL	BIT(1)
#define ARCH_CAP_RSBA		BIT(2)
#define ARCH_CAP_SKIP_VMENTRY_L1DFLUSH	BIT(3)
#define ARCH_CAP_SSB_NO		BIT(4)
#define ARCH_CAP_MDS_NO		BIT(5)
#define ARCH_CAP_PSCHANGE_MC_NO	BIT(6)
#define ARCH_CAP_TAA_NO		BIT(8)
#define ARCH_CAP_SBDR_SSDP_NO	BIT(13)
#define ARCH_CAP_FBSDP_NO	BIT(14)
#define ARCH_CAP_PSDP_NO	BIT(15)
#define ARCH_CAP_FB_CLEAR	BIT(17)
#define ARCH_CAP_RRSBA		BIT(19)
#define ARCH_CAP_BHI_NO		BIT(20)
#define ARCH_CAP_PBRSB_NO	BIT(24)
#define ARCH_CAP_GDS_NO		BIT(26)
#define ARCH_CAP_RFDS_NO	BIT(27)
#define ARCH_CAP_RFDS_CLEAR	BIT(28)
#define ARCH_CAP_ITS_NO		BIT(62)

#endif
