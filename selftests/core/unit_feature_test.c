// SPDX-License-Identifier: GPL-2.0-only
/*
 * The table of what CPUID features bring, on made-up CPUs: each feature alone, whole CPUs that no
 * emulator has, and IA32_ARCH_CAPABILITIES. Numbers here are those of the manuals, written down a
 * second time.
 */
#include <stdio.h>

#include "feature.h"
#include "test.h"

#undef F

/* One register of a made-up CPU. */
struct made_up {
	u32 function, index;
	enum reg reg;
	u32 bits;
};

static const struct made_up *cpu;

static u32 read_cpu(struct vcpu *vcpu, u32 function, u32 index, enum reg reg)
{
	const struct made_up *m;
	u32 bits = 0;

	for (m = cpu; m->bits; m++)
		if (m->function == function && m->index == index && m->reg == reg)
			bits |= m->bits;
	return bits;
}

#define CR4_BASE	0x7ffu		/* VME to OSXMMEXCPT: for every guest */
#define CR4_FSGSBASE	BIT(16)
#define CR4_PCIDE	BIT(17)
#define CR4_OSXSAVE	BIT(18)
#define CR4_SMEP	BIT(20)
#define CR4_SMAP	BIT(21)
#define CR4_PKE		BIT(22)

static const struct alone {
	const char *name;
	struct made_up feature;
	u64 cr4, efer, spec_ctrl, pred_cmd;
} alone[] = {
	{ "nothing", { 0, 0, EAX, 0 } },
	{ "XSAVE", { 1, 0, ECX, BIT(26) }, .cr4 = CR4_OSXSAVE },
	{ "PCID", { 1, 0, ECX, BIT(17) }, .cr4 = CR4_PCIDE },
	{ "VMX: no guest has it", { 1, 0, ECX, BIT(5) } },
	{ "SMX: no guest has it", { 1, 0, ECX, BIT(6) } },
	{ "FSGSBASE", { 7, 0, EBX, BIT(0) }, .cr4 = CR4_FSGSBASE },
	{ "SMEP", { 7, 0, EBX, BIT(7) }, .cr4 = CR4_SMEP },
	{ "SMAP", { 7, 0, EBX, BIT(20) }, .cr4 = CR4_SMAP },
	{ "UMIP", { 7, 0, ECX, BIT(2) }, .cr4 = BIT(11) },
	{ "PKU", { 7, 0, ECX, BIT(3) }, .cr4 = CR4_PKE },
	{ "LA57", { 7, 0, ECX, BIT(16) }, .cr4 = BIT(12) },
	{ "CET_SS: no guest has it", { 7, 0, ECX, BIT(7) } },
	{ "SYSCALL", { 0x80000001, 0, EDX, BIT(11) }, .efer = BIT(0) },
	{ "NX", { 0x80000001, 0, EDX, BIT(20) }, .efer = BIT(11) },
	{ "FFXSR", { 0x80000001, 0, EDX, BIT(25) }, .efer = BIT(14) },
	{ "LM", { 0x80000001, 0, EDX, BIT(29) }, .efer = BIT(8) | BIT(10) },
	{ "SVM: no guest has it", { 0x80000001, 0, ECX, BIT(2) } },
	{ "MCOMMIT: no guest has it", { 0x80000008, 0, EBX, BIT(8) } },
	{ "INT_WBINVD: no guest has it", { 0x80000008, 0, EBX, BIT(13) } },
	{ "UpperAddressIgnore: no guest has it", { 0x80000021, 0, EAX, BIT(7) } },
	{ "AutomaticIBRS", { 0x80000021, 0, EAX, BIT(8) }, .efer = BIT(21) },
	{ "IBRS and IBPB", { 7, 0, EDX, BIT(26) }, .spec_ctrl = BIT(0), .pred_cmd = BIT(0) },
	{ "STIBP", { 7, 0, EDX, BIT(27) }, .spec_ctrl = BIT(1) },
	{ "L1D_FLUSH: no guest has it", { 7, 0, EDX, BIT(28) } },
	{ "SSBD", { 7, 0, EDX, BIT(31) }, .spec_ctrl = BIT(2) },
	{ "PSFD, Intel", { 7, 2, EDX, BIT(0) }, .spec_ctrl = BIT(7) },
	{ "IPRED_CTRL", { 7, 2, EDX, BIT(1) }, .spec_ctrl = BIT(3) | BIT(4) },
	{ "RRSBA_CTRL", { 7, 2, EDX, BIT(2) }, .spec_ctrl = BIT(5) | BIT(6) },
	{ "DDPD_U", { 7, 2, EDX, BIT(3) }, .spec_ctrl = BIT(8) },
	{ "BHI_CTRL", { 7, 2, EDX, BIT(4) }, .spec_ctrl = BIT(10) },
	{ "MCDT_NO", { 7, 2, EDX, BIT(5) } },
	{ "IBPB, AMD", { 0x80000008, 0, EBX, BIT(12) }, .pred_cmd = BIT(0) },
	{ "IBRS, AMD", { 0x80000008, 0, EBX, BIT(14) }, .spec_ctrl = BIT(0) },
	{ "STIBP, AMD", { 0x80000008, 0, EBX, BIT(15) }, .spec_ctrl = BIT(1) },
	{ "STIBP always on: says it all", { 0x80000008, 0, EBX, BIT(17) } },
	{ "SSBD, AMD", { 0x80000008, 0, EBX, BIT(24) }, .spec_ctrl = BIT(2) },
	{ "SSBD by VIRT_SPEC_CTRL: no guest has it", { 0x80000008, 0, EBX, BIT(25) } },
	{ "PSFD, AMD", { 0x80000008, 0, EBX, BIT(28) }, .spec_ctrl = BIT(7) },
	{ "SBPB", { 0x80000021, 0, EAX, BIT(27) }, .pred_cmd = BIT(7) },
	{ "IBPB_BRTYPE: says it all", { 0x80000021, 0, EAX, BIT(28) } },
};

