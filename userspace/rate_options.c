// SPDX-License-Identifier: GPL-2.0-only
/*
 * The names are QEMU's of its -drive: bps, bps_max, iops, iops_max (throttling.bps-total and so on), with a burst's length of one second,
 * which is QEMU's default: what a bucket holds. What others have as a bucket's size and the time in which it fills is one rate here.
 */
#include <errno.h>
#include <stdlib.h>

#include "rate_options.h"
#include "size.h"

static bool parse_count(const char *text, uint64_t *value)
{
	char *end;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	*value = strtoull(text, &end, 10);
	return !errno && !*end;
}

const char *rate_options_set(struct rate_options *rate, enum rate_word word, const char *value)
{
	uint64_t *const places[] = {
		[RATE_BYTES] = &rate->bytes,
		[RATE_BYTES_MAX] = &rate->bytes_max,
		[RATE_REQUESTS] = &rate->requests,
		[RATE_REQUESTS_MAX] = &rate->requests_max,
	};
	bool is_bytes = word == RATE_BYTES || word == RATE_BYTES_MAX, is_good;
	uint64_t number = 0;

	is_good = is_bytes ? size_parse(value, &number) : parse_count(value, &number);
	_Static_assert(RATE_MAX == 1ULL << 50, "as the message says");
	if (!is_good || !number || number > RATE_MAX)
		return is_bytes ? "is a number of bytes, 1 to 1024T, with K, M, G or T" : "is a number, 1 to 2^50";
	*places[word] = number;
	return NULL;
}

bool rate_options_are_whole(const struct rate_options *rate, enum rate_word *lone)
{
	bool is_bytes = rate->bytes_max && !rate->bytes;

	*lone = is_bytes ? RATE_BYTES_MAX : RATE_REQUESTS_MAX;
	return !is_bytes && (rate->requests || !rate->requests_max);
}
