/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A machine that leaves: keel ctl migrate. The other side is arrive.h.
 */
#ifndef KEEL_MIGRATE_H
#define KEEL_MIGRATE_H

#include <stdbool.h>
#include <stdint.h>

#include "migrate_pace.h"
#include "migrate_turn.h"
#include "migrate_word.h"
#include "state_image.h"
#include "state_memory.h"
#include "state_stream.h"

struct machine;
struct state_error;

/* How far it is, and how far the last one came. The control thread's alone. */
struct migration {
	enum migrate_state state;
	bool is_cancelled;		/* somebody has asked for it; to be looked at soon */
	struct pace pace;
	uint64_t sent;			/* bytes, of all that goes over the connection */
	uint64_t left;			/* pages that this round has still to copy */
	uint64_t began_ns;		/* CLOCK_MONOTONIC */
	uint64_t stopped_ns;		/* 0: the guest does not stand for it */
	uint64_t took_ms;		/* once it is over: how long, */
	uint64_t stood_us;		/* and how long the guest stood in the end */
	char wrong[256];		/* why the last one failed; "": it did not */

	struct migrate_peer peer;
	struct state_writer writer;
	struct state_image image;
	struct state_memory_watch outer;	/* whoever wants it to go on */
	struct state_memory_watch watch;	/* which asks that as well, while a part is on its way, */
	struct state_memory_watch holding;	/* and while a device is waited for */
	struct state_error *error;	/* of the one that is under way */
	uint64_t *log;			/* room for the kernel's log; NULL: nothing is watched */
	uint64_t *pages;		/* to be copied in this round */
	uint64_t moved_ns;		/* when the connection took something last */
	bool is_held;			/* vCPUs and virtio devices, until it is settled */
	bool is_slowed;			/* vCPUs, for a moment */
	bool has_unlocked;		/* disks */
};

/**
 * migrate_run() - move the machine through @fd, a connected socket, to a launcher that waits for it
 * @watch: asked all the time whether to go on, and with 0 of 0 while nothing moves; what it serves meanwhile may call what follows.
 *
 * By the control thread; vCPUs run. Return: true: the guest is the other's, and this machine is to end; nothing of it runs any more. False with @error: it
 * goes on here; or nobody knows, and it stands until migrate_take_back() or its end (MIGRATE_UNSURE).
 */
bool migrate_run(struct machine *machine, int fd, const struct state_memory_watch *watch, struct state_error *error);

/**
 * migrate_take_back() - somebody knows that the target does not run the guest and never will: have it go on here
 *
 * Return: false with @error if the machine is not MIGRATE_UNSURE, or its disks are another's.
 */
bool migrate_take_back(struct machine *machine, struct state_error *error);

/**
 * migrate_leave() - the machine ends: nothing of what is held may go on
 */
void migrate_leave(struct machine *machine);

#endif