static void check_row(const char *cpu_name, const char *set_name, enum feature_set set, u64 wanted)
{
	char name[80];

	snprintf(name, sizeof(name), "%s: %s", cpu_name, set_name);
	CHECK_EQ(name, wanted, feature_bits(set, read_cpu, NULL));
}

static void check_sets(const char *name, u64 cr4, u64 efer, u64 spec_ctrl, u64 pred_cmd)
{
	check_row(name, "CR4", SET_CR4, CR4_BASE | cr4);
	check_row(name, "EFER", SET_EFER, efer);
	check_row(name, "SPEC_CTRL", SET_SPEC_CTRL, spec_ctrl);
	check_row(name, "PRED_CMD", SET_PRED_CMD, pred_cmd);
}

static void test_alone(void)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(alone); i++) {
		const struct alone *a = &alone[i];
		struct made_up regs[] = { a->feature, { } };
		bool brings = a->cr4 | a->efer | a->spec_ctrl | a->pred_cmd;
		char name[80];

		cpu = regs;
		check_sets(a->name, a->cr4, a->efer, a->spec_ctrl, a->pred_cmd);
		/* what brings a bit may be offered, and then is by this table */
		if (!brings)
			continue;
		snprintf(name, sizeof(name), "%s: may be offered", a->name);
		CHECK_EQ(name, regs[0].bits,
			 regs[0].bits & feature_offers(regs[0].function, regs[0].index, regs[0].reg));
	}
}

