// SPDX-License-Identifier: GPL-2.0-only
/*
 * A row an event that means something where a side stands.
 *
 * The guest is the source's until it says "yours", and never again from then on, unless the target says that it does not want it, or the kernel says
 * that the target's process is no more and had not said "mine". The target says "mine" before its CPUs enter the guest. A connection that
 * breaks proves nothing: what is between the two may have broken it.
 */
#include <stddef.h>

#include "migrate_turn.h"
#include "util.h"

static const struct {
	enum migrate_state from;
	enum migrate_event event;
	enum migrate_state to;
} rows[] = {
	{ MIGRATE_ASKED, MIGRATE_HEARD_READY, MIGRATE_COPYING },
	{ MIGRATE_ASKED, MIGRATE_HEARD_NO, MIGRATE_BACK },
	{ MIGRATE_ASKED, MIGRATE_IS_LOST, MIGRATE_BACK },
	{ MIGRATE_ASKED, MIGRATE_IS_LATE, MIGRATE_BACK },
	{ MIGRATE_ASKED, MIGRATE_IS_DEAD, MIGRATE_BACK },
	{ MIGRATE_ASKED, MIGRATE_HAS_FAILED, MIGRATE_BACK },
	{ MIGRATE_COPYING, MIGRATE_HAS_SENT, MIGRATE_STOPPED },
	{ MIGRATE_COPYING, MIGRATE_HEARD_NO, MIGRATE_BACK },
	{ MIGRATE_COPYING, MIGRATE_IS_LOST, MIGRATE_BACK },
	{ MIGRATE_COPYING, MIGRATE_IS_LATE, MIGRATE_BACK },
	{ MIGRATE_COPYING, MIGRATE_IS_DEAD, MIGRATE_BACK },
	{ MIGRATE_COPYING, MIGRATE_HAS_FAILED, MIGRATE_BACK },
	{ MIGRATE_STOPPED, MIGRATE_HEARD_ALL, MIGRATE_STOPPED },
	{ MIGRATE_STOPPED, MIGRATE_HAS_HANDED, MIGRATE_HANDED },
	{ MIGRATE_STOPPED, MIGRATE_HEARD_NO, MIGRATE_BACK },
	{ MIGRATE_STOPPED, MIGRATE_IS_LOST, MIGRATE_BACK },
	{ MIGRATE_STOPPED, MIGRATE_IS_LATE, MIGRATE_BACK },
	{ MIGRATE_STOPPED, MIGRATE_IS_DEAD, MIGRATE_BACK },
	{ MIGRATE_STOPPED, MIGRATE_HAS_FAILED, MIGRATE_BACK },
	{ MIGRATE_HANDED, MIGRATE_HEARD_MINE, MIGRATE_MOVED },
	{ MIGRATE_HANDED, MIGRATE_HEARD_NO, MIGRATE_BACK },
	{ MIGRATE_HANDED, MIGRATE_IS_DEAD, MIGRATE_BACK },
	{ MIGRATE_HANDED, MIGRATE_IS_LOST, MIGRATE_UNSURE },
	{ MIGRATE_HANDED, MIGRATE_IS_LATE, MIGRATE_UNSURE },
	{ MIGRATE_UNSURE, MIGRATE_IS_TAKEN_BACK, MIGRATE_BACK },

	{ MIGRATE_LOADING, MIGRATE_HAS_SENT, MIGRATE_WHOLE },
	{ MIGRATE_LOADING, MIGRATE_HEARD_NO, MIGRATE_GIVEN_UP },
	{ MIGRATE_LOADING, MIGRATE_IS_LOST, MIGRATE_GIVEN_UP },
	{ MIGRATE_LOADING, MIGRATE_IS_LATE, MIGRATE_GIVEN_UP },
	{ MIGRATE_LOADING, MIGRATE_HAS_FAILED, MIGRATE_GIVEN_UP },
	{ MIGRATE_WHOLE, MIGRATE_HEARD_YOURS, MIGRATE_TAKING },
	{ MIGRATE_WHOLE, MIGRATE_HEARD_NO, MIGRATE_GIVEN_UP },
	{ MIGRATE_WHOLE, MIGRATE_IS_LOST, MIGRATE_GIVEN_UP },
	{ MIGRATE_WHOLE, MIGRATE_IS_LATE, MIGRATE_GIVEN_UP },
	{ MIGRATE_WHOLE, MIGRATE_HAS_FAILED, MIGRATE_GIVEN_UP },
	{ MIGRATE_TAKING, MIGRATE_HAS_TAKEN, MIGRATE_OWNER },
	{ MIGRATE_TAKING, MIGRATE_HAS_FAILED, MIGRATE_GIVEN_UP },
};

enum migrate_state migrate_next(enum migrate_state state, enum migrate_event event)
{
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (rows[i].from == state && rows[i].event == event)
			return rows[i].to;
	return MIGRATE_STATES;
}

bool migrate_may_run(enum migrate_state state)
{
	return state == MIGRATE_IDLE || state == MIGRATE_ASKED || state == MIGRATE_COPYING || state == MIGRATE_BACK || state == MIGRATE_OWNER;
}

bool migrate_is_under_way(enum migrate_state state)
{
	return state >= MIGRATE_ASKED && state <= MIGRATE_UNSURE;
}

const char *migrate_state_name(enum migrate_state state)
{
	static const char *const names[] = {
		[MIGRATE_IDLE] = "none",
		[MIGRATE_ASKED] = "asking",
		[MIGRATE_COPYING] = "copying",
		[MIGRATE_STOPPED] = "stopped",
		[MIGRATE_HANDED] = "handed-over",
		[MIGRATE_UNSURE] = "unsure",
		[MIGRATE_MOVED] = "moved",
		[MIGRATE_BACK] = "failed",
	};

	return state < ARRAY_SIZE(names) && names[state] ? names[state] : "none";
}
