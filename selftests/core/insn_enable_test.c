// SPDX-License-Identifier: GPL-2.0-only
/*
 * RDTSCP, RDPID, INVPCID, XSAVES and XRSTORS: instructions that VMX gives to a guest only where a control says so, and that SVM
 * can take away by an intercept. In a guest whose CPUID announces them they work; in one whose CPUID hides them they raise #UD.
 *
 * What the hardware cannot take away: VMX has one control for RDTSCP and RDPID together, so both are hidden here or neither. SVM
 * has intercepts for RDTSCP and INVPCID, none for RDPID, XSAVES and XRSTORS: those work there whatever CPUID says.
 */
#include "thread.h"

#define MSR_TSC_AUX	0xc0000103
#define MSR_XSS		0xda0
#define CR4_PGE		BIT(7)
#define CR4_PCIDE	BIT(17)
#define CR4_OSXSAVE	BIT(18)
#define PTE_GLOBAL	BIT(8)

#define AUX_GUEST	0x1234567
#define AUX_HOST	0x89abcdef

#define VIEW		(0x70ULL << 32)		/* guest-virtual page, mapped to VM_SCRATCH2 */
#define OTHER_PAGE	(VM_SCRATCH2 + PAGE_SIZE)

enum { RDTSCP, RDPID, INVPCID, PCID, XSAVE, XSAVES, NR_FEATURES };

static const struct {
	const char *name;
	u32 leaf;
	size_t reg;		/* in struct kvm_cpuid_entry2 */
	u32 bit;
	int svm_intercepts;
} features[NR_FEATURES] = {
	[RDTSCP]  = { "RDTSCP", 0x80000001, offsetof(struct kvm_cpuid_entry2, edx), BIT(27), 1 },
	[RDPID]   = { "RDPID", 7, offsetof(struct kvm_cpuid_entry2, ecx), BIT(22), 0 },
	[INVPCID] = { "INVPCID", 7, offsetof(struct kvm_cpuid_entry2, ebx), BIT(10), 1 },
	[PCID]    = { "PCID", 1, offsetof(struct kvm_cpuid_entry2, ecx), BIT(17), 0 },
	[XSAVE]   = { "XSAVE", 1, offsetof(struct kvm_cpuid_entry2, ecx), BIT(26), 0 },
	[XSAVES]  = { "XSAVES", 0xd, offsetof(struct kvm_cpuid_entry2, eax), BIT(3), 0 },
};

/* The word of the table that has the feature's bit, NULL if there is no such leaf. */
static u32 *feature_word(struct kvm_cpuid2 *c, int f)
{
	struct kvm_cpuid_entry2 *e = cpuid_row(c, features[f].leaf, f == XSAVES);

	return e ? (u32 *)((u8 *)e + features[f].reg) : NULL;
}

static int supported(int f)
{
	u32 *word = feature_word(supported_cpuid(), f);

	return word && *word & features[f].bit;
}

/* A vCPU whose CPUID has the supported table without what is tested here. */
static struct vcpu *vcpu_without(struct vm *vm, void *fn)
{
	static const int hidden[] = { RDTSCP, RDPID, INVPCID, XSAVES };
	struct vcpu *vcpu = vcpu_create_guest(vm, 0, fn);
	struct kvm_cpuid2 *c = supported_cpuid();
	size_t i;

	for (i = 0; i < ARRAY_SIZE(hidden); i++) {
		u32 *word = feature_word(c, hidden[i]);

		if (word)
			*word &= ~features[hidden[i]].bit;
	}
	vcpu_ioctl(vcpu, KVM_SET_CPUID2, c);
	free(c);
	return vcpu;
}

static int host_is_amd(void)
{
	u32 r[4];

	cpuid(0, 0, r);
	return r[2] == 0x444d4163 || r[2] == 0x656e6961;	/* AuthenticAMD, HygonGenuine */
}

static void require_hiding(int f)
{
	REQUIRE(!host_is_amd() || features[f].svm_intercepts, "SVM cannot intercept %s", features[f].name);
}

/* --- RDTSCP, RDPID: TSC_AUX --- */

static int rdtscp(u32 *aux)
{
	u32 lo = 0, hi = 0, c = 0;
	s64 vec;

	asm volatile(GUEST_TRY_ASM("rdtscp") : [vec] "=&r" (vec), "+a" (lo), "+d" (hi), "+c" (c) : : "r10", "r11", "memory");
	*aux = c;
	return vec;
}

static int rdpid(u32 *aux)
{
	u64 v = 0;
	s64 vec;

	asm volatile(GUEST_TRY_ASM("rdpid %[v]") : [vec] "=&r" (vec), [v] "+r" (v) : : "r10", "r11", "memory");
	*aux = v;
	return vec;
}

