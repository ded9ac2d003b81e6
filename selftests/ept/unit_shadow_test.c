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

static void test_fuzz(void)
{
	u64 n = env("SHADOW_EPISODES", 100), first = env("SHADOW_SEED", 1);
	const char *failure;

	ops_now = env("SHADOW_OPS", 200);
	for (seed_now = first; seed_now < first + n; seed_now++) {
		failure = world_catch(episode);
		ASSERT(!failure, "seed %llu: %s", (unsigned long long)seed_now, failure);
	}
}

static const struct test_case cases[] = {
	{ "fuzz", test_fuzz, 3600 },
};

TEST_MAIN(cases)
