/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A machine that is started again and again: why, in words, and when that is no use any more.
 */
#ifndef KEEL_RESTARTS_H
#define KEEL_RESTARTS_H

#include <stdbool.h>
#include <time.h>

#include "status.h"

#define RESTARTS_FUTILE_MAX	10	/* starts in a row of which nothing came */
#define RESTARTS_LIFE_MS	1000	/* something came of one that went on for so long */
#define RESTARTS_TOLD_S		10	/* between two lines about guests that crash */

struct vm;
struct vm_reset;

struct restarts {
	struct timespec started;	/* CLOCK_MONOTONIC: when the guest last was */
	struct timespec told;		/* when a line was last printed; zeros: never */
	unsigned int futile;		/* starts in a row */
	unsigned int untold;		/* crashes since that line */
};

/**
 * restarts_begin() - the guest starts now
 */
void restarts_begin(struct restarts *restarts);

/**
 * restarts_go_on() - count a reset, and tell of it if the guest did not ask for it
 * @reset: who asked, and why.
 * @has_printed: the guest has, since it started.
 *
 * A client of the control socket may reset a machine as often as it likes. Return: false: the machine has ended by
 * vm_stop(), as nothing comes of its starts.
 */
bool restarts_go_on(struct restarts *restarts, struct vm *vm, const struct vm_reset *reset, bool has_printed);

#endif
