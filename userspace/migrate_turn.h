/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Whose the guest is while it moves: what either side of a migration may do next, given what has just happened. Nothing but tables.
 * Documentation/stream.rst, "Migration", tells the same in words.
 */
#ifndef KEEL_MIGRATE_TURN_H
#define KEEL_MIGRATE_TURN_H

#include <stdbool.h>

/* Where a side stands. */
enum migrate_state {
	MIGRATE_IDLE,		/* no migration; both */
	/* The source's. */
	MIGRATE_ASKED,		/* what it is has been sent; the guest runs */
	MIGRATE_COPYING,	/* its memory is on its way; the guest runs, but for moments */
	MIGRATE_STOPPED,	/* all is sent; the guest stands, and is this side's */
	MIGRATE_HANDED,		/* "yours" was sent, and is not confirmed: the guest may be the other's */
	MIGRATE_UNSURE,		/* and nothing more will be heard: somebody who knows must say */
	MIGRATE_MOVED,		/* the guest is the other's, which has said so */
	MIGRATE_BACK,		/* the guest goes on here */
	/* The target's. */
	MIGRATE_LOADING,	/* memory comes */
	MIGRATE_WHOLE,		/* "all" was sent */
	MIGRATE_TAKING,		/* "yours" has come: what only one may have is taken */
	MIGRATE_OWNER,		/* the guest runs here */
	MIGRATE_GIVEN_UP,	/* it does not, and never will */
	MIGRATE_STATES
};

/* What happens. */
enum migrate_event {
	/* A word of the other side's (migrate_word.h). */
	MIGRATE_HEARD_READY,
	MIGRATE_HEARD_ALL,
	MIGRATE_HEARD_YOURS,
	MIGRATE_HEARD_MINE,
	MIGRATE_HEARD_NO,
	/* The connection's. */
	MIGRATE_IS_LOST,	/* it ended, broke, or brought what is no word */
	MIGRATE_IS_LATE,	/* nothing came in time */
	MIGRATE_IS_DEAD,	/* the kernel says that the other side's process is no more, and all that it said has been heard */
	/* This side's. */
	MIGRATE_HAS_SENT,	/* source: all is sent, the guest stands; target: all is there */
	MIGRATE_HAS_HANDED,	/* source: about to say "yours" */
	MIGRATE_HAS_TAKEN,	/* target: it has what only one may have */
	MIGRATE_HAS_FAILED,	/* something here went wrong, or it was cancelled */
	MIGRATE_IS_TAKEN_BACK,	/* source: somebody says that the target is no more */
	MIGRATE_EVENTS
};

/**
 * migrate_next() - where a side stands after @event
 * Return: MIGRATE_STATES if that cannot happen there.
 */
enum migrate_state migrate_next(enum migrate_state state, enum migrate_event event);

/**
 * migrate_may_run() - may this side let the guest's CPUs and devices go on?
 *
 * Of both sides of a migration never more than one.
 */
bool migrate_may_run(enum migrate_state state);

/**
 * migrate_is_under_way() - is a migration away from here going on, or not yet settled?
 */
bool migrate_is_under_way(enum migrate_state state);

/**
 * migrate_state_name() - a word for a source's state, for people and programs
 */
const char *migrate_state_name(enum migrate_state state);

#endif
