/* SPDX-License-Identifier: GPL-2.0-only */
/* Shadow paging shows a guest what its own tables say, and no more of the host than its slots. */
#include "shadow_world.h"

static u64 env(const char *name, u64 or)
{
	const char *s = getenv(name);

	return s ? strtoull(s, NULL, 0) : or;
}

static u64 seed_now;
static unsigned int ops_now;

static void episode(void)
{
	fuzz_episode(seed_now, ops_now);
}

static void print_tally(void)
{
	static const char *const names[] = { "done", "guest's fault", "device", "read-only", "emulated", "error" };
	unsigned int i;

	test_note("%-14s %10s %10s %10s %10s %10s", "outcome", "none", "32-bit", "PAE", "4-level", "5-level");
	for (i = 0; i < NR_OUTCOMES; i++)
		test_note("%-14s %10llu %10llu %10llu %10llu %10llu", names[i], (unsigned long long)tally.outcome[i][0],
			  (unsigned long long)tally.outcome[i][1], (unsigned long long)tally.outcome[i][2],
			  (unsigned long long)tally.outcome[i][3], (unsigned long long)tally.outcome[i][4]);
	test_note("%llu hidden faults, %llu by stale translations that are permitted, %llu roots gone, %llu accesses in the middle of others",
		  (unsigned long long)tally.hidden, (unsigned long long)tally.stale, (unsigned long long)tally.reloads,
		  (unsigned long long)tally.meanwhile);
	test_note("seen by the auditor: %llu tables out of sync, %llu large leaves, %llu user pages turned into a supervisor's",
		  (unsigned long long)tally.unsync, (unsigned long long)tally.large, (unsigned long long)tally.flips);
}

static void test_fuzz(void)
{
	u64 n = env("SHADOW_EPISODES", 100), first = env("SHADOW_SEED", 1);
	const char *failure;

	ops_now = env("SHADOW_OPS", 200);
	for (seed_now = first; seed_now < first + n; seed_now++) {
		failure = world_catch(episode);
		ASSERT(!failure, "seed %llu: %s", (unsigned long long)seed_now, failure);
	}
	print_tally();
}

static const struct test_case cases[] = {
	{ "fuzz", test_fuzz, 3600 },
};

TEST_MAIN(cases)
