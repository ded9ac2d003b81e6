// SPDX-License-Identifier: GPL-2.0-only
/*
 * CPUID: what guests may be offered.
 *
 * Policy is an allow-list: a feature reaches a guest only if its bit stands in a row below or, where it goes with bits of a register
 * or with speculation, in feature.c; the CPU has it, the host kernel uses it (or it needs no kernel), and the backend does not
 * object. It is computed once at load, with what else of the host's CPUID does not change.
 */
#include <linux/align.h>
#include <linux/bits.h>
#include <linux/kernel.h>
#include <linux/string.h>
#include <asm/cpufeature.h>
#include <asm/fpu/types.h>
#include <asm/processor.h>
#include <keel/host.h>
#include <keel/state.h>
#include <keel/vendor.h>
#include "feature.h"

/**
 * struct allow_row - features that guests may be offered
 * @function: EAX
 * @index: ECX
 * @reg: the register that announces them
 * @word: where the kernel keeps its own copy of the register (cpuinfo_x86.x86_capability), or NO_WORD
 * @allowed: bits that may be passed on, beside those of feature.c
 * @always: bits that Keel provides whatever the CPU has
 */
struct allow_row {
	u32 function;
	u32 index;
	enum reg reg;
	int word;
	u32 allowed;
	u32 always;
};

#define NO_WORD		(-1)

/*
 * Left out, by register:
 * 1.ECX: DTES64, DS_CPL, TM2, EST, CNXT_ID, SDBG, xTPR, PDCM, DCA: the host's own; VMX, SMX: no nesting; MONITOR: exits;
 *	OSXSAVE: follows CR4; TSC_DEADLINE: needs an in-kernel APIC, announced by KVM_CAP_TSC_DEADLINE_TIMER.
 * 1.EDX: PN, DS, ACPI, TM, PBE: the host's own; HT: topology is the launcher's.
 * 7.0: SGX, PQM, PQE, PT, PCONFIG, HYBRID, ENQCMD, BUS_LOCK, WAITPKG (exits), CET (needs XSS), AMX (state of 8 KiB), UINTR, KL, MPX.
 */
static const struct allow_row allow[] = {
	{ 1, 0, ECX, CPUID_1_ECX,
	  F(XMM3) | F(PCLMULQDQ) | F(SSSE3) | F(FMA) | F(CX16) | F(XMM4_1) | F(XMM4_2) | F(MOVBE) | F(POPCNT) |
	  F(AES) | F(AVX) | F(F16C) | F(RDRAND),
	  F(X2APIC) | F(HYPERVISOR) },
	{ 1, 0, EDX, CPUID_1_EDX,
	  F(FPU) | F(VME) | F(DE) | F(PSE) | F(TSC) | F(MSR) | F(PAE) | F(MCE) | F(CX8) | F(APIC) | F(SEP) | F(MTRR) | F(PGE) |
	  F(MCA) | F(CMOV) | F(PAT) | F(PSE36) | F(CLFLUSH) | F(MMX) | F(FXSR) | F(XMM) | F(XMM2) | F(SELFSNOOP), 0 },
	{ 7, 0, EBX, CPUID_7_0_EBX,
	  F(BMI1) | F(HLE) | F(AVX2) | F(BMI2) | F(ERMS) | F(INVPCID) | F(RTM) | F(RDSEED) | F(ADX) | F(AVX512IFMA) |
	  F(CLFLUSHOPT) | F(CLWB) | F(AVX512F) | F(AVX512PF) | F(AVX512ER) | F(AVX512CD) |
	  F(SHA_NI) | F(AVX512BW) | F(AVX512VL) | F(AVX512DQ) | BIT(6) /* FDP_EXCPTN_ONLY */ | BIT(13) /* ZERO_FCS_FDS */,
	  F(TSC_ADJUST) },
	{ 7, 0, ECX, CPUID_7_ECX,
	  F(AVX512VBMI) | F(AVX512_VBMI2) | F(GFNI) | F(VAES) | F(VPCLMULQDQ) | F(AVX512_VNNI) |
	  F(AVX512_BITALG) | F(AVX512_VPOPCNTDQ) | F(RDPID) | F(CLDEMOTE) | F(MOVDIRI) | F(MOVDIR64B), 0 },
	{ 7, 0, EDX, CPUID_7_EDX,
	  F(AVX512_4VNNIW) | F(AVX512_4FMAPS) | F(FSRM) | F(AVX512_VP2INTERSECT) | F(SERIALIZE) | F(TSXLDTRK) | F(AVX512_FP16),
	  F(ARCH_CAPABILITIES) },
	{ 7, 1, EAX, NO_WORD,
	  BIT(4) /* AVX_VNNI */ | BIT(5) /* AVX512_BF16 */ | BIT(10) /* FZRM */ | BIT(11) /* FSRS */ | BIT(12) /* FSRC */ |
	  BIT(23) /* AVX_IFMA */, 0 },
	{ 7, 1, EDX, NO_WORD,
	  BIT(4) /* AVX_VNNI_INT8 */ | BIT(5) /* AVX_NE_CONVERT */ | BIT(14) /* PREFETCHITI */, 0 },
	{ 7, 2, EDX, NO_WORD, 0, 0 },
	{ 0xd, 1, EAX, CPUID_D_1_EAX,
	  F(XSAVEOPT) | F(XSAVEC) | F(XGETBV1) | F(XSAVES) /* not XFD: AMX */, 0 },
	/* SVM, IBS, SKINIT, WDT, LWP, NODEID, PERFCTR_*, BPEXT, PTSC, MWAITX: the host's own, or exits */
	{ 0x80000001, 0, ECX, CPUID_8000_0001_ECX,
	  F(LAHF_LM) | F(CMP_LEGACY) | F(CR8_LEGACY) | F(ABM) | F(SSE4A) | F(MISALIGNSSE) | F(3DNOWPREFETCH) | F(OSVW) |
	  F(XOP) | F(FMA4) | F(TBM) | F(TOPOEXT), 0 },
	{ 0x80000001, 0, EDX, CPUID_8000_0001_EDX,
	  F(FPU) | F(VME) | F(DE) | F(PSE) | F(TSC) | F(MSR) | F(PAE) | F(MCE) | F(CX8) | F(APIC) | F(MTRR) | F(PGE) | F(MCA) |
	  F(CMOV) | F(PAT) | F(PSE36) | F(MMX) | F(FXSR) |
	  F(MMXEXT) | F(GBPAGES) | F(RDTSCP) | F(3DNOWEXT) | F(3DNOW), 0 },
	{ 0x80000007, 0, EDX, NO_WORD, BIT(8) /* invariant TSC */, 0 },
	{ 0x80000008, 0, EBX, CPUID_8000_0008_EBX, F(CLZERO) | F(XSAVEERPTR) | F(WBNOINVD), 0 },
	/* no nested data breakpoints; a null selector clears the base */
	{ 0x80000021, 0, EAX, NO_WORD, BIT(0) | BIT(6), 0 },
	{ 0x80000021, 0, ECX, NO_WORD, 0, 0 },
};

