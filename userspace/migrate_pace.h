/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How long a migration copies while the guest runs, and when it stops it: from what was measured, and nothing else.
 */
#ifndef KEEL_MIGRATE_PACE_H
#define KEEL_MIGRATE_PACE_H

#include <stdbool.h>
#include <stdint.h>

#define PACE_ROUNDS_MAX		20	/* while the guest runs, the first of which is of all memory */
#define PACE_STOP_MS		100	/* what is left is little if it takes no longer */
#define PACE_STOP_MAX_MS	10000	/* it is too much to stop for, rather than that */
#define PACE_FEW_PAGES		64	/* is little in any case */
#define PACE_SLOW_MAX		80	/* percent of the time that the guest is kept from running at most */

enum pace_verdict {
	PACE_ROUND,		/* copy what was written, while the guest runs on */
	PACE_STOP,		/* stop it, and copy the rest */
	PACE_HOPELESS,		/* it writes faster than it can be copied */
};

struct pace {
	unsigned int round;	/* how many have been copied */
	unsigned int slow;	/* percent of the time that the guest is to be kept from running */
	uint64_t last_pages;	/* that were to be copied in the last one */
	uint64_t page_ns;	/* that one took, of a round of some length */
	/* Since the guest is slowed down, or since the round began. */
	uint64_t asked_ns, held_ns, run_ns;
	bool is_held;
};

/**
 * pace_next() - a round of @copied pages has taken @ns, and @left pages were written meanwhile: what now?
 */
enum pace_verdict pace_next(struct pace *pace, uint64_t copied, uint64_t ns, uint64_t left);

/**
 * pace_stop_ms() - how long copying @pages would take, by what was measured
 */
uint64_t pace_stop_ms(const struct pace *pace, uint64_t pages);

/**
 * pace_holds() - is the guest to be kept from running until this is asked again, at @now in nanoseconds?
 */
bool pace_holds(struct pace *pace, uint64_t now);

#endif
