// SPDX-License-Identifier: GPL-2.0-only
/*
 * MSRs that guests of their time read without asking CPUID, and the values stock KVM gives: Windows XP
 * stops without BBL_CR_CTL3 where its CPU is of family 6, model 23; Windows stops without
 * IA32_FEATURE_CONTROL on an Intel CPU. SDM vol. 4, tables of the P6 family, Pentium 4 and Core 2.
 * Watchdogs of old kernels program the performance counters of the P6 family and of AMD's K7 unasked:
 * without a PMU such a write is ignored.
 */
#include "guest.h"

#define FEATURE_CONTROL	0x3a
#define UCODE_REV	0x8b
#define GENU		0x756e6547	/* of GenuineIntel */

static const struct { const char *name; u32 msr; u64 value; int ignored; } rows[] = {
	{ "EBC_FREQUENCY_ID", 0x2c, 1 << 24, 0 },
	{ "SMI_COUNT", 0x34, 0, 0 },
	{ "FSB_FREQ", 0xcd, 3, 0 },
	{ "BBL_CR_CTL3", 0x11e, 0xbe702111, 1 },
};

static void guest_read(void)
{
	u32 r[4];

	for (u32 i = 0; i < ARRAY_SIZE(rows); i++) {
		u64 v = ~0ull;

		GUEST_ROW(rows[i].name, NO_FAULT, rdmsr_safe(rows[i].msr, &v));
		GUEST_ROW(rows[i].name, rows[i].value, v);
		GUEST_ROW("write", rows[i].ignored ? NO_FAULT : VEC_GP,
			  wrmsr_safe(rows[i].msr, rows[i].value));
	}
	cpuid(0, 0, r);
	GUEST_ROW("microcode's revision", r[1] == GENU ? 1ull << 32 : 0x1000065, rdmsr(UCODE_REV));
	GUEST_ROW("write, as Linux does before CPUID 1", NO_FAULT, wrmsr_safe(UCODE_REV, 0));
	GUEST_ROW("changes nothing", r[1] == GENU ? 1ull << 32 : 0x1000065, rdmsr(UCODE_REV));
}

static void test_read(void)
{
	run_guest(VM_GUEST | VM_IRQCHIP, guest_read);
}

static void guest_feature_control(void)
{
	u32 r[4];
	u64 v = ~0ull;

	cpuid(0, 0, r);
	if (r[1] != GENU) {
		GUEST_ROW("not on AMD's CPUs", VEC_GP, rdmsr_safe(FEATURE_CONTROL, &v));
		return;
	}
	GUEST_ROW("read", NO_FAULT, rdmsr_safe(FEATURE_CONTROL, &v));
	GUEST_ROW("not locked yet", 0, v);
	GUEST_ROW("a bit that is not there", VEC_GP, wrmsr_safe(FEATURE_CONTROL, BIT(0) | BIT(20)));
	GUEST_ROW("lock", NO_FAULT, wrmsr_safe(FEATURE_CONTROL, BIT(0)));
	GUEST_ROW("locked", 1, rdmsr(FEATURE_CONTROL));
	GUEST_ROW("write when locked", VEC_GP, wrmsr_safe(FEATURE_CONTROL, 0));
}

static void test_feature_control(void)
{
	run_guest(VM_GUEST | VM_IRQCHIP, guest_feature_control);
}

static void guest_counters(void)
{
	static const struct { const char *name; u32 first, last; u64 value; } sets[] = {
		{ "P6 PERFCTR", 0xc1, 0xc2, 0xffff0000 },
		{ "P6 EVNTSEL", 0x186, 0x187, 0x430079 },
		{ "K7 EVNTSEL", 0xc0010000, 0xc0010003, 0x430076 },
		{ "K7 PERFCTR", 0xc0010004, 0xc0010007, 0xffffffff00000000 },
	};

	for (u32 i = 0; i < ARRAY_SIZE(sets); i++) {
		for (u32 msr = sets[i].first; msr <= sets[i].last; msr++) {
			u64 v = ~0ull;

			GUEST_ROW(sets[i].name, NO_FAULT, wrmsr_safe(msr, sets[i].value));
			GUEST_ROW(sets[i].name, NO_FAULT, rdmsr_safe(msr, &v));
			GUEST_ROW("counts nothing", 0, v);
			GUEST_ROW("and zero", NO_FAULT, wrmsr_safe(msr, 0));
		}
	}
}

static void test_counters(void)
{
	REQUIRE(!has_cap(KVM_CAP_PMU_EVENT_FILTER) || !dev_is_kvm() || host_is_tcg() || host_is_bochs(),
		"KVM may give the guest a PMU");
	run_guest(VM_GUEST | VM_IRQCHIP, guest_counters);
}

static const struct test_case cases[] = {
	{ "read", test_read },
	{ "feature_control", test_feature_control },
	{ "counters", test_counters },
};

TEST_MAIN(cases)
