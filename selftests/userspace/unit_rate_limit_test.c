// SPDX-License-Identifier: GPL-2.0-only
/* What a token bucket lets through, by a clock of the test's own, and what is read as a limit. */
#include "test.h"
#include "userspace/rate_limit.h"
#include "userspace/rate_options.h"

#define SECOND	1000000000ULL
#define START	(77 * SECOND)

/* As many requests of @bytes as go in @time, by someone who asks again whenever he may. */
static u64 run(const struct rate_options *options, u64 bytes, u64 time)
{
	struct rate_limit limit;
	u64 done = 0, now = START;

	rate_limit_init(&limit, options, START);
	for (;;) {
		u64 wait = rate_limit_wait(&limit, now);

		if (wait > START + time - now)
			return done;
		now += wait;
		if (wait && rate_limit_wait(&limit, now))
			FAIL("not when it said");
		rate_limit_take(&limit, 1, bytes);
		done++;
	}
}

static void test_rates(void)
{
	static const struct {
		const char *name;
		struct rate_options options;
		u64 bytes, time, want;
	} rows[] = {
		/* A bucket of one second's tenth, then one a tenth of a second. */
		{ "10 a second, for a second", { .requests = 10 }, 4096, SECOND, 1 + 10 },
		{ "for ten", { .requests = 10 }, 4096, 10 * SECOND, 1 + 100 },
		{ "1 a second", { .requests = 1 }, 0, 10 * SECOND, 1 + 10 },
		{ "7 a second, which no nanoseconds divide", { .requests = 7 }, 0, 1000 * SECOND, 1 + 7000 },
		{ "1000 a second", { .requests = 1000 }, 0, 10 * SECOND, 100 + 10000 },
		{ "with a burst", { .requests = 10, .requests_max = 50 }, 0, 10 * SECOND, 50 + 100 },
		{ "a megabyte a second, by pages", { .bytes = 1 << 20, .bytes_max = 4096 }, 4096, 10 * SECOND, 1 + 2560 },
		{ "by requests larger than the bucket", { .bytes = 1 << 20, .bytes_max = 4096 }, 1 << 20, 10 * SECOND, 1 + 10 },
		{ "bytes before requests", { .bytes = 8192, .bytes_max = 1, .requests = 1000 }, 4096, 10 * SECOND, 1 + 20 },
		{ "requests before bytes", { .bytes = 1ULL << 40, .requests = 5 }, 4096, 10 * SECOND, 1 + 50 },
		{ "requests of no bytes", { .bytes = 1, .requests = 2 }, 0, 10 * SECOND, 1 + 20 },
	};

	for (u32 i = 0; i < ARRAY_SIZE(rows); i++) {
		u64 got = run(&rows[i].options, rows[i].bytes, rows[i].time);

		/* The first token comes while there is a part of it. */
		CHECK_EQ(rows[i].name, true, got + 1 >= rows[i].want && got <= rows[i].want + 1);
		if (got + 1 < rows[i].want || got > rows[i].want + 1)
			test_note("wanted %llu, got %llu", (unsigned long long)rows[i].want, (unsigned long long)got);
	}
}

/* A second of rest is worth what the bucket holds, and a year no more. */
static void test_rest(void)
{
	static const u64 rests[] = { SECOND, 3600 * SECOND, 31536000 * SECOND, UINT64_MAX - 2 * START };
	const struct rate_options options = { .bytes = 100, .bytes_max = 250 };

	for (u32 i = 0; i < ARRAY_SIZE(rests); i++) {
		struct rate_limit limit;

		rate_limit_init(&limit, &options, START);
		rate_limit_take(&limit, 1, 250);
		CHECK_EQ("none is left", true, rate_limit_wait(&limit, START) > 0);
		u64 now = START + rests[i], filled = rests[i] == SECOND ? 100 : 250;

		CHECK_EQ("some are there", 0, rate_limit_wait(&limit, now));
		rate_limit_take(&limit, 1, filled - 1);
		CHECK_EQ("and one more", 0, rate_limit_wait(&limit, now));
		rate_limit_take(&limit, 1, 1);
		CHECK_EQ("and no more, for 1/100 of a second", SECOND / 100, rate_limit_wait(&limit, now));
	}
}

