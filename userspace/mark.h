/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A machine that goes back to a point of its life, again and again: keel run --markable, keel ctl mark, keel ctl reset --to-mark.
 */
#ifndef KEEL_MARK_H
#define KEEL_MARK_H

#include <stdbool.h>
#include <stdint.h>

struct machine;
struct mark;
struct options;
struct state_error;

/**
 * mark_options_check() - can a machine with these options be marked, if --markable is one of them?
 * Return: 0, or STATUS_USAGE after a line on stderr.
 */
int mark_options_check(const struct options *options);

/**
 * mark_prepare() - make ready for mark_set(), if @options say --markable; the machine is whole, and nothing runs
 * Return: 0, or STATUS_CREATE or STATUS_HOST after a line on stderr.
 */
int mark_prepare(struct machine *machine, const struct options *options);

/**
 * mark_set() - remember all of the machine, in the place of what was remembered before
 * @bytes: gets how much of its memory is not zero
 *
 * vCPUs stand outside the guest, each with its access finished. By the control thread. Return: false with @error, and the last
 * mark, if there is one, stays.
 */
bool mark_set(struct machine *machine, uint64_t *bytes, struct state_error *error);

/* Who a machine is that has gone back to its mark. */
enum mark_identity {
	MARK_ANOTHER,			/* it has another generation ID, and the guest is told */
	MARK_THE_SAME,			/* nothing in it tells that it has been there before */
};

/**
 * mark_return() - have the machine be what it was then; its clocks go on
 * @pages: gets how many pages of memory were put back
 *
 * As mark_set(). Return: false with @error, and nothing has changed; or the machine ends, as it could not be put back as a whole.
 */
bool mark_return(struct machine *machine, enum mark_identity identity, uint64_t *pages, struct state_error *error);

/**
 * mark_forget() - in a process that fork() has made: it has no mark, whatever the other one has
 */
void mark_forget(struct machine *machine);

/**
 * mark_free() - release all; harmless if there is none
 */
void mark_free(struct machine *machine);

#endif
