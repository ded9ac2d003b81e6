/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Another machine out of one that runs: keel run --forkable, keel ctl fork.
 */
#ifndef KEEL_FORK_H
#define KEEL_FORK_H

#include <pthread.h>
#include <stdbool.h>
#include <sys/types.h>

#include "net_options.h"
#include "runtime.h"

struct machine;
struct options;

/* What a client wants. */
struct fork_order {
	int output;			/* becomes the child's standard output, and its input if it is a terminal */
	int listener;			/* the child's control socket; -1: it has none */
	int report;			/* where the child tells how it has ended; -1: nowhere */
	int nets[NET_DEVICES_MAX];	/* what carries the frames of its network devices, one after the other: the sockets of passt; */
	unsigned int net_count;		/* the links of those behind are down */
	int client;			/* who wants it: no child of a client that is gone; -1: nobody is asked */
	const char *name;		/* the child's; "": none */
	bool is_paused;			/* it waits for a client to resume it */
};

struct fork_answer {
	pid_t pid;			/* of the child */
	char error[256];		/* "": done */
};

enum fork_stage {
	FORK_IDLE,
	FORK_ASKED,			/* by the control thread, which may take it back */
	FORK_SERVED,			/* by the main thread */
	FORK_DONE,
};

struct forking {
	bool is_possible;		/* --forkable; constant */
	int event;			/* eventfd, readable once somebody has asked; if it is possible */
	char name[RUNTIME_NAME_MAX + 1];	/* of this machine, if it was forked itself, */
	pid_t parent;			/* and of which process; 0: it was not */
	int report;			/* the number that a child's report has; if it is possible */

	pthread_mutex_t lock;		/* guards what follows */
	pthread_cond_t changed;
	enum fork_stage stage;
	struct fork_order order;
	struct fork_answer answer;
};

/**
 * fork_prepare() - make ready for fork_serve(), if @options say --forkable; the VM is there, its vCPUs need not be
 * Return: 0, or STATUS_CREATE or STATUS_HOST after a line on stderr.
 */
int fork_prepare(struct machine *machine, const struct options *options);

/**
 * fork_ask() - have the main thread fork the machine, which stands for that; it goes on by itself as soon as it may
 *
 * By the control thread. Return: false if there is no child; @answer says why.
 */
bool fork_ask(struct machine *machine, const struct fork_order *order, struct fork_answer *answer);

/**
 * fork_serve() - do what fork_ask() wants, after forking.event is readable; by the main thread
 * Return: true in the child. It is a machine that runs; all descriptors that could be waited for are others.
 */
bool fork_serve(struct machine *machine);

/* fork_child.c */

/* What parent and child say to each other, by a pipe each way. The parent says a byte: go on. */
struct fork_words {
	bool is_running;		/* false: state and memory are copied */
	char error[256];		/* "": so far, so good */
};

struct fork_line {
	int in, out;
};

/**
 * fork_become() - make this process, which fork() has just made, a machine of its own, and let it run
 *
 * Does not return if that fails, or nobody says go.
 */
void fork_become(struct machine *machine, const struct fork_line *line);

#endif
