// SPDX-License-Identifier: GPL-2.0-only
/* An #AC exit is the guest's own with CR0.AM, RFLAGS.AC and CPL 3 together; else the host's detection of split locks raised it. */
#include <stdbool.h>
#include "test.h"
#include "alignment.h"

#define AM	X86_CR0_AM
#define AC	X86_EFLAGS_AC

static const struct {
	const char *name;
	unsigned long cr0, rflags;
	unsigned int cpl;
	bool wanted;
} rows[] = {
	{ "user mode that asked for it", 0x80050033, AC | 0x202, 3, true },
	{ "all three, nothing else", AM, AC, 3, true },
	{ "kernel", AM, AC, 0, false },
	{ "ring 1", AM, AC, 1, false },
	{ "ring 2", AM, AC, 2, false },
	{ "no AM", (unsigned int)~AM, AC, 3, false },
	{ "no AC", AM, (unsigned int)~AC, 3, false },
	{ "real mode", 0x10, 2, 0, false },
	{ "user mode of a common kernel", 0x80050033, 0x202, 3, false },
};

static void test_rows(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		CHECK_EQ(rows[i].name, rows[i].wanted, alignment_check_is_guests(rows[i].cr0, rows[i].rflags, rows[i].cpl));
}

static const struct test_case cases[] = {
	{ "alignment", test_rows },
};

TEST_MAIN(cases)
