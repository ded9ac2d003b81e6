// SPDX-License-Identifier: GPL-2.0-only
/*
 * A module made with KEEL_DEBUG=1 enters VMCSs changed at random, and compares what the CPU does with
 * what vmx/check.c foretells: entered, or refused for its controls, host state, guest state or MSRs. Over 10,000 entries in
 * each of four modes, no deviation but those known of the emulator.
 */
#include "mutate.h"

/* Where Bochs 2.7 is known to deviate from the SDM, and why. */
static const struct mutate_known known[] = {
	{ "guest IA32_DEBUGCTL", "reserved bits", "entered", 0, "Bochs loads IA32_DEBUGCTL unchecked" },
	{ "pending debug exceptions", "reserved bits", "entered", 0, "Bochs checks the low half of the field alone" },
	{ "guest RIP", "bits above", "entered", 0, "Bochs does not check RIP in 64-bit mode; the fetch faults" },
	{ "VM-entry MSR-load area", "must be one that can be written outside SMM", "entered", 0x9b, "Bochs takes a write of IA32_SMM_MONITOR_CTL" },
	{ "guest CS access rights", "DPL must be that of SS", "entered", 0, "Bochs compares CS.DPL with its selector's RPL, the SDM with SS.DPL" },
	{ "selector", "no rule", "exit 33", 0, "the same: the RPL of CS is not its DPL, which the SDM lets pass" },
};

static const struct mutate_host host = { "Intel", 0x756e6547, host_is_bochs, known, ARRAY_SIZE(known) };

int main(int argc, char **argv)
{
	return mutate_main(argc, argv, &host);
}