static void aux_is(u64 has_rdtscp, u64 has_rdpid, u32 wanted)
{
	u32 aux;

	if (has_rdtscp) {
		GUEST_ROW("RDTSCP", NO_FAULT, rdtscp(&aux));
		GUEST_ROW("TSC_AUX by RDTSCP", wanted, aux);
	}
	if (has_rdpid) {
		GUEST_ROW("RDPID", NO_FAULT, rdpid(&aux));
		GUEST_ROW("TSC_AUX by RDPID", wanted, aux);
	}
}

static void guest_aux(u64 has_rdtscp, u64 has_rdpid)
{
	aux_is(has_rdtscp, has_rdpid, 0);
	GUEST_ROW("WRMSR TSC_AUX", NO_FAULT, wrmsr_safe(MSR_TSC_AUX, AUX_GUEST));
	aux_is(has_rdtscp, has_rdpid, AUX_GUEST);
	GUEST_SYNC(1);
	aux_is(has_rdtscp, has_rdpid, AUX_HOST);
	cpuid(0, 0, (u32[4]){ 0 });
	aux_is(has_rdtscp, has_rdpid, AUX_HOST);
}

/* This CPU's TSC_AUX as the host's programs see it: never 0 on the second CPU, where the vCPU runs if there is one. */
static u32 host_aux(void)
{
	u32 lo, hi, aux;

	asm volatile("rdtscp" : "=a" (lo), "=d" (hi), "=c" (aux));
	return aux;
}

static void test_aux(void)
{
	int has_rdtscp = supported(RDTSCP), has_rdpid = supported(RDPID);
	struct vm *vm = vm_create(VM_GUEST);
	struct vcpu *vcpu;
	u32 r[4], mine;

	REQUIRE(has_rdtscp || has_rdpid, "neither RDTSCP nor RDPID");
	cpuid(0x80000001, 0, r);
	REQUIRE(r[3] & features[RDTSCP].bit, "no RDTSCP for the host");
	test_note("RDTSCP %s, RDPID %s", has_rdtscp ? "yes" : "no", has_rdpid ? "yes" : "no");
	ASSERT_EQ(host_pin(0, host_cpu(host_cpu(1) >= 0)), 0);
	vcpu = vcpu_create_guest(vm, 0, guest_aux);
	vcpu_args(vcpu, has_rdtscp, has_rdpid, 0);
	mine = host_aux();
	ASSERT(mine != AUX_GUEST && mine != AUX_HOST, "the host's TSC_AUX is 0x%x", mine);
	vcpu_run_sync(vcpu, 1);
	CHECK_EQ("the host's own, between two runs", mine, host_aux());
	CHECK_EQ("the guest's, for the launcher", AUX_GUEST, vcpu_msr(vcpu, MSR_TSC_AUX));
	vcpu_set_msr(vcpu, MSR_TSC_AUX, AUX_HOST);
	CHECK_EQ("the host's own, after KVM_SET_MSRS", mine, host_aux());
	vcpu_run_done(vcpu);
	CHECK_EQ("the host's own, at the end", mine, host_aux());
}

static void guest_no_rdtscp(void)
{
	u32 aux;

	GUEST_ROW("RDTSCP", VEC_UD, rdtscp(&aux));
}

static void guest_no_rdpid(void)
{
	u32 aux;

	GUEST_ROW("RDPID", VEC_UD, rdpid(&aux));
}

static void guest_no_aux(void)
{
	u64 v;

	GUEST_ROW("WRMSR TSC_AUX", VEC_GP, wrmsr_safe(MSR_TSC_AUX, AUX_GUEST));
	GUEST_ROW("RDMSR TSC_AUX", VEC_GP, rdmsr_safe(MSR_TSC_AUX, &v));
}

static void test_no_rdtscp(void)
{
	require_hiding(RDTSCP);
	REQUIRE(!host_is_tcg(), "TCG does not intercept RDTSCP");
	vcpu_run_done(vcpu_without(vm_create(VM_GUEST), guest_no_rdtscp));
}

static void test_no_rdpid(void)
{
	require_hiding(RDPID);
	vcpu_run_done(vcpu_without(vm_create(VM_GUEST), guest_no_rdpid));
}

static void test_no_aux(void)
{
	vcpu_run_done(vcpu_without(vm_create(VM_GUEST), guest_no_aux));
}

/* --- INVPCID --- */

static int invpcid(u64 type, u64 pcid, u64 addr)
{
	u64 desc[2] = { pcid, addr };

	return GUEST_TRY("invpcid (%1), %2", "r" (desc), "r" (type));
}

#define WIDE_TYPE	BIT(32)		/* the type is 64 bits wide: none of the four */

