/* SPDX-License-Identifier: GPL-2.0-only */
/* Driving a module made with KEEL_DEBUG=1 (selftests/mutate/): broken entries, and where CPU and prediction may differ. */
#ifndef MUTATE_H
#define MUTATE_H

#include "guest.h"

/**
 * struct mutate_known - a known deviation of an emulator
 * @field, @rule: what was to be refused (a part of the field, the beginning of the rule), or a field that was changed and "no rule"
 * @answer: what the emulator did (beginning)
 * @bits: all values it did so with have these
 * @why: for the report
 */
struct mutate_known {
	const char *field;
	const char *rule;
	const char *answer;
	u64 bits;
	const char *why;
};

/**
 * struct mutate_host - where a vendor's test runs
 * @vendor: for the report
 * @cpuid_ebx: CPUID leaf 0, EBX
 * @is_emulated: is this the emulator that @known is about?
 * @known, @n: its deviations
 */
struct mutate_host {
	const char *vendor;
	u32 cpuid_ebx;
	int (*is_emulated)(void);
	const struct mutate_known *known;
	size_t n;
};

/* main() of a test: in each of four modes at least 10,000 broken entries, then the report. Skips on another vendor or module. */
int mutate_main(int argc, char **argv, const struct mutate_host *this);

#endif