/* Every bit of a whole CPU that has all bits of all registers. */
static void test_whole(void)
{
	static const struct made_up nothing[] = { { } };
	static const struct made_up zen5[] = {
		{ 1, 0, ECX, BIT(26) | BIT(17) }, { 7, 0, EBX, BIT(0) | BIT(7) | BIT(20) },
		{ 7, 0, ECX, BIT(2) | BIT(3) },
		{ 0x80000001, 0, EDX, BIT(11) | BIT(20) | BIT(25) | BIT(29) },
		{ 0x80000008, 0, EBX, BIT(12) | BIT(14) | BIT(15) | BIT(17) | BIT(24) | BIT(28) },
		{ 0x80000021, 0, EAX, BIT(2) | BIT(8) | BIT(27) | BIT(28) }, { },
	};
	static const struct made_up sapphire_rapids[] = {
		{ 1, 0, ECX, BIT(26) | BIT(17) }, { 7, 0, EBX, BIT(0) | BIT(7) | BIT(20) },
		{ 7, 0, ECX, BIT(2) | BIT(3) | BIT(16) }, { 7, 2, EDX, 0x1f },
		{ 7, 0, EDX, BIT(10) | BIT(26) | BIT(27) | BIT(28) | BIT(29) | BIT(31) },
		{ 0x80000001, 0, EDX, BIT(11) | BIT(20) | BIT(29) }, { },
	};
	static const struct made_up all[] = {
		{ 1, 0, ECX, ~0u }, { 1, 0, EDX, ~0u }, { 7, 0, EBX, ~0u }, { 7, 0, ECX, ~0u },
		{ 7, 0, EDX, ~0u }, { 7, 1, EAX, ~0u }, { 7, 1, EDX, ~0u }, { 7, 2, EDX, ~0u },
		{ 0xd, 1, EAX, ~0u }, { 0x80000001, 0, ECX, ~0u }, { 0x80000001, 0, EDX, ~0u },
		{ 0x80000007, 0, EDX, ~0u }, { 0x80000008, 0, EBX, ~0u },
		{ 0x80000021, 0, EAX, ~0u }, { 0x80000021, 0, ECX, ~0u }, { },
	};

	cpu = nothing;
	check_sets("no feature", 0, 0, 0, 0);
	cpu = zen5;
	check_sets("Zen 5", 0x770800, 0x204d01, 0x87, 0x81);
	cpu = sapphire_rapids;
	check_sets("Sapphire Rapids", 0x771800, 0xd01, 0x5ff, 1);
	cpu = all;
	check_sets("all bits", 0x771800, 0x204d01, 0x5ff, 0x81);
}

/* ---- IA32_ARCH_CAPABILITIES ---- */

static u32 bugs;

static bool has_bug(unsigned int bug)
{
	return bugs & BIT(bug);
}

static const struct {
	unsigned int bit;
	const char *name;
} passed[] = {
	{ 0, "RDCL_NO" }, { 1, "IBRS_ALL" }, { 2, "RSBA" }, { 3, "SKIP_L1DFL_VMENTRY" },
	{ 4, "SSB_NO" }, { 5, "MDS_NO" }, { 6, "IF_PSCHANGE_MC_NO" }, { 8, "TAA_NO" },
	{ 13, "SBDR_SSDP_NO" }, { 14, "FBSDP_NO" }, { 15, "PSDP_NO" },
	{ 17, "FB_CLEAR" }, { 19, "RRSBA" }, { 20, "BHI_NO" },
	{ 24, "PBRSB_NO" }, { 26, "GDS_NO" }, { 27, "RFDS_NO" },
	{ 28, "RFDS_CLEAR" }, { 62, "ITS_NO" },
};
#define ALWAYS	(BIT(3) | BIT(6))

static void test_arch_capabilities(void)
{
	static const struct {
		const char *name;
		unsigned int bug;
		u64 free;
	} known[] = {
		{ "no Meltdown", X86_BUG_CPU_MELTDOWN, BIT(0) },
		{ "no SSB", X86_BUG_SPEC_STORE_BYPASS, BIT(4) },
		{ "no MDS", X86_BUG_MDS, BIT(5) },
		{ "no GDS", X86_BUG_GDS, BIT(26) },
		{ "no RFDS", X86_BUG_RFDS, BIT(27) },
		{ "no ITS", X86_BUG_ITS, BIT(62) },
	};
	unsigned int bit;
	size_t i;

	for (bit = 0, i = 0; bit < 64; bit++) {
		const char *name = NULL;
		char row[80];

		if (i < ARRAY_SIZE(passed) && passed[i].bit == bit)
			name = passed[i++].name;
		snprintf(row, sizeof(row), "bit %u, %s", bit, name ?: "for no guest");
		bugs = ~0u;
		CHECK_EQ(row, ALWAYS | (name ? BIT(bit) : 0),
			 feature_arch_capabilities(BIT(bit), has_bug));
	}
	for (i = 0; i < ARRAY_SIZE(known); i++) {
		bugs = ~BIT(known[i].bug);
		CHECK_EQ(known[i].name, ALWAYS | known[i].free,
			 feature_arch_capabilities(0, has_bug));
	}
}

static const struct test_case cases[] = {
	{ "alone", test_alone },
	{ "whole", test_whole },
	{ "arch_capabilities", test_arch_capabilities },
};

TEST_MAIN(cases)
