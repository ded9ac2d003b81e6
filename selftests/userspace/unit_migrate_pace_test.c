// SPDX-License-Identifier: GPL-2.0-only
/* When a migration stops its guest, and how it slows one down: guests that write at some rate, over links of some speed. */
#include "test.h"
#include "userspace/migrate_pace.h"

#define MS	1000000ULL

/* A guest that writes @writes pages a second, all different ones up to @most, and a link that takes @link pages a second. */
static const struct {
	const char *name;
	u64 memory, writes, most, link;
	enum pace_verdict wanted;
	unsigned int rounds_min, rounds_max, slow_min, slow_max;
} rows[] = {
	{ "idle", 65536, 0, 0, 65536, PACE_STOP, 1, 1, 0, 0 },
	{ "a little", 65536, 100, 100, 65536, PACE_STOP, 1, 1, 0, 0 },
	{ "half as fast as the link", 65536, 32768, 65536, 65536, PACE_STOP, 3, 6, 0, 0 },
	{ "as fast as the link", 65536, 65536, 65536, 65536, PACE_STOP, 4, 20, 20, 80 },
	{ "twice as fast", 65536, 131072, 65536, 65536, PACE_STOP, 4, 20, 60, 80 },
	{ "ten times as fast, of memory that takes a second", 65536, 655360, 65536, 65536, PACE_STOP, 20, 20, 80, 80 },
	{ "ten times as fast, of memory that takes minutes", 8388608, 655360, 8388608, 65536, PACE_HOPELESS, 20, 20, 80, 80 },
	{ "a small set, again and again", 65536, 1000000, 2000, 65536, PACE_STOP, 1, 1, 0, 0 },
	{ "a larger set, again and again, of which all is always written", 65536, 1000000, 20000, 65536, PACE_STOP, 20, 20, 80, 80 },
};

static void test_guests(void)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		struct pace pace = { 0 };
		enum pace_verdict verdict = PACE_ROUND;
		u64 copied = rows[i].memory;

		while (verdict == PACE_ROUND) {
			u64 ns = copied * 1000000000ULL / rows[i].link;
			u64 left = rows[i].writes * (100 - pace.slow) / 100 * ns / 1000000000;

			left = left < rows[i].most ? left : rows[i].most;
			verdict = pace_next(&pace, copied, ns, left);
			ASSERT_LE(pace.round, PACE_ROUNDS_MAX);
			if (verdict == PACE_STOP)
				CHECK_EQ("the stop is bounded", 1, pace_stop_ms(&pace, left) <= PACE_STOP_MAX_MS);
			copied = left;
		}
		test_note("%s: %u rounds, %u%%", rows[i].name, pace.round, pace.slow);
		CHECK_EQ(rows[i].name, rows[i].wanted, verdict);
		CHECK_EQ("rounds", 1, pace.round >= rows[i].rounds_min && pace.round <= rows[i].rounds_max);
		CHECK_EQ("slowed down", 1, pace.slow >= rows[i].slow_min && pace.slow <= rows[i].slow_max);
	}
}

/* Asked every few milliseconds, the guest is held for as much of the time as it should be. */
static void test_slow(void)
{
	for (unsigned int slow = 0; slow <= PACE_SLOW_MAX; slow += 20) {
		struct pace pace = { .slow = slow };
		u64 now = 5 * MS, held = 0, all = 0, random = 9;

		for (unsigned int i = 0; i < 1000; i++) {
			u64 passes = (1 + xorshift(&random) % 9) * MS;

			held += pace_holds(&pace, now) ? passes : 0;
			all += passes;
			now += passes;
		}
		test_note("%u%%: held %llu of %llu ms", slow, (unsigned long long)(held / MS), (unsigned long long)(all / MS));
		CHECK_EQ("within a percent", 1, held * 100 >= all * (slow ? slow - 1 : 0) && held * 100 <= all * (slow + (slow ? 1 : 0)));
	}
}

static const struct test_case cases[] = {
	{ "guests", test_guests },
	{ "slow", test_slow },
};

TEST_MAIN(cases)
