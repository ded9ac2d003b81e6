// SPDX-License-Identifier: GPL-2.0-only
/* Which MSRs of perf's list are switched around a guest: those whose values differ, in perf's order. */
#include "test.h"
#include "perf_pick.h"

#define GLOBAL_CTRL	0x38f
#define PEBS_ENABLE	0x3f1
#define ALL_COUNTERS	0x70000000full

static const struct {
	const char *name;
	int given;
	struct perf_guest_switch_msr msrs[3];
	unsigned int wanted;
	struct perf_guest_switch_msr kept[3];
} rows[] = {
	{ "no PMU", 0 },
	{ "nothing on", 2, { { GLOBAL_CTRL, ALL_COUNTERS, ALL_COUNTERS }, { PEBS_ENABLE, 0, 0 } } },
	{ "counts host and guest", 1, { { GLOBAL_CTRL, ALL_COUNTERS, ALL_COUNTERS } } },
	{ "exclude_guest", 2, { { GLOBAL_CTRL, ALL_COUNTERS, ALL_COUNTERS & ~1ull }, { PEBS_ENABLE, 0, 0 } },
	  1, { { GLOBAL_CTRL, ALL_COUNTERS, ALL_COUNTERS & ~1ull } } },
	{ "exclude_host", 2, { { GLOBAL_CTRL, ALL_COUNTERS & ~2ull, ALL_COUNTERS }, { PEBS_ENABLE, 0, 0 } },
	  1, { { GLOBAL_CTRL, ALL_COUNTERS & ~2ull, ALL_COUNTERS } } },
	{ "PEBS, and the CPU does not isolate it", 2,
	  { { GLOBAL_CTRL, ALL_COUNTERS, ALL_COUNTERS & ~1ull }, { PEBS_ENABLE, 1, 0 } },
	  2, { { GLOBAL_CTRL, ALL_COUNTERS, ALL_COUNTERS & ~1ull }, { PEBS_ENABLE, 1, 0 } } },
	{ "the last alone", 3, { { 1, 5, 5 }, { 2, 6, 6 }, { 3, 1, 2 } }, 1, { { 3, 1, 2 } } },
	{ "the first and the last", 3, { { 1, 4, 5 }, { 2, 6, 6 }, { 3, 1, 2 } }, 2, { { 1, 4, 5 }, { 3, 1, 2 } } },
	{ "high halves only", 1, { { 1, 1ull << 32, 0 } }, 1, { { 1, 1ull << 32, 0 } } },
};

static void test_pick(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct perf_guest_switch_msr msrs[3];
		unsigned int n;

		memcpy(msrs, rows[i].msrs, sizeof(msrs));
		n = perf_pick(msrs, rows[i].given);
		CHECK_EQ(rows[i].name, rows[i].wanted, n);
		for (unsigned int j = 0; j < n && j < rows[i].wanted; j++) {
			CHECK_EQ(rows[i].name, rows[i].kept[j].msr, msrs[j].msr);
			CHECK_EQ(rows[i].name, rows[i].kept[j].host, msrs[j].host);
			CHECK_EQ(rows[i].name, rows[i].kept[j].guest, msrs[j].guest);
		}
	}
}

static const struct test_case cases[] = {
	{ "pick", test_pick },
};

TEST_MAIN(cases)