static void test_edges(void)
{
	static const struct {
		const char *name;
		struct rate_options options;
		u64 bytes, wait;
	} rows[] = {
		{ "no limit", { .bytes = 0 }, UINT64_MAX, 0 },
		{ "a burst without a rate is none", { .bytes_max = 1, .requests_max = 1 }, UINT64_MAX, 0 },
		{ "in advance", { .bytes = 1000, .bytes_max = 1 }, 1001, SECOND + SECOND / 1000 },
		{ "for a millisecond at least", { .bytes = 1000000 }, 100000, SECOND / 1000 },
		{ "unless the bucket is smaller", { .bytes = 1000000, .bytes_max = 10 }, 10, SECOND / 100000 },
		{ "the most of all", { .bytes = UINT64_MAX, .bytes_max = UINT64_MAX }, UINT64_MAX, SECOND / 1000 },
		/* 2^50 - 1 tokens and one more, which take that many seconds: more than 64 bits have. */
		{ "for ever", { .bytes = 1 }, UINT64_MAX, UINT64_MAX },
	};
	struct rate_limit limit;

	for (u32 i = 0; i < ARRAY_SIZE(rows); i++) {
		rate_limit_init(&limit, &rows[i].options, START);
		CHECK_EQ(rows[i].name, 0, rate_limit_wait(&limit, START));
		rate_limit_take(&limit, 1, rows[i].bytes);
		u64 wait = rate_limit_wait(&limit, START);

		/* 2^50 is no multiple of 1000. */
		CHECK_EQ(rows[i].name, true, wait <= rows[i].wait && rows[i].wait - wait <= 1);
		if (wait > rows[i].wait || rows[i].wait - wait > 1)
			test_note("wanted %llu, got %llu", (unsigned long long)rows[i].wait, (unsigned long long)wait);
	}
	/* Whatever is taken, it does not come round to the other side. */
	rate_limit_init(&limit, &(struct rate_options){ .bytes = 1 }, START);
	for (u32 i = 0; i < 100000; i++)
		rate_limit_take(&limit, 1, UINT64_MAX);
	CHECK_EQ("for ever", UINT64_MAX, rate_limit_wait(&limit, START));
	/* A clock that stands, or goes back, adds nothing. */
	rate_limit_init(&limit, &(struct rate_options){ .requests = 10 }, START);
	rate_limit_take(&limit, 1, 0);
	CHECK_EQ("it stands", SECOND / 10, rate_limit_wait(&limit, START));
	CHECK_EQ("it goes back", SECOND / 10, rate_limit_wait(&limit, START - SECOND));
	CHECK_EQ("it has not been there before", SECOND / 10, rate_limit_wait(&limit, START));
	CHECK_EQ("on", true, rate_limit_is_on(&limit));
	memset(&limit, 0, sizeof(limit));
	CHECK_EQ("off", false, rate_limit_is_on(&limit));
	CHECK_EQ("zeroed", 0, rate_limit_wait(&limit, START));
}

static void test_words(void)
{
	static const struct {
		const char *value;
		enum rate_word word;
		u64 want;	/* 0: refused */
	} rows[] = {
		{ "1", RATE_BYTES, 1 },
		{ "10M", RATE_BYTES, 10 << 20 },
		{ "4K", RATE_BYTES_MAX, 4096 },
		{ "1024T", RATE_BYTES, 1ULL << 50 },
		{ "1025T", RATE_BYTES, 0 },
		{ "0", RATE_BYTES, 0 },
		{ "", RATE_BYTES, 0 },
		{ "-1", RATE_BYTES, 0 },
		{ "10m", RATE_BYTES, 10 << 20 },
		{ "10X", RATE_BYTES, 0 },
		{ "18446744073709551616", RATE_BYTES, 0 },
		{ "500", RATE_REQUESTS, 500 },
		{ "5", RATE_REQUESTS_MAX, 5 },
		{ "1125899906842624", RATE_REQUESTS, 1ULL << 50 },
		{ "1125899906842625", RATE_REQUESTS, 0 },
		{ "1K", RATE_REQUESTS, 0 },
		{ "0", RATE_REQUESTS, 0 },
		{ "", RATE_REQUESTS, 0 },
		{ " 1", RATE_REQUESTS, 0 },
		{ "18446744073709551616", RATE_REQUESTS, 0 },
	};

	for (u32 i = 0; i < ARRAY_SIZE(rows); i++) {
		struct rate_options rate = { .bytes = 0 };
		const u64 *const got[] = { &rate.bytes, &rate.bytes_max, &rate.requests, &rate.requests_max };
		const char *wrong = rate_options_set(&rate, rows[i].word, rows[i].value);

		CHECK_EQ(rows[i].value, !rows[i].want, wrong != NULL);
		CHECK_EQ(rows[i].value, rows[i].want, *got[rows[i].word]);
	}
}

static void test_whole(void)
{
	static const struct {
		struct rate_options rate;
		bool is_whole, is_on;
		enum rate_word lone;
	} rows[] = {
		{ { .bytes = 0 }, true, false, 0 },
		{ { .bytes = 1 }, true, true, 0 },
		{ { .bytes = 1, .bytes_max = 1 }, true, true, 0 },
		{ { .requests = 1, .requests_max = 1 }, true, true, 0 },
		{ { .bytes_max = 1 }, false, false, RATE_BYTES_MAX },
		{ { .requests = 1, .bytes_max = 1 }, false, true, RATE_BYTES_MAX },
		{ { .bytes = 1, .requests_max = 1 }, false, true, RATE_REQUESTS_MAX },
	};

	for (u32 i = 0; i < ARRAY_SIZE(rows); i++) {
		enum rate_word lone;

		CHECK_EQ("whole", rows[i].is_whole, rate_options_are_whole(&rows[i].rate, &lone));
		CHECK_EQ("on", rows[i].is_on, rate_options_is_on(&rows[i].rate));
		if (!rows[i].is_whole)
			CHECK_EQ("which", rows[i].lone, lone);
	}
}

static const struct test_case cases[] = {
	{ "rates", test_rates },
	{ "rest", test_rest },
	{ "edges", test_edges },
	{ "words", test_words },
	{ "whole", test_whole },
};

TEST_MAIN(cases)
