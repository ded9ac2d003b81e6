/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What is written after a machine was saved, for the next file to have that alone.
 */
#ifndef KEEL_TRACK_H
#define KEEL_TRACK_H

#include <stdbool.h>
#include <stdint.h>

#include "state_base.h"

struct machine;

/* Zeroed: nothing is kept. Bitmaps have dirty_words() words. By who saves alone. */
struct track {
	bool is_on;
	bool has_last;
	struct state_identity last;	/* the file saved last, */
	struct state_identity before;	/* and the one before: whoever had the last one written may have lost it */
	bool has_before;
	uint64_t *log;			/* room */
	uint64_t *since;		/* pages written since the last, */
	uint64_t *between;		/* and from the one before to the last */
};

/**
 * track_begin() - have what is written from here on logged, for a file that has all of the machine; nobody can write meanwhile
 */
bool track_begin(struct machine *machine, struct state_error *error);

/**
 * track_gather() - which pages were written since the file @base; nobody can write meanwhile
 * Return: a bitmap, until the next call; NULL with @error if that is not known.
 */
const uint64_t *track_gather(struct machine *machine, const struct state_identity *base, struct state_error *error);

/**
 * track_saved() - the file has been written: all of the machine, or what was gathered for @base, NULL for all
 */
void track_saved(struct machine *machine, const struct state_identity *saved, const struct state_identity *base);

/**
 * track_give_up() - the file has not been written; a log that was begun for it is ended
 */
void track_give_up(struct machine *machine);

/**
 * track_end() - nothing is kept any more; harmless if nothing is
 *
 * The kernel's log is left to whoever wants it next.
 */
void track_end(struct machine *machine);

#endif