/*
 * Flags of the kernel for a bit that the CPU need not have: it has another for the same, or the kernel
 * knows by other means.
 */
static const struct {
	int flag;
	u32 function;
	enum reg reg;
	u32 feature;
} found[] = {
	{ X86_FEATURE_AMD_STIBP, 7, EDX, F(INTEL_STIBP) },
	{ X86_FEATURE_AMD_SSBD, 7, EDX, F(SPEC_CTRL_SSBD) },
	{ X86_FEATURE_VERW_CLEAR, 0x80000021, EAX, F(VERW_CLEAR) },
	{ X86_FEATURE_SBPB, 0x80000021, EAX, F(SBPB) },
	{ X86_FEATURE_IBPB_BRTYPE, 0x80000021, EAX, F(IBPB_BRTYPE) },
	{ X86_FEATURE_SRSO_NO, 0x80000021, EAX, F(SRSO_NO) },
	{ X86_FEATURE_TSA_SQ_NO, 0x80000021, ECX, BIT(1) },
	{ X86_FEATURE_TSA_L1_NO, 0x80000021, ECX, BIT(2) },
};

/* What may be offered, by row of allow[]; const after module init. */
static u32 offered[ARRAY_SIZE(allow)];
u64 cpuid_host_xcr0;
u64 cpuid_cpu_spec_ctrl;
u64 cpuid_offered_bits[NR_SETS];

/* ---- the host ---- */

void cpuid_host(u32 function, u32 index, u32 r[NR_REGS])
{
	u32 class = function & 0x80000000;

	memset(r, 0, NR_REGS * sizeof(r[0]));
	if (function > cpuid_eax(class) || (cpuid_eax(class) ^ class) >> 16)
		return;
	cpuid_count(function, index, &r[EAX], &r[EBX], &r[ECX], &r[EDX]);
}

static u32 row_bits(const struct allow_row *row)
{
	u32 r[NR_REGS];
	u32 bits;

	cpuid_host(row->function, row->index, r);
	bits = r[row->reg] & (row->allowed | feature_offers(row->function, row->index, row->reg));
	if (row->word != NO_WORD)
		bits &= boot_cpu_data.x86_capability[row->word];
	return bits | row->always;
}

static u32 *find_offer(u32 function, u32 index, enum reg reg)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(allow); i++)
		if (allow[i].function == function && allow[i].index == index && allow[i].reg == reg)
			return &offered[i];
	return NULL;
}

