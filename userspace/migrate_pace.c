// SPDX-License-Identifier: GPL-2.0-only
/*
 * A guest that writes more slowly than its memory is copied leaves less each round, and the rest is soon little. One that does not is kept from running
 * for a growing part of the time. If that does not help either it is stopped after the last round, for PACE_STOP_MAX_MS at most: rather than longer, it stays.
 */
#include "migrate_pace.h"

#define MIN_PAGES	256	/* of a round that something can be measured by */
#define SLOWER		20	/* percent */

uint64_t pace_stop_ms(const struct pace *pace, uint64_t pages)
{
	return pages * pace->page_ns / 1000000;
}

enum pace_verdict pace_next(struct pace *pace, uint64_t copied, uint64_t ns, uint64_t left)
{
	bool is_less = left < pace->last_pages - pace->last_pages / 4;

	pace->round++;
	if (copied >= MIN_PAGES || !pace->page_ns)
		pace->page_ns = ns / (copied ? copied : 1);
	if (left <= PACE_FEW_PAGES || pace_stop_ms(pace, left) <= PACE_STOP_MS)
		return PACE_STOP;
	if (pace->round >= PACE_ROUNDS_MAX)
		return pace_stop_ms(pace, left) <= PACE_STOP_MAX_MS ? PACE_STOP : PACE_HOPELESS;
	/* The first was of all memory. */
	if (pace->round > 1 && !is_less && pace->slow < PACE_SLOW_MAX)
		pace->slow += SLOWER;
	pace->last_pages = left;
	pace->asked_ns = 0;
	return PACE_ROUND;
}

bool pace_holds(struct pace *pace, uint64_t now)
{
	uint64_t passed = pace->asked_ns ? now - pace->asked_ns : 0;

	if (!pace->asked_ns)
		pace->held_ns = pace->run_ns = 0;
	pace->asked_ns = now;
	if (pace->is_held)
		pace->held_ns += passed;
	else
		pace->run_ns += passed;
	pace->is_held = pace->held_ns * 100 < (pace->held_ns + pace->run_ns) * pace->slow;
	return pace->is_held;
}
