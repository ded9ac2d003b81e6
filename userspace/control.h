/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The control socket: a thread that does for clients what they ask of the
 * running machine. Documentation/control.rst has the protocol.
 */
#ifndef KEEL_CONTROL_H
#define KEEL_CONTROL_H

#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "mark.h"

struct fork_answer;
struct fork_order;
struct generation;
struct net_device;
struct power;
struct stats;
struct vcpu;
struct virtio_balloon;
struct virtio_mem;
struct machine;
struct migration;
struct state_error;
struct state_memory_watch;
struct fill;
struct state_order;
struct vm;

#define CONTROL_PROTOCOL	1		/* counts up with each change that a client could trip over */
#define CONTROL_CLIENTS		16		/* at once */
#define CONTROL_LINE_MAX	4096		/* bytes of a request, its newline included */
#define CONTROL_ANSWER_MAX	(2u << 20)	/* bytes of an answer */
#define CONTROL_NETS		4		/* networks of a new machine */
#define CONTROL_FILES		(3 + CONTROL_NETS)		/* descriptors that come with a request */
#define CONTROL_PATIENCE_S	10		/* for a client that takes nothing */

/* What is kept of one client. */
struct control_client {
	int fd;				/* -1: nobody */
	char line[CONTROL_LINE_MAX];	/* received, not answered */
	size_t used;
	bool is_skipping;		/* the rest of a line that was too long */
	bool is_ended;			/* it says nothing more */
	bool is_busy;			/* what it has asked for is being done, and others are served meanwhile */
	int files[CONTROL_FILES];	/* descriptors that it has passed, for its next request */
	unsigned int file_count;
	char *answer;			/* NULL: all is sent */
	size_t size;
	size_t sent;
	struct timespec moved;		/* CLOCK_MONOTONIC: when it last took something */
};

struct control {
	struct vm *vm;
	struct vcpu *vcpus;
	unsigned int vcpu_count;
	struct power *power;
	const struct stats *stats;	/* without files: none */
	const char *name;		/* NULL: none */
	const struct generation *generation;	/* NULL: none */
	const pid_t *parent;		/* the process that it was forked of, 0 for none */
	struct virtio_balloon *balloon;	/* NULL: none */
	struct virtio_mem *mem;		/* NULL: none */
	struct net_device *nets;
	unsigned int net_count;
	struct machine *machine;	/* for those that follow */
	/* hold_machine(), hold_end(): around save(), mark() and to_mark() */
	bool (*hold)(struct machine *machine, unsigned int why, unsigned int ms, const struct state_memory_watch *watch, struct state_error *error);
	void (*let_go)(struct machine *machine, unsigned int why);
	/* state_write_order() */
	bool (*save)(struct machine *machine, int fd, struct state_order *order, const struct state_memory_watch *watch, struct state_error *error);
	/* fork_ask(). NULL: the machine is not one to be forked */
	bool (*fork)(struct machine *machine, const struct fork_order *order, struct fork_answer *answer);
	/* mark_set() and mark_return(). NULL: the machine is not one to be marked */
	bool (*mark)(struct machine *machine, uint64_t *bytes, struct state_error *error);
	bool (*to_mark)(struct machine *machine, enum mark_identity identity, uint64_t *pages, struct state_error *error);
	/* migrate_run(), migrate_take_back(), migrate_leave(), and how far it is; all or none */
	struct migration *migration;
	bool (*migrate)(struct machine *machine, int fd, const struct state_memory_watch *watch, struct state_error *error);
	bool (*take_back)(struct machine *machine, struct state_error *error);
	void (*leave)(struct machine *machine);
	uint64_t memory;		/* bytes */
	bool is_restored;		/* from a file */
	const char *why_whole;		/* its memory was read before it ran, though that was not asked for; NULL: it was not */
	/* fill_wait(); NULL: all memory is there */
	struct fill *fill;
	bool (*fill_up)(struct fill *fill, const struct state_memory_watch *watch, struct state_error *error);
	struct timespec started;	/* CLOCK_MONOTONIC */

	int listener;
	/* From within a command: serve whoever has asked for something by now, but for clients that are busy. */
	void (*turn)(struct control *control);
	pthread_t thread;
	bool has_thread;
	bool is_quitting;		/* a client wants the end, and has its answer on the way */
	bool is_moved;			/* the machine is another launcher's, and whoever asked has its answer on the way */
	bool is_deaf;			/* nobody could be accepted a moment ago */
	struct control_client clients[CONTROL_CLIENTS];
};

/**
 * control_open() - listen at @path, for the owner of this process alone
 *
 * A socket that was left behind is replaced, one that somebody listens at is not.
 *
 * Return: a file descriptor; -1 after a line on stderr.
 */
int control_open(const char *path);

/**
 * control_connect() - connect to the machine whose socket is @path, within @seconds
 * @seconds: 0: at once, and the file descriptor does not block.
 *
 * Sending takes no longer either.
 *
 * Return: a file descriptor, or -1 with errno: EAGAIN if somebody listens and takes no client.
 */
int control_connect(const char *path, int seconds);

/**
 * control_is_gone() - has the client closed the connection @fd? -1: there is none that could
 */
static inline bool control_is_gone(int fd)
{
	struct pollfd client = { .fd = fd };

	return poll(&client, 1, 0) == 1 && client.revents & POLLHUP;
}

/**
 * control_start() - start the thread
 * @control: zeroed, with all filled in that stands before the listener, and that.
 *
 * Return: 0 or a positive errno.
 */
int control_start(struct control *control);

/**
 * control_renew() - in a process that fork() has made: no client, no thread
 * @listener: the socket to listen at, which takes the place of the other's, and is closed with the client that passed it;
 *	-1 for none
 */
void control_renew(struct control *control, int listener);

/**
 * control_stop() - end the thread, until vm->end_by; vm_is_stopping() must hold
 *
 * Harmless if never started. Return: false if it is still there.
 */
bool control_stop(struct control *control);

#endif