static void guest_invpcid_faults(u64 has_pcid, u64 wide_type_works)
{
	static const struct {
		const char *name;
		u64 type, pcid, addr;
		int wanted, with_pcide;
	} rows[] = {
		{ "type 0, one address", 0, 0, VIEW, NO_FAULT, NO_FAULT },
		{ "type 1, one PCID", 1, 0, 0, NO_FAULT, NO_FAULT },
		{ "type 2, all", 2, 0, 0, NO_FAULT, NO_FAULT },
		{ "type 3, all but global", 3, 0, 0, NO_FAULT, NO_FAULT },
		{ "type 4", 4, 0, 0, VEC_GP, VEC_GP },
		{ "type 0x80000000", BIT(31), 0, 0, VEC_GP, VEC_GP },
		{ "type 2^32", WIDE_TYPE, 0, 0, VEC_GP, VEC_GP },
		{ "type -1", ~0ULL, 0, 0, VEC_GP, VEC_GP },
		{ "type 0, address not canonical", 0, 0, BIT(47), VEC_GP, VEC_GP },
		{ "type 0, top address", 0, 0, ~0ULL, NO_FAULT, NO_FAULT },
		{ "type 2, address not looked at", 2, 0, BIT(47), NO_FAULT, NO_FAULT },
		{ "type 0, PCID bit 12", 0, BIT(12), VIEW, VEC_GP, VEC_GP },
		{ "type 1, PCID bit 63", 1, BIT(63), 0, VEC_GP, VEC_GP },
		{ "type 3, PCID bit 12", 3, BIT(12), 0, VEC_GP, VEC_GP },
		{ "type 0, PCID 5", 0, 5, VIEW, VEC_GP, NO_FAULT },
		{ "type 1, PCID 5", 1, 5, 0, VEC_GP, NO_FAULT },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++)
		if (rows[i].type != WIDE_TYPE || wide_type_works)
			GUEST_ROW(rows[i].name, rows[i].wanted, invpcid(rows[i].type, rows[i].pcid, rows[i].addr));
	if (!has_pcid)
		return;
	write_cr4(read_cr4() | CR4_PCIDE);
	for (i = 0; i < ARRAY_SIZE(rows); i++)
		if (rows[i].type != WIDE_TYPE || wide_type_works)
			GUEST_ROW(rows[i].name, rows[i].with_pcide, invpcid(rows[i].type, rows[i].pcid, rows[i].addr));
}

static struct vm *vm_with_view(void)
{
	struct vm *vm = vm_create(VM_GUEST);

	vm_map(vm, VIEW, VM_SCRATCH2, PAGE_SIZE);
	return vm;
}

static void test_invpcid_faults(void)
{
	struct vcpu *vcpu;

	REQUIRE(supported(INVPCID), "no INVPCID");
	vcpu = vcpu_create_guest(vm_with_view(), 0, guest_invpcid_faults);
	/* Bochs looks at the lower half of it alone */
	vcpu_args(vcpu, supported(PCID), !host_is_bochs(), 0);
	vcpu_run_done(vcpu);
}

/* The last-level entry of VIEW; the tables lie in the identity map. */
static volatile u64 *view_pte(void)
{
	u64 table = read_cr3();
	int shift;

	for (shift = 39; shift > 12; shift -= 9)
		table = ((u64 *)(table & 0xffffffffff000ULL))[VIEW >> shift & 511];
	return (volatile u64 *)(table & 0xffffffffff000ULL) + (VIEW >> 12 & 511);
}

static void change_under(u64 pcid)
{
	static const struct {
		const char *name;
		u64 type, flags;
	} rows[] = {
		{ "new page after type 0", 0, 0 },
		{ "new page after type 1", 1, 0 },
		{ "new page after type 2, global", 2, PTE_GLOBAL },
		{ "new page after type 3", 3, 0 },
	};
	volatile u64 *pte = view_pte(), *view = (volatile u64 *)VIEW;
	u64 low = *pte & 7;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(rows); i++) {
		*pte = VM_SCRATCH2 | low | rows[i].flags;
		GUEST_ROW("flush", NO_FAULT, invpcid(2, 0, 0));
		GUEST_ROW("old page", 0xaaaa, *view);
		*pte = OTHER_PAGE | low | rows[i].flags;
		GUEST_ROW("INVPCID", NO_FAULT, invpcid(rows[i].type, pcid, VIEW));
		GUEST_ROW(rows[i].name, 0xbbbb, *view);
	}
}

static void guest_invpcid(u64 has_pcid)
{
	mmio_write64(VM_SCRATCH2, 0xaaaa);
	mmio_write64(OTHER_PAGE, 0xbbbb);
	write_cr4(read_cr4() | CR4_PGE);
	change_under(0);
	if (!has_pcid)
		return;
	write_cr4(read_cr4() | CR4_PCIDE);
	write_cr3(read_cr3() | 5);
	change_under(5);
}