u32 cpuid_offer(u32 function, u32 index, enum reg reg)
{
	u32 *bits = find_offer(function, index, reg);

	return bits ? *bits : 0;
}

/* Features that need what another one brings. */
static void drop_dependents(void)
{
	u32 *f1c = find_offer(1, 0, ECX), *f7b = find_offer(7, 0, EBX), *f7c = find_offer(7, 0, ECX);
	u32 *f7d = find_offer(7, 0, EDX), *fd = find_offer(0xd, 1, EAX), *x1d = find_offer(0x80000001, 0, EDX);
	unsigned int i;

	if (!(*f1c & F(XSAVE))) {
		*f1c &= ~(u32)(F(AVX) | F(FMA) | F(F16C));
		*f7c &= ~(u32)F(PKU);
		*fd = 0;
	}
	if (!(*f1c & F(AVX)) || !(cpuid_host_xcr0 & XFEATURE_MASK_YMM))
		*f7b &= ~(u32)F(AVX2);
	if ((cpuid_host_xcr0 & XFEATURE_MASK_AVX512) != XFEATURE_MASK_AVX512)
		*f7b &= ~(u32)(F(AVX512F) | F(AVX512PF) | F(AVX512ER) | F(AVX512CD) | F(AVX512BW) | F(AVX512VL) |
			       F(AVX512DQ) | F(AVX512IFMA));
	if (!boot_cpu_has(X86_FEATURE_OSPKE))
		*f7c &= ~(u32)F(PKU);
	if (!keel_caps.xsaves)
		*fd &= ~(u32)F(XSAVES);
	if (boot_cpu_has(X86_FEATURE_AMD_IBPB) && boot_cpu_has(X86_FEATURE_AMD_IBRS))
		*f7d |= F(SPEC_CTRL);
	for (i = 0; i < ARRAY_SIZE(found); i++)
		if (boot_cpu_has(found[i].flag))
			*find_offer(found[i].function, 0, found[i].reg) |= found[i].feature;
	/* guests in nested paging use what the CPU has, whatever the host uses itself */
	if (cpuid_edx(0x80000001) & F(GBPAGES))
		*x1d |= F(GBPAGES);
}

static u32 offered_reg(struct vcpu *vcpu, u32 function, u32 index, enum reg reg)
{
	return cpuid_offer(function, index, reg);
}

static u32 cpu_reg(struct vcpu *vcpu, u32 function, u32 index, enum reg reg)
{
	u32 r[NR_REGS];

	cpuid_host(function, index, r);
	return r[reg];
}

/* ---- sizes of the XSAVE area ---- */

#define XSAVE_LEGACY	(512 + 64)
/* Leaf 0xd of the host, read once. */
static struct xsave_part {
	u32 size;
	u32 offset;		/* standard format */
	bool aligned;		/* to 64 bytes, compacted format */
} xsave_parts[CPUID_XSAVE_FEATURES];

static void read_xsave_parts(void)
{
	unsigned int i;

	for (i = 2; i < CPUID_XSAVE_FEATURES; i++) {
		u32 r[NR_REGS];

		cpuid_host(0xd, i, r);
		xsave_parts[i] = (struct xsave_part){ .size = r[EAX], .offset = r[EBX], .aligned = r[ECX] & BIT(1) };
	}
}

u32 cpuid_xsave_size(u64 features)
{
	u32 size = XSAVE_LEGACY;
	unsigned int i;

	for (i = 2; i < CPUID_XSAVE_FEATURES; i++)
		if (features & BIT_ULL(i))
			size = max(size, xsave_parts[i].offset + xsave_parts[i].size);
	return size;
}

u32 cpuid_xsave_size_compacted(u64 features)
{
	u32 size = XSAVE_LEGACY;
	unsigned int i;

	for (i = 2; i < CPUID_XSAVE_FEATURES; i++) {
		if (!(features & BIT_ULL(i)))
			continue;
		if (xsave_parts[i].aligned)
			size = ALIGN(size, 64);
		size += xsave_parts[i].size;
	}
	return size;
}

/**
 * keel_cpuid_module_init() - compute what guests may be offered
 *
 * Context: module load, after the backend's setup.
 */
void keel_cpuid_module_init(void)
{
	unsigned int i;

	cpuid_host_xcr0 = keel_host_fpu_supported_xcr0();
	for (i = 0; i < ARRAY_SIZE(allow); i++)
		offered[i] = row_bits(&allow[i]);
	drop_dependents();
	for (i = 0; i < NR_SETS; i++)
		cpuid_offered_bits[i] = feature_bits(i, offered_reg, NULL);
	cpuid_cpu_spec_ctrl = feature_bits(SET_SPEC_CTRL, cpu_reg, NULL);
	read_xsave_parts();
}
