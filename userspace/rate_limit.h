/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How much a device may move a second: two token buckets, one of bytes and one of requests. Whose time it is the caller says.
 */
#ifndef KEEL_RATE_LIMIT_H
#define KEEL_RATE_LIMIT_H

#include <stdbool.h>
#include <stdint.h>

#define RATE_MAX	(1ULL << 50)	/* of all that is below, and of what is taken at once */

/* What somebody asked for; 0: nothing was said. */
struct rate_options {
	uint64_t bytes, requests;		/* a second; 0: as many as can be had */
	uint64_t bytes_max, requests_max;	/* at once, after a rest; 0: what a tenth of a second gives */
};

/*
 * A bucket. Tokens are in parts of 10^9, so that a nanosecond adds a whole number of parts, however few come in a second; nothing is ever
 * rounded.
 */
struct rate_bucket {
	uint64_t rate;		/* tokens a second; 0: it is never empty */
	uint64_t size;		/* tokens that it holds */
	__int128 parts;		/* below 0: taken in advance */
	uint64_t at;		/* when there were so many, in nanoseconds */
};

struct rate_limit {
	struct rate_bucket bytes, requests;
};

/**
 * rate_limit_init() - begin with full buckets, at @now in nanoseconds
 */
void rate_limit_init(struct rate_limit *limit, const struct rate_options *options, uint64_t now);

/** rate_limit_is_on() - is there any limit? A zeroed one is none */
static inline bool rate_limit_is_on(const struct rate_limit *limit)
{
	return limit->bytes.rate || limit->requests.rate;
}

/**
 * rate_limit_wait() - how long the next request has to wait
 *
 * It may be of any size: one that takes more than there is has those behind it wait for so much longer. Who has to wait does so until there
 * are tokens for a millisecond, so as not to be woken for each of many small requests.
 *
 * Return: nanoseconds from @now on; 0: it need not.
 */
uint64_t rate_limit_wait(struct rate_limit *limit, uint64_t now);

/**
 * rate_limit_take() - so many requests have been done, and so many bytes moved
 */
void rate_limit_take(struct rate_limit *limit, uint64_t requests, uint64_t bytes);

#endif
