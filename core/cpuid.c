// SPDX-License-Identifier: GPL-2.0-only
/*
 * CPUID: what guests may be offered, and what one guest has been given.
 *
 * Policy is an allow-list: a feature reaches a guest only if its bit stands in a row below, the CPU has it, the host kernel uses it
 * (or it needs no kernel), and the backend does not object. It is computed once at load. The launcher chooses among
 * it, or beyond it at its own risk: isolation never depends on CPUID, since what a guest may set in control registers
 * and MSRs is masked by what the host offers as well.
 *
 * The launcher's leaves are kept in its order. A few bits follow the machine's state (OSXSAVE, OSPKE, APIC, XSAVE sizes); they are written
 * to the leaves when that state changes, so that the guest's CPUID is a look-up.
 */
#include <linux/bits.h>
#include <linux/errno.h>
#include <linux/kvm_para.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <asm/cpufeature.h>
#include <asm/fpu/types.h>
#include <asm/processor.h>
#include <keel/host.h>
#include <keel/state.h>
#include <keel/vcpu.h>
#include <keel/vendor.h>
#include <keel/vm.h>

enum reg { EAX, EBX, ECX, EDX, NR_REGS };

#define F(name)		BIT(X86_FEATURE_##name & 31)

/**
 * struct allow_row - features that guests may be offered
 * @function: EAX
 * @index: ECX
 * @reg: the register that announces them
 * @word: where the kernel keeps its own copy of the register (cpuinfo_x86.x86_capability), or NO_WORD
 * @allowed: bits that may be passed on
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
	  F(XMM3) | F(PCLMULQDQ) | F(SSSE3) | F(FMA) | F(CX16) | F(PCID) | F(XMM4_1) | F(XMM4_2) | F(MOVBE) | F(POPCNT) |
	  F(AES) | F(XSAVE) | F(AVX) | F(F16C) | F(RDRAND),
	  F(X2APIC) | F(HYPERVISOR) },
	{ 1, 0, EDX, CPUID_1_EDX,
	  F(FPU) | F(VME) | F(DE) | F(PSE) | F(TSC) | F(MSR) | F(PAE) | F(MCE) | F(CX8) | F(APIC) | F(SEP) | F(MTRR) | F(PGE) |
	  F(MCA) | F(CMOV) | F(PAT) | F(PSE36) | F(CLFLUSH) | F(MMX) | F(FXSR) | F(XMM) | F(XMM2) | F(SELFSNOOP), 0 },
	{ 7, 0, EBX, CPUID_7_0_EBX,
	  F(FSGSBASE) | F(BMI1) | F(HLE) | F(AVX2) | F(SMEP) | F(BMI2) | F(ERMS) | F(INVPCID) | F(RTM) | F(RDSEED) | F(ADX) |
	  F(SMAP) | F(AVX512IFMA) | F(CLFLUSHOPT) | F(CLWB) | F(AVX512F) | F(AVX512PF) | F(AVX512ER) | F(AVX512CD) |
	  F(SHA_NI) | F(AVX512BW) | F(AVX512VL) | F(AVX512DQ) | BIT(6) /* FDP_EXCPTN_ONLY */ | BIT(13) /* ZERO_FCS_FDS */,
	  F(TSC_ADJUST) },
	{ 7, 0, ECX, CPUID_7_ECX,
	  F(AVX512VBMI) | F(UMIP) | F(PKU) | F(AVX512_VBMI2) | F(GFNI) | F(VAES) | F(VPCLMULQDQ) | F(AVX512_VNNI) |
	  F(AVX512_BITALG) | F(AVX512_VPOPCNTDQ) | F(LA57) | F(RDPID) | F(CLDEMOTE) | F(MOVDIRI) | F(MOVDIR64B), 0 },
	{ 7, 0, EDX, CPUID_7_EDX,
	  F(AVX512_4VNNIW) | F(AVX512_4FMAPS) | F(FSRM) | F(AVX512_VP2INTERSECT) | F(MD_CLEAR) | F(SERIALIZE) |
	  F(TSXLDTRK) | F(AVX512_FP16) | F(SPEC_CTRL) | F(INTEL_STIBP) | F(SPEC_CTRL_SSBD),
	  F(ARCH_CAPABILITIES) },
	{ 7, 1, EAX, NO_WORD,
	  BIT(4) /* AVX_VNNI */ | BIT(5) /* AVX512_BF16 */ | BIT(10) /* FZRM */ | BIT(11) /* FSRS */ | BIT(12) /* FSRC */ |
	  BIT(23) /* AVX_IFMA */, 0 },
	{ 7, 1, EDX, NO_WORD,
	  BIT(4) /* AVX_VNNI_INT8 */ | BIT(5) /* AVX_NE_CONVERT */ | BIT(14) /* PREFETCHITI */, 0 },
	{ 0xd, 1, EAX, CPUID_D_1_EAX,
	  F(XSAVEOPT) | F(XSAVEC) | F(XGETBV1) | F(XSAVES) /* not XFD: AMX */, 0 },
	/* SVM, IBS, SKINIT, WDT, LWP, NODEID, PERFCTR_*, BPEXT, PTSC, MWAITX: the host's own, or exits */
	{ 0x80000001, 0, ECX, CPUID_8000_0001_ECX,
	  F(LAHF_LM) | F(CMP_LEGACY) | F(CR8_LEGACY) | F(ABM) | F(SSE4A) | F(MISALIGNSSE) | F(3DNOWPREFETCH) | F(OSVW) |
	  F(XOP) | F(FMA4) | F(TBM) | F(TOPOEXT), 0 },
	{ 0x80000001, 0, EDX, CPUID_8000_0001_EDX,
	  F(FPU) | F(VME) | F(DE) | F(PSE) | F(TSC) | F(MSR) | F(PAE) | F(MCE) | F(CX8) | F(APIC) | F(MTRR) | F(PGE) | F(MCA) |
	  F(CMOV) | F(PAT) | F(PSE36) | F(MMX) | F(FXSR) |
	  F(SYSCALL) | F(NX) | F(MMXEXT) | F(FXSR_OPT) | F(GBPAGES) | F(RDTSCP) | F(LM) | F(3DNOWEXT) | F(3DNOW), 0 },
	{ 0x80000007, 0, EDX, NO_WORD, BIT(8) /* invariant TSC */, 0 },
	{ 0x80000008, 0, EBX, CPUID_8000_0008_EBX,
	  F(CLZERO) | F(XSAVEERPTR) | F(WBNOINVD) | F(AMD_IBPB) | F(AMD_IBRS) | F(AMD_STIBP) | F(AMD_STIBP_ALWAYS_ON) |
	  F(AMD_SSBD) | F(AMD_SSB_NO) | BIT(28) /* PSFD */, 0 },
	/* 0 no nested data breakpoints, 2 LFENCE serializes, 5 VERW clears, 6 null selector clears base, 8 automatic IBRS,
	 * 27 SBPB, 28 IBPB flushes branch types, 29 not affected by SRSO
	 */
	{ 0x80000021, 0, EAX, NO_WORD, BIT(0) | BIT(2) | BIT(5) | BIT(6) | BIT(8) | BIT(27) | BIT(28) | BIT(29), 0 },
};

