// SPDX-License-Identifier: GPL-2.0-only
/*
 * A module made with KEEL_DEBUG=1 enters VMCBs changed at random, and compares what the CPU does with
 * what svm/check.c foretells: over 10,000 entries in each of four modes, no
 * deviation but those known of the emulator.
 */
#include "mutate.h"

/*
 * Where QEMU 7.2's TCG is known to deviate: what it takes, and why. @bits: all values it took have these, and would
 * be valid without them. Rows without a rule are what it refuses besides.
 */
static const struct mutate_known known[] = {
	{ "CR3.high", "no rule", "refused", 0, "TCG judges CR3 by the EFER.LMA of the host, so outside long mode too" },
	{ "CR4", "bits that this CPU has not", "entered", BIT(17), "TCG checks CR4 against CPUID, but for PCIDE" },
	{ "EFER", "bits that this CPU has not", "entered", BIT(14), "TCG checks EFER against CPUID, but for FFXSR" },
	{ "EFER", "no rule", "refused", BIT(13), "TCG has no LMSLE, but CPUID lacks the flag that says so" },
	{ "ASID", "must be below", "entered", 0, "TCG does not check ASIDs but for 0; the manual says no more, either" },
	{ "N_CR3", "bits above", "entered", 0, "TCG masks the nested CR3 when it walks" },
	{ "G_PAT", "each byte", "entered", 0, "TCG loads G_PAT unchecked, and never looks at it" },
	{ "EVENTINJ", "the vector", "entered", 0, "TCG takes all vectors up to 31 for exceptions, but 2" },
	{ "EVENTINJ", "this exception", "entered", 0, "TCG does not check whether the exception has an error code; nor does the manual" },
	{ "EVENTINJ", "#BR", "entered", 0, "TCG does not check the mode for #BR; nor does the manual" },
};

static const struct mutate_host host = { "AMD", 0x68747541, host_is_tcg, known, ARRAY_SIZE(known) };

int main(int argc, char **argv)
{
	return mutate_main(argc, argv, &host);
}