static void test_invpcid(void)
{
	struct vcpu *vcpu;

	REQUIRE(supported(INVPCID), "no INVPCID");
	vcpu = vcpu_create_guest(vm_with_view(), 0, guest_invpcid);
	vcpu_args(vcpu, supported(PCID), 0, 0);
	vcpu_run_done(vcpu);
}

static void guest_no_invpcid(void)
{
	u64 type;

	for (type = 0; type < 5; type++)
		GUEST_ROW("INVPCID", VEC_UD, invpcid(type, 0, 0));
}

static void test_no_invpcid(void)
{
	require_hiding(INVPCID);
	vcpu_run_done(vcpu_without(vm_create(VM_GUEST), guest_no_invpcid));
}

/* --- XSAVES, XRSTORS --- */

static u8 area[1024] __attribute__((aligned(64)));

#define area64(offset)	(*(volatile u64 *)(area + (offset)))

static void xcr0_set(u32 v)
{
	write_cr4(read_cr4() | CR4_OSXSAVE);
	asm volatile("xsetbv" : : "a" (v), "d" (0), "c" (0));
}

static u64 xmm15(void)
{
	u64 v;

	asm volatile("movq %%xmm15, %0" : "=r" (v));
	return v;
}

static void set_xmm15(u64 v)
{
	asm volatile("movq %0, %%xmm15" : : "r" (v));
}

static int xsaves(void)
{
	return GUEST_TRY("xsaves64 (%3)", "a" (3), "d" (0), "r" (area));
}

static int xrstors(void)
{
	return GUEST_TRY("xrstors64 (%3)", "a" (3), "d" (0), "r" (area));
}

static void guest_xsaves(void)
{
	u64 v = 1;

	GUEST_ROW("XSAVES, CR4.OSXSAVE off", VEC_UD, xsaves());
	xcr0_set(3);
	GUEST_ROW("WRMSR XSS, bit 63", VEC_GP, wrmsr_safe(MSR_XSS, BIT(63)));
	GUEST_ROW("WRMSR XSS", NO_FAULT, wrmsr_safe(MSR_XSS, 0));
	GUEST_ROW("RDMSR XSS", NO_FAULT, rdmsr_safe(MSR_XSS, &v));
	GUEST_ROW("XSS", 0, v);
	set_xmm15(0x1122334455667788);
	GUEST_ROW("XSAVES", NO_FAULT, xsaves());
	GUEST_ROW("SSE is there", 2, area64(512) & 2);
	GUEST_ROW("compact, x87 and SSE", BIT(63) | 3, area64(520));
	GUEST_ROW("XMM15", 0x1122334455667788, area64(160 + 15 * 16));
	set_xmm15(0);
	GUEST_ROW("XRSTORS", NO_FAULT, xrstors());
	GUEST_ROW("XMM15 is back", 0x1122334455667788, xmm15());
	area64(520) = 0;
	GUEST_ROW("XRSTORS, not compact", VEC_GP, xrstors());
}

static void test_xsaves(void)
{
	REQUIRE(supported(XSAVES), "no XSAVES");
	run_guest(VM_GUEST, guest_xsaves);
}

static void guest_no_xsaves(u64 has_xsave)
{
	u64 v;

	if (has_xsave)
		xcr0_set(3);
	area64(520) = BIT(63) | 3;
	GUEST_ROW("XSAVES", VEC_UD, xsaves());
	GUEST_ROW("XRSTORS", VEC_UD, xrstors());
	GUEST_ROW("RDMSR XSS", VEC_GP, rdmsr_safe(MSR_XSS, &v));
	GUEST_ROW("WRMSR XSS", VEC_GP, wrmsr_safe(MSR_XSS, 0));
}

static void test_no_xsaves(void)
{
	struct vcpu *vcpu;

	require_hiding(XSAVES);
	vcpu = vcpu_without(vm_create(VM_GUEST), guest_no_xsaves);
	vcpu_args(vcpu, supported(XSAVE), 0, 0);
	vcpu_run_done(vcpu);
}

static const struct test_case cases[] = {
	{ "tsc_aux", test_aux },
	{ "rdtscp_hidden", test_no_rdtscp },
	{ "rdpid_hidden", test_no_rdpid },
	{ "tsc_aux_hidden", test_no_aux },
	{ "invpcid", test_invpcid },
	{ "invpcid_faults", test_invpcid_faults },
	{ "invpcid_hidden", test_no_invpcid },
	{ "xsaves", test_xsaves },
	{ "xsaves_hidden", test_no_xsaves },
};

TEST_MAIN(cases)