/* Paravirtual features that core/clock.c, core/pv.c and irqchip/ serve. */
#define PV_FEATURES	(BIT(KVM_FEATURE_CLOCKSOURCE) | BIT(KVM_FEATURE_NOP_IO_DELAY) | BIT(KVM_FEATURE_CLOCKSOURCE2) | \
			 BIT(KVM_FEATURE_STEAL_TIME) | BIT(KVM_FEATURE_PV_EOI) | BIT(KVM_FEATURE_PV_UNHALT) | \
			 BIT(KVM_FEATURE_PV_TLB_FLUSH) | BIT(KVM_FEATURE_PV_SEND_IPI) | \
			 BIT(KVM_FEATURE_PV_SCHED_YIELD) | BIT(KVM_FEATURE_CLOCKSOURCE_STABLE_BIT))

#define MAX_BASIC	0x1fu
#define MAX_EXTENDED	0x80000021u

/* What may be offered, by row of allow[]; const after module init. */
static u32 offered[ARRAY_SIZE(allow)];
static u64 host_xcr0;

/* ---- the host ---- */

static void host_cpuid(u32 function, u32 index, u32 r[NR_REGS])
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

	host_cpuid(row->function, row->index, r);
	bits = r[row->reg] & row->allowed;
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

static u32 offer(u32 function, u32 index, enum reg reg)
{
	u32 *bits = find_offer(function, index, reg);

	return bits ? *bits : 0;
}

/* Features that need what another one brings. */
static void drop_dependents(void)
{
	u32 *f1c = find_offer(1, 0, ECX), *f7b = find_offer(7, 0, EBX), *f7c = find_offer(7, 0, ECX);
	u32 *f7d = find_offer(7, 0, EDX), *fd = find_offer(0xd, 1, EAX), *x1d = find_offer(0x80000001, 0, EDX);

	if (!(*f1c & F(XSAVE))) {
		*f1c &= ~(u32)(F(AVX) | F(FMA) | F(F16C));
		*f7c &= ~(u32)F(PKU);
		*fd = 0;
	}
	if (!(*f1c & F(AVX)) || !(host_xcr0 & XFEATURE_MASK_YMM))
		*f7b &= ~(u32)F(AVX2);
	if ((host_xcr0 & XFEATURE_MASK_AVX512) != XFEATURE_MASK_AVX512)
		*f7b &= ~(u32)(F(AVX512F) | F(AVX512PF) | F(AVX512ER) | F(AVX512CD) | F(AVX512BW) | F(AVX512VL) |
			       F(AVX512DQ) | F(AVX512IFMA));
	if (!boot_cpu_has(X86_FEATURE_OSPKE))
		*f7c &= ~(u32)F(PKU);
	if (!keel_caps.xsaves)
		*fd &= ~(u32)F(XSAVES);
	/* the same feature under AMD's name and under Intel's */
	if (boot_cpu_has(X86_FEATURE_AMD_IBPB) && boot_cpu_has(X86_FEATURE_AMD_IBRS))
		*f7d |= F(SPEC_CTRL);
	if (boot_cpu_has(X86_FEATURE_AMD_STIBP))
		*f7d |= F(INTEL_STIBP);
	if (boot_cpu_has(X86_FEATURE_AMD_SSBD))
		*f7d |= F(SPEC_CTRL_SSBD);
	/* guests in nested paging use what the CPU has, whatever the host uses itself */
	if (keel_caps.nested && (cpuid_edx(0x80000001) & F(GBPAGES)))
		*x1d |= F(GBPAGES);
}

