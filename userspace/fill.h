/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Memory of a saved machine that is read from its file while the guest runs: what somebody touches at once, the rest in the background.
 */
#ifndef KEEL_FILL_H
#define KEEL_FILL_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "state_format.h"

struct state_lazy;
struct state_memory_watch;
struct vm;

/* Zeroed: all memory is there. */
struct fill {
	struct vm *vm;
	const char *name;		/* of the file, for what is told */
	struct state_lazy *lazy;	/* the thread's; NULL once all is there */
	int faults;			/* userfaultfd */
	int event;			/* the thread is to look at orders */
	pthread_t thread;
	bool has_thread;
	bool is_open;			/* there was something to fill */
	bool is_early;			/* nobody runs yet: a bad block is told by fill_rest() */
	atomic_uint orders;		/* FILL_STOP, FILL_ALL */
	uint8_t *places;		/* of each megabyte of the mapping what it is; the thread writes them */
	uint64_t place_count;
	uint32_t next;			/* block to read in the background */
	_Atomic uint64_t left;		/* bytes of guest memory whose blocks are not there yet */
	atomic_bool is_done;		/* there is no block left, and no userfaultfd */
	pthread_mutex_t lock;		/* guards what follows */
	pthread_cond_t changed;		/* a block is there, or is bad; or all are */
	struct state_error error;	/* the first bad block; "": none */
};

/**
 * fill_open() - have vm->memory, which nobody has touched, filled from @lazy, and serve what is touched from here on
 * @fill: zeroed; to be closed by fill_close() in any case
 * @name: of the file; it stays where it is
 * @lazy: is the fill's from here on, in any case
 *
 * By a thread without a filter of system calls, until fill_rest(): only what is needed for the machine to be made.
 * Return: false with @error.
 */
bool fill_open(struct fill *fill, struct vm *vm, const char *name, struct state_lazy *lazy, struct state_error *error);

/**
 * fill_rest() - the machine has been made: that thread ends
 *
 * Harmless on a zeroed one. Return: false with @error if it saw a block that is bad, which is zeros then: the machine must not run.
 */
bool fill_rest(struct fill *fill, struct state_error *error);

/**
 * fill_start() - serve by a thread as a machine that runs has them; harmless if all is there
 *
 * A block that is bad ends the run, in words; who has touched it waits for that.
 * Return: 0 or a positive errno.
 */
int fill_start(struct fill *fill);

/**
 * fill_go_on() - the guest runs: read what nobody has asked for as well
 */
void fill_go_on(struct fill *fill);

/**
 * fill_wait() - wait until all is there
 * @watch: asked now and then whether to wait on; may be NULL
 *
 * At once on a zeroed one, or once it is. By threads that no fault of memory waits for.
 * Return: false with @error if a block is bad, or @watch has given it up.
 */
bool fill_wait(struct fill *fill, const struct state_memory_watch *watch, struct state_error *error);

/**
 * fill_renew() - in a process that fork() has made, of one that all was there of: no thread
 */
void fill_renew(struct fill *fill);

/**
 * fill_stop() - end the thread, until vm->end_by; nobody is there any more whom it could serve
 * Return: false if it is still there.
 */
bool fill_stop(struct fill *fill);

/**
 * fill_close() - release it; harmless on a zeroed one
 */
void fill_close(struct fill *fill);

#endif
