// SPDX-License-Identifier: GPL-2.0-only
/*
 * A request is let through while a bucket has anything, and pays when its size is known. So none is too large for a bucket, and in any
 * time no more is moved than the bucket holds, what that time gives, and one request.
 *
 * Numbers: rates and sizes are at most 2^50, times are 64 bits, and 10^9 is below 2^30: what is added or taken is below 2^114.
 */
#include "rate_limit.h"

#define PARTS		1000000000ULL	/* of a token; and nanoseconds of a second */
#define REST_SHARE	10		/* a bucket has what this part of a second gives, */
#define WAKE_SHARE	1000		/* and who waits does so for at least this part */

static uint64_t at_most(uint64_t value, uint64_t limit)
{
	return value < limit ? value : limit;
}

static void init_bucket(struct rate_bucket *bucket, uint64_t rate, uint64_t size, uint64_t now)
{
	rate = at_most(rate, RATE_MAX);
	if (!size)
		size = rate / REST_SHARE;
	size = size ? at_most(size, RATE_MAX) : 1;
	*bucket = (struct rate_bucket){ .rate = rate, .size = size, .parts = (__int128)size * PARTS, .at = now };
}

static void refill(struct rate_bucket *bucket, uint64_t now)
{
	const __int128 full = (__int128)bucket->size * PARTS;

	if (now <= bucket->at)
		return;
	bucket->parts += (__int128)(now - bucket->at) * bucket->rate;
	if (bucket->parts > full)
		bucket->parts = full;
	bucket->at = now;
}

static uint64_t wait_for(struct rate_bucket *bucket, uint64_t now)
{
	if (!bucket->rate)
		return 0;
	refill(bucket, now);
	if (bucket->parts > 0)
		return 0;
	uint64_t some = at_most(bucket->rate / WAKE_SHARE, bucket->size);
	__int128 missing = (__int128)(some ? some : 1) * PARTS - bucket->parts, wait = (missing + bucket->rate - 1) / bucket->rate;

	return wait < UINT64_MAX ? (uint64_t)wait : UINT64_MAX;
}

static void take(struct rate_bucket *bucket, uint64_t count)
{
	const __int128 least = -((__int128)1 << 120);

	if (!bucket->rate)
		return;
	bucket->parts -= (__int128)at_most(count, RATE_MAX) * PARTS;
	if (bucket->parts < least)
		bucket->parts = least;
}

void rate_limit_init(struct rate_limit *limit, const struct rate_options *options, uint64_t now)
{
	init_bucket(&limit->bytes, options->bytes, options->bytes_max, now);
	init_bucket(&limit->requests, options->requests, options->requests_max, now);
}

uint64_t rate_limit_wait(struct rate_limit *limit, uint64_t now)
{
	uint64_t bytes = wait_for(&limit->bytes, now), requests = wait_for(&limit->requests, now);

	return bytes > requests ? bytes : requests;
}

void rate_limit_take(struct rate_limit *limit, uint64_t requests, uint64_t bytes)
{
	take(&limit->requests, requests);
	take(&limit->bytes, bytes);
}