/* ---- sizes of the XSAVE area ---- */

#define XSAVE_LEGACY	(512 + 64)
#define XSAVE_FEATURES	20		/* none that guests are offered has a higher number */

/* Leaf 0xd of the host, read once. */
static struct xsave_part {
	u32 size;
	u32 offset;		/* standard format */
	bool aligned;		/* to 64 bytes, compacted format */
} xsave_parts[XSAVE_FEATURES];

static void read_xsave_parts(void)
{
	unsigned int i;

	for (i = 2; i < XSAVE_FEATURES; i++) {
		u32 r[NR_REGS];

		host_cpuid(0xd, i, r);
		xsave_parts[i] = (struct xsave_part){ .size = r[EAX], .offset = r[EBX], .aligned = r[ECX] & BIT(1) };
	}
}

static u32 xsave_size(u64 features)
{
	u32 size = XSAVE_LEGACY;
	unsigned int i;

	for (i = 2; i < XSAVE_FEATURES; i++)
		if (features & BIT_ULL(i))
			size = max(size, xsave_parts[i].offset + xsave_parts[i].size);
	return size;
}

static u32 xsave_size_compacted(u64 features)
{
	u32 size = XSAVE_LEGACY;
	unsigned int i;

	for (i = 2; i < XSAVE_FEATURES; i++) {
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
 * Context: module load, after the backend's setup. Return: 0.
 */
int keel_cpuid_module_init(void)
{
	unsigned int i;

	host_xcr0 = keel_host_fpu_supported_xcr0();
	for (i = 0; i < ARRAY_SIZE(allow); i++)
		offered[i] = row_bits(&allow[i]);
	drop_dependents();
	read_xsave_parts();
	return 0;
}

/* ---- KVM_GET_SUPPORTED_CPUID ---- */

struct leaf_list {
	struct kvm_cpuid_entry2 *entries;
	u32 count;
	u32 room;
	bool full;
};

static struct kvm_cpuid_entry2 *add_raw(struct leaf_list *list, u32 function, u32 index, bool indexed)
{
	struct kvm_cpuid_entry2 *e;

	if (list->count >= list->room) {
		list->full = true;
		return NULL;
	}
	e = &list->entries[list->count++];
	*e = (struct kvm_cpuid_entry2){
		.function = function, .index = index, .flags = indexed ? KVM_CPUID_FLAG_SIGNIFCANT_INDEX : 0,
	};
	return e;
}

/* A leaf as the host has it. */
static struct kvm_cpuid_entry2 *add_host(struct leaf_list *list, u32 function, u32 index, bool indexed)
{
	struct kvm_cpuid_entry2 *e = add_raw(list, function, index, indexed);
	u32 r[NR_REGS];

	if (!e)
		return NULL;
	host_cpuid(function, index, r);
	e->eax = r[EAX];
	e->ebx = r[EBX];
	e->ecx = r[ECX];
	e->edx = r[EDX];
	return e;
}

/* Cache and topology leaves: one entry an index, up to the one whose type field (EAX[4:0]) says the end. */
static void add_caches(struct leaf_list *list, u32 function)
{
	struct kvm_cpuid_entry2 *e;
	u32 i;

	for (i = 0; i < 16; i++) {
		e = add_host(list, function, i, true);
		if (!e || !(e->eax & 0x1f))
			return;
	}
}

static void add_features(struct leaf_list *list)
{
	struct kvm_cpuid_entry2 *e = add_host(list, 1, 0, false);

	if (!e)
		return;
	/* APIC id and logical processors are the launcher's */
	e->ebx &= 0xff00;
	e->ecx = offer(1, 0, ECX);
	e->edx = offer(1, 0, EDX);
}

static void add_leaf7(struct leaf_list *list)
{
	struct kvm_cpuid_entry2 *e = add_raw(list, 7, 0, true);
	bool more = offer(7, 1, EAX) || offer(7, 1, EDX);

	if (!e)
		return;
	e->eax = more;
	e->ebx = offer(7, 0, EBX);
	e->ecx = offer(7, 0, ECX);
	e->edx = offer(7, 0, EDX);
	if (!more)
		return;
	e = add_raw(list, 7, 1, true);
	if (!e)
		return;
	e->eax = offer(7, 1, EAX);
	e->edx = offer(7, 1, EDX);
}

static void add_xsave(struct leaf_list *list)
{
	struct kvm_cpuid_entry2 *e = add_raw(list, 0xd, 0, true);
	u32 i;

	if (!e || !(offer(1, 0, ECX) & F(XSAVE)))
		return;
	e->eax = host_xcr0;
	e->edx = host_xcr0 >> 32;
	e->ebx = e->ecx = xsave_size(host_xcr0);

	e = add_raw(list, 0xd, 1, true);
	if (!e)
		return;
	e->eax = offer(0xd, 1, EAX);
	if (e->eax & (F(XSAVES) | F(XSAVEC)))
		e->ebx = xsave_size_compacted(host_xcr0);
	for (i = 2; i < XSAVE_FEATURES; i++) {
		if (!(host_xcr0 & BIT_ULL(i)))
			continue;
		e = add_host(list, 0xd, i, true);
		if (!e)
			return;
		e->edx = 0;
	}
}

static void add_basic(struct leaf_list *list, u32 function)
{
	struct kvm_cpuid_entry2 *e;

	switch (function) {
	case 0:
		e = add_host(list, 0, 0, false);
		if (e)
			e->eax = min(e->eax, MAX_BASIC);
		return;
	case 1:
		add_features(list);
		return;
	case 2:					/* cache descriptors */
		add_host(list, 2, 0, false);
		return;
	case 4:
		add_caches(list, 4);
		return;
	case 6:
		e = add_raw(list, 6, 0, false);
		if (e)
			e->eax = BIT(2);	/* the APIC timer never stops */
		return;
	case 7:
		add_leaf7(list);
		return;
	case 0xb:
	case 0x1f:				/* topology: the launcher's */
		add_raw(list, function, 0, true);
		return;
	case 0xd:
		add_xsave(list);
		return;
	/* no MWAIT (5), no PMU (0xa), no QoS (0xf, 0x10), no SGX (0x12), no PT (0x14), no frequency (0x15, 0x16) ... */
	default:
		add_raw(list, function, 0, false);
	}
}

static void add_hypervisor(struct leaf_list *list)
{
	struct kvm_cpuid_entry2 *e = add_raw(list, KVM_CPUID_SIGNATURE, 0, false);
	u32 signature[3];

	if (!e)
		return;
	memcpy(signature, KVM_SIGNATURE, sizeof(signature));
	e->eax = KVM_CPUID_FEATURES;
	e->ebx = signature[0];
	e->ecx = signature[1];
	e->edx = signature[2];
	e = add_raw(list, KVM_CPUID_FEATURES, 0, false);
	if (e)
		e->eax = PV_FEATURES;
}

/* Sizes: the guest's physical width is the CPU's own, or what it says for guests. */
static void add_sizes(struct leaf_list *list)
{
	struct kvm_cpuid_entry2 *e = add_host(list, 0x80000008, 0, false);
	u32 virt, phys, guest;

	if (!e)
		return;
	phys = e->eax & 0xff;
	virt = max((e->eax >> 8) & 0xff, 48u);
	guest = (e->eax >> 16) & 0xff;
	e->eax = (guest ?: phys) | virt << 8;
	e->ebx = offer(0x80000008, 0, EBX);
	e->ecx = 0;
	e->edx = 0;
}

static void add_extended(struct leaf_list *list, u32 function)
{
	struct kvm_cpuid_entry2 *e;

	switch (function) {
	case 0x80000000:
		e = add_host(list, function, 0, false);
		if (e)
			e->eax = min(e->eax, MAX_EXTENDED);
		return;
	case 0x80000001:
		e = add_host(list, function, 0, false);
		if (!e)
			return;
		e->ecx = offer(function, 0, ECX);
		e->edx = offer(function, 0, EDX);
		return;
	case 0x80000002 ... 0x80000006:		/* name, caches */
	case 0x80000019:			/* TLBs of 1G pages */
		add_host(list, function, 0, false);
		return;
	case 0x80000007:
		e = add_raw(list, function, 0, false);
		if (e)
			e->edx = offer(function, 0, EDX);
		return;
	case 0x80000008:
		add_sizes(list);
		return;
	case 0x8000001a:			/* width of the vector units */
		e = add_host(list, function, 0, false);
		if (e)
			e->eax &= GENMASK(2, 0);
		return;
	case 0x8000001d:
		if (offer(0x80000001, 0, ECX) & F(TOPOEXT))
			add_caches(list, function);
		else
			add_raw(list, function, 0, true);
		return;
	case 0x80000021:
		e = add_raw(list, function, 0, false);
		if (e)
			e->eax = offer(function, 0, EAX);
		return;
	default:				/* SVM, IBS, LWP, topology, SEV, QoS */
		add_raw(list, function, 0, false);
	}
}

/**
 * keel_cpuid_supported() - KVM_GET_SUPPORTED_CPUID
 * @entries: room for *@nent
 * @nent: in: room; out: entries filled
 *
 * Return: 0, or -E2BIG with *@nent as it was.
 */
int keel_cpuid_supported(struct kvm_cpuid_entry2 *entries, u32 *nent)
{
	struct leaf_list list = { .entries = entries, .room = *nent };
	u32 function, max;

	max = min(cpuid_eax(0), MAX_BASIC);
	for (function = 0; function <= max; function++)
		add_basic(&list, function);
	add_hypervisor(&list);
	max = min(cpuid_eax(0x80000000), MAX_EXTENDED);
	for (function = 0x80000000; function <= max; function++)
		add_extended(&list, function);
	if (list.full)
		return -E2BIG;

	for (function = 0; function < list.count; function++)
		if (keel_vendor->cpuid_mask)
			keel_vendor->cpuid_mask(&entries[function]);
	*nent = list.count;
	return 0;
}

/**
 * keel_cpuid_emulated() - KVM_GET_EMULATED_CPUID: features that the emulator brings to any CPU
 * @entries: room for *@nent
 * @nent: in: room; out: entries filled
 *
 * None depends on it: what the emulator knows beyond the CPU would need #UD to be intercepted. Leaf 0 says so.
 * Return: 0, or -E2BIG with *@nent as it was.
 */
int keel_cpuid_emulated(struct kvm_cpuid_entry2 *entries, u32 *nent)
{
	struct leaf_list list = { .entries = entries, .room = *nent };

	add_raw(&list, 0, 0, false);
	if (list.full)
		return -E2BIG;
	*nent = list.count;
	return 0;
}

/* ---- one guest's leaves ---- */

#define LEAVES_INDEXED	48
#define MAX_ENTRIES	256

static bool entry_matches(const struct kvm_cpuid_entry2 *e, u32 function, u32 index)
{
	return e->function == function && (e->index == index || !(e->flags & KVM_CPUID_FLAG_SIGNIFCANT_INDEX));
}

static void index_entries(struct vcpu_cpuid *cpuid)
{
	int i;

	memset(cpuid->first, 0, sizeof(cpuid->first));
	for (i = min(cpuid->nent, 255) - 1; i >= 0; i--) {
		u32 function = cpuid->entries[i].function;
		u32 class = function >> 30, leaf = function & GENMASK(29, 0);

		if (class < ARRAY_SIZE(cpuid->first) && leaf < LEAVES_INDEXED)
			cpuid->first[class][leaf] = i + 1;
	}
}

/**
 * keel_cpuid_find() - the launcher's entry for a leaf
 * @vcpu: whose
 * @function: EAX
 * @index: ECX, ignored for leaves that have no index
 *
 * Return: the entry, NULL if there is none. Interrupts may be off.
 */
struct kvm_cpuid_entry2 *keel_cpuid_find(struct vcpu *vcpu, u32 function, u32 index)
{
	const struct vcpu_cpuid *cpuid = &vcpu->cpuid;
	u32 class = function >> 30, leaf = function & GENMASK(29, 0);
	int i = 0;

	if (likely(class < ARRAY_SIZE(cpuid->first) && leaf < LEAVES_INDEXED)) {
		i = cpuid->first[class][leaf];
		if (i)
			i--;
		else if (cpuid->nent < 255)
			return NULL;
	}
	for (; i < cpuid->nent; i++)
		if (entry_matches(&cpuid->entries[i], function, index))
			return &cpuid->entries[i];
	return NULL;
}

/*
 * Beyond the highest leaf of its class AMD answers with zeros, Intel with its highest basic leaf ("CPUID - CPU Identification").
 */
static struct kvm_cpuid_entry2 *beyond(struct vcpu *vcpu, u32 function, u32 *index)
{
	struct kvm_cpuid_entry2 *basic = keel_cpuid_find(vcpu, 0, 0);
	struct kvm_cpuid_entry2 *class;

	if (!basic || (vcpu->cpuid.flags & GUEST_IS_AMD))
		return NULL;
	if (function >= KVM_CPUID_SIGNATURE && function <= 0x4fffffff)
		class = keel_cpuid_find(vcpu, function & 0xffffff00, 0);
	else if (function >= 0xc0000000)
		class = keel_cpuid_find(vcpu, 0xc0000000, 0);
	else
		class = keel_cpuid_find(vcpu, function & 0x80000000, 0);
	if (class && function <= class->eax)
		return NULL;
	return keel_cpuid_find(vcpu, basic->eax, *index);
}

/* Topology leaves past their last index still name the APIC id and echo the index. */
static void beyond_topology(struct vcpu *vcpu, u32 function, u32 index, u32 *ecx, u32 *edx)
{
	struct kvm_cpuid_entry2 *first;

	if (function != 0xb && function != 0x1f)
		return;
	first = keel_cpuid_find(vcpu, function, 1);
	if (!first)
		return;
	*ecx = index & 0xff;
	*edx = first->edx;
}

/**
 * keel_cpuid_query() - answer the guest's CPUID
 * @vcpu: whose
 * @function: its EAX
 * @index: its ECX
 * @eax: out
 * @ebx: out
 * @ecx: out
 * @edx: out
 *
 * Interrupts may be off.
 */
void keel_cpuid_query(struct vcpu *vcpu, u32 function, u32 index, u32 *eax, u32 *ebx, u32 *ecx, u32 *edx)
{
	const struct kvm_cpuid_entry2 *e = keel_cpuid_find(vcpu, function, index);

	if (unlikely(!e))
		e = beyond(vcpu, function, &index);
	if (unlikely(!e)) {
		*eax = *ebx = *ecx = *edx = 0;
		beyond_topology(vcpu, function, index, ecx, edx);
		return;
	}
	*eax = e->eax;
	*ebx = e->ebx;
	*ecx = e->ecx;
	*edx = e->edx;
}

/* ---- what follows from a guest's leaves ---- */

static u32 guest_reg(struct vcpu *vcpu, u32 function, u32 index, enum reg reg)
{
	const struct kvm_cpuid_entry2 *e = keel_cpuid_find(vcpu, function, index);

	if (!e)
		return 0;
	return reg == EAX ? e->eax : reg == EBX ? e->ebx : reg == ECX ? e->ecx : e->edx;
}

/* Registers that the rules below look at, of the guest or of all that is offered. */
struct features {
	u32 f1c, f1d, f7b, f7c, f7d, fd1, x1c, x1d, x8b, x21;
};

static void guest_features(struct vcpu *vcpu, struct features *f)
{
	*f = (struct features){
		.f1c = guest_reg(vcpu, 1, 0, ECX),
		.f1d = guest_reg(vcpu, 1, 0, EDX),
		.f7b = guest_reg(vcpu, 7, 0, EBX),
		.f7c = guest_reg(vcpu, 7, 0, ECX),
		.f7d = guest_reg(vcpu, 7, 0, EDX),
		.fd1 = guest_reg(vcpu, 0xd, 1, EAX),
		.x1c = guest_reg(vcpu, 0x80000001, 0, ECX),
		.x1d = guest_reg(vcpu, 0x80000001, 0, EDX),
		.x8b = guest_reg(vcpu, 0x80000008, 0, EBX),
		.x21 = guest_reg(vcpu, 0x80000021, 0, EAX),
	};
}

static void offered_features(struct features *f)
{
	*f = (struct features){
		.f1c = offer(1, 0, ECX),
		.f1d = offer(1, 0, EDX),
		.f7b = offer(7, 0, EBX),
		.f7c = offer(7, 0, ECX),
		.f7d = offer(7, 0, EDX),
		.fd1 = offer(0xd, 1, EAX),
		.x1c = offer(0x80000001, 0, ECX),
		.x1d = offer(0x80000001, 0, EDX),
		.x8b = offer(0x80000008, 0, EBX),
		.x21 = offer(0x80000021, 0, EAX),
	};
}

static u64 cr4_bits(const struct features *f)
{
	u64 cr4 = X86_CR4_PVI | X86_CR4_VME | X86_CR4_TSD | X86_CR4_DE | X86_CR4_PSE | X86_CR4_PAE | X86_CR4_MCE | X86_CR4_PGE |
		  X86_CR4_PCE | X86_CR4_OSFXSR | X86_CR4_OSXMMEXCPT;

	if (f->f1c & F(XSAVE))
		cr4 |= X86_CR4_OSXSAVE;
	if (f->f1c & F(PCID))
		cr4 |= X86_CR4_PCIDE;
	if (f->f7b & F(FSGSBASE))
		cr4 |= X86_CR4_FSGSBASE;
	if (f->f7b & F(SMEP))
		cr4 |= X86_CR4_SMEP;
	if (f->f7b & F(SMAP))
		cr4 |= X86_CR4_SMAP;
	if (f->f7c & F(UMIP))
		cr4 |= X86_CR4_UMIP;
	if (f->f7c & F(LA57))
		cr4 |= X86_CR4_LA57;
	if (f->f7c & F(PKU))
		cr4 |= X86_CR4_PKE;
	return cr4;
}

static u64 efer_bits(const struct features *f)
{
	u64 efer = 0;

	if (f->x1d & F(SYSCALL))
		efer |= EFER_SCE;
	if (f->x1d & F(LM))
		efer |= EFER_LME | EFER_LMA;
	if (f->x1d & F(NX))
		efer |= EFER_NX;
	if (f->x1d & F(FXSR_OPT))
		efer |= EFER_FFXSR;
	if (f->x21 & BIT(8))
		efer |= BIT_ULL(21);		/* automatic IBRS */
	return efer;
}

static bool is_amd_vendor(struct vcpu *vcpu)
{
	const struct kvm_cpuid_entry2 *e = keel_cpuid_find(vcpu, 0, 0);
	u32 name[3];

	if (!e)
		return false;
	name[0] = e->ebx;
	name[1] = e->edx;
	name[2] = e->ecx;
	return !memcmp(name, "AuthenticAMD", 12) || !memcmp(name, "HygonGenuine", 12);
}

struct flag_row {
	u32 flag;
	u32 present;
};

static u32 guest_flags(struct vcpu *vcpu, const struct features *f)
{
	const struct flag_row rows[] = {
		{ GUEST_HAS_X2APIC,	f->f1c & F(X2APIC) },
		{ GUEST_HAS_TSC_DEADLINE, f->f1c & F(TSC_DEADLINE_TIMER) },
		{ GUEST_HAS_XSAVE,	f->f1c & F(XSAVE) },
		{ GUEST_HAS_MTRR,	f->f1d & F(MTRR) },
		{ GUEST_HAS_TSC_ADJUST,	f->f7b & F(TSC_ADJUST) },
		{ GUEST_HAS_FSRM,	f->f7d & F(FSRM) },
		{ GUEST_HAS_ARCH_CAPS,	f->f7d & F(ARCH_CAPABILITIES) },
		{ GUEST_HAS_SPEC_CTRL,	(f->f7d & (F(SPEC_CTRL) | F(INTEL_STIBP) | F(SPEC_CTRL_SSBD))) ||
					(f->x8b & (F(AMD_IBRS) | F(AMD_STIBP) | F(AMD_SSBD))) },
		{ GUEST_HAS_IBPB,	(f->f7d & F(SPEC_CTRL)) || (f->x8b & F(AMD_IBPB)) },
		{ GUEST_HAS_XSAVES,	f->fd1 & F(XSAVES) },
		{ GUEST_HAS_LONG_MODE,	f->x1d & F(LM) },
		{ GUEST_HAS_NX,		f->x1d & F(NX) },
		{ GUEST_HAS_GBPAGES,	f->x1d & F(GBPAGES) },
		{ GUEST_HAS_SYSCALL,	f->x1d & F(SYSCALL) },
		{ GUEST_HAS_RDTSCP,	(f->x1d & F(RDTSCP)) || (f->f7c & F(RDPID)) },
	};
	u32 flags = is_amd_vendor(vcpu) ? GUEST_IS_AMD : 0;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(rows); i++)
		if (rows[i].present)
			flags |= rows[i].flag;
	return flags;
}

static u8 guest_maxphyaddr(struct vcpu *vcpu)
{
	u32 width = 36;

	if (guest_reg(vcpu, 0x80000000, 0, EAX) >= 0x80000008)
		width = guest_reg(vcpu, 0x80000008, 0, EAX) & 0xff;
	return clamp_t(u32, width, 32, 52);
}

/* What the guest may set, from its leaves and from what the host offers. Without leaves, as with KVM, from the latter alone. */
static void policy_update(struct vcpu *vcpu)
{
	struct vcpu_cpuid *cpuid = &vcpu->cpuid;
	struct features all, guest;

	offered_features(&all);
	cpuid->maxphyaddr = guest_maxphyaddr(vcpu);
	cpuid->reserved_gpa = GENMASK_ULL(63, cpuid->maxphyaddr);
	cpuid->cr4_allowed = cr4_bits(&all);
	cpuid->efer_allowed = efer_bits(&all);
	cpuid->xcr0_allowed = XFEATURE_MASK_FP;
	cpuid->xss_allowed = 0;
	cpuid->flags = 0;
	vcpu->pv.features = 0;
	if (!cpuid->nent)
		return;

	guest_features(vcpu, &guest);
	cpuid->cr4_allowed &= cr4_bits(&guest);
	cpuid->efer_allowed &= efer_bits(&guest);
	cpuid->flags = guest_flags(vcpu, &guest);
	if (guest.f1c & F(XSAVE))
		cpuid->xcr0_allowed = host_xcr0 & (guest_reg(vcpu, 0xd, 0, EAX) |
						   (u64)guest_reg(vcpu, 0xd, 0, EDX) << 32);
	vcpu->pv.features = guest_reg(vcpu, KVM_CPUID_FEATURES, 0, EAX) & PV_FEATURES;
}

static void set_bit_if(u32 *reg, u32 bit, bool on)
{
	*reg = on ? *reg | bit : *reg & ~bit;
}

static void runtime_xsave(struct vcpu *vcpu)
{
	struct kvm_cpuid_entry2 *e = keel_cpuid_find(vcpu, 0xd, 0);

	if (e)
		e->ebx = xsave_size(vcpu->xcr0);
	e = keel_cpuid_find(vcpu, 0xd, 1);
	if (e && (e->eax & (F(XSAVES) | F(XSAVEC))))
		e->ebx = xsave_size_compacted(vcpu->xcr0 | vcpu->msrs.xss);
}

/**
 * keel_cpuid_update_runtime() - the bits that follow CR4, XCR0, XSS, the APIC base and MISC_ENABLE
 * @vcpu: loaded, or not yet running
 */
void keel_cpuid_update_runtime(struct vcpu *vcpu)
{
	struct kvm_cpuid_entry2 *e;
	u64 cr4 = vcpu_cr4(vcpu);

	if (unlikely(!vcpu->cpuid.maxphyaddr))
		policy_update(vcpu);
	e = keel_cpuid_find(vcpu, 1, 0);
	if (e) {
		set_bit_if(&e->ecx, F(OSXSAVE), (e->ecx & F(XSAVE)) && (cr4 & X86_CR4_OSXSAVE));
		set_bit_if(&e->edx, F(APIC), vcpu->apic_base & MSR_IA32_APICBASE_ENABLE);
		if (vcpu->vm->disabled_quirks & KVM_X86_QUIRK_MISC_ENABLE_NO_MWAIT)
			set_bit_if(&e->ecx, F(MWAIT), vcpu->msrs.misc_enable & MSR_IA32_MISC_ENABLE_MWAIT);
	}
	e = keel_cpuid_find(vcpu, 7, 0);
	if (e)
		set_bit_if(&e->ecx, F(OSPKE), (e->ecx & F(PKU)) && (cr4 & X86_CR4_PKE));
	runtime_xsave(vcpu);
}

/* ---- KVM_SET_CPUID ---- */

/* A guest that would use more address bits than Keel walks, or state that nobody saves. */
static int check_entries(const struct kvm_cpuid_entry2 *entries, u32 nent)
{
	u32 i;

	for (i = 0; i < nent; i++) {
		u32 virt = (entries[i].eax >> 8) & 0xff;

		if (entries[i].function == 0x80000008 && virt && virt != 48 && virt != 57)
			return -EINVAL;
	}
	return 0;
}

/* After the first KVM_RUN only the same once more: a launcher may repeat itself at hotplug. */
static bool same_entries(struct vcpu *vcpu, const struct kvm_cpuid_entry2 *entries, u32 nent)
{
	u32 i;

	if (vcpu->cpuid.nent != nent)
		return false;
	for (i = 0; i < nent; i++) {
		const struct kvm_cpuid_entry2 *a = &vcpu->cpuid.entries[i], *b = &entries[i];

		if (a->function != b->function || a->index != b->index || a->flags != b->flags ||
		    a->eax != b->eax || a->ebx != b->ebx || a->ecx != b->ecx || a->edx != b->edx)
			return false;
	}
	return true;
}

/* KVM does so too: no kick to wait for when HLT does not exit. */
static void adjust_pv(struct vcpu *vcpu)
{
	struct kvm_cpuid_entry2 *e = keel_cpuid_find(vcpu, KVM_CPUID_FEATURES, 0);

	if (e && (vcpu->vm->disabled_exits & KVM_X86_DISABLE_EXITS_HLT))
		e->eax &= ~BIT(KVM_FEATURE_PV_UNHALT);
}

static void install(struct vcpu *vcpu, struct kvm_cpuid_entry2 *entries, u32 nent)
{
	vcpu->cpuid.entries = entries;
	vcpu->cpuid.nent = nent;
	index_entries(&vcpu->cpuid);
	adjust_pv(vcpu);
	policy_update(vcpu);
	keel_cpuid_update_runtime(vcpu);
}

/**
 * keel_cpuid_set() - give a vCPU its leaves
 * @vcpu: loaded, mutex held
 * @entries: kvmalloc'ed array; ours from now on, also on failure
 * @nent: how many, at most 256
 *
 * Return: 0; -EINVAL for a contradiction, or for a change after the vCPU has run.
 */
int keel_cpuid_set(struct vcpu *vcpu, struct kvm_cpuid_entry2 *entries, u32 nent)
{
	struct kvm_cpuid_entry2 *old = vcpu->cpuid.entries;
	u32 old_nent = vcpu->cpuid.nent;
	int ret = nent > MAX_ENTRIES ? -E2BIG : check_entries(entries, nent);

	if (ret) {
		kvfree(entries);
		return ret;
	}
	if (vcpu->launched_once) {
		/* compare with the runtime bits brought up to date in both */
		install(vcpu, entries, nent);
		vcpu->cpuid.entries = old;
		vcpu->cpuid.nent = old_nent;
		ret = same_entries(vcpu, entries, nent) ? 0 : -EINVAL;
		kvfree(entries);
		install(vcpu, old, old_nent);
		return ret;
	}
	install(vcpu, entries, nent);
	kvfree(old);
	keel_vendor->intercepts_changed(vcpu);
	return 0;
}

void keel_cpuid_destroy(struct vcpu *vcpu)
{
	kvfree(vcpu->cpuid.entries);
	vcpu->cpuid.entries = NULL;
	vcpu->cpuid.nent = 0;
}
