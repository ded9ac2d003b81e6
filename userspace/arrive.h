/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A machine that comes from another launcher: keel restore --listen. The other side is migrate.h.
 */
#ifndef KEEL_ARRIVE_H
#define KEEL_ARRIVE_H

#include <stdbool.h>

#include "migrate_turn.h"
#include "migrate_word.h"

struct machine;
struct state_file;

struct arrival {
	const char *address;		/* as it was given */
	struct state_file *file;	/* what comes */
	enum migrate_state state;
	struct migrate_peer peer;
	bool is_local;			/* a unix socket */
	bool is_held;			/* its virtio devices, whose threads are there */
};

/**
 * arrive_open() - wait at @address for a machine, and read what it is
 * @arrival: zeroed; to be closed by arrive_close() in any case.
 * @file: zeroed; to be closed by state_file_close() in any case.
 *
 * Return: 0, or STATUS_USAGE or STATUS_STATE after a line on stderr.
 */
int arrive_open(struct arrival *arrival, struct state_file *file, const char *address);

/**
 * arrive_hear() - the same of a machine that comes through @fd, a connected socket
 * @is_local: of this host's own, with nobody in between
 */
int arrive_hear(struct arrival *arrival, struct state_file *file, int fd, const char *address, bool is_local);

/**
 * arrive_hold() - have the devices' threads, which do not run yet, wait until the machine is this side's
 * Return: 0, or a status after a line on stderr.
 */
int arrive_hold(struct machine *machine);

/**
 * arrive_take_over() - the machine is whole, but for what only one may have: tell the other side, and get it
 *
 * By the main thread; vCPUs are held, and are to run if this returns 0. It is paused then if it was.
 * Return: 0, or a status after a line on stderr: it must not run.
 */
int arrive_take_over(struct machine *machine);

/**
 * arrive_release() - the end of arrive_hold(); they serve nothing if the machine is not this side's
 */
void arrive_release(struct machine *machine);

/**
 * arrive_close() - end the connection; if the machine was not taken over, say why
 * @why: may be empty.
 */
void arrive_close(struct arrival *arrival, const char *why);

#endif
